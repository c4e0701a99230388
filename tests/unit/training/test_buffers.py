"""Rotary frequencies keep fp32, whoever casts the model around them."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from in_process import finish, start
from test_sharded import SHARDED, work

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_rounded_frequencies_are_made_again_and_kept(lab: SimpleNamespace) -> None:
    import torch
    from transformers import AutoModelForImageTextToText

    from vr1repro.training.buffers import keep_fp32_buffers

    exact = dict(AutoModelForImageTextToText.from_pretrained(lab.model).named_buffers())
    assert {name.rpartition(".")[2] for name in exact} >= {"inv_freq"}
    model = AutoModelForImageTextToText.from_pretrained(lab.model, dtype=torch.bfloat16)
    for module in model.modules():  # as zero.Init leaves them
        for name, value in module.named_buffers(recurse=False):
            module._buffers[name] = value.bfloat16()
    keep_fp32_buffers(model)
    for cast in (lambda: None, model.bfloat16, lambda: model.to("cpu", torch.float16)):
        cast()
        for name, value in model.named_buffers():
            assert value.dtype == torch.float32
            torch.testing.assert_close(value, exact[name], rtol=0, atol=0)
    assert {value.dtype for value in model.parameters()} == {torch.float16}


@pytest.mark.parametrize(("patch", "ends_well"), [("watch_positions", True), ("positions_rounded", False)])
@pytest.mark.verify
def test_a_bf16_stage_under_zero_has_exact_positions(
    lab: SimpleNamespace, tmp_path: Path, patch: str, ends_well: bool
) -> None:
    job = work(lab, tmp_path / "out", 2, SHARDED["zero"], precision="bf16", patch=patch, limit=240)
    if ends_well:
        finish(job, tmp_path / "work", 2)
    else:
        assert start(job, tmp_path / "work", 2).wait() != 0
