"""Decoding by kernels against transformers' own forward, token by token."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from vr1repro.config.samplers import Decoding
from vr1repro.core.problem_files import ProblemFile
from vr1repro.engines.transformers import decoder as decoding
from vr1repro.engines.transformers.decoder import Decoder, ModuleDecoder, Qwen25Decoder, open_decoder

pytestmark = pytest.mark.slow

STEPS = 11


@pytest.fixture(scope="module")
def loaded(lab: SimpleNamespace) -> Any:
    from vr1repro.training import checkpoints

    model, processor = checkpoints.load(lab.model, lab.config.rl.launch)
    return model.eval(), processor


def with_pictures(lab: SimpleNamespace, processor: Any) -> dict[str, torch.Tensor]:
    """Four prompts of several lengths, pictures of several sizes among them; padded on the left."""
    from vr1repro.training.data import PictureLimits, rl_rows

    rows = list(rl_rows(ProblemFile(lab.problems), range(4), None, PictureLimits()))
    texts = [processor.apply_chat_template(row["prompt"], add_generation_prompt=True) for row in rows]
    return dict(processor(text=texts, images=[row["images"] for row in rows], padding=True, return_tensors="pt"))


def read(model: Any, inputs: dict[str, torch.Tensor], owners: list[int] | None, way: Decoding) -> Decoder:
    from vr1repro.engines.transformers.sampling import _prompt_positions

    positions, offsets = _prompt_positions(model, inputs)
    out = model(**inputs, position_ids=positions, use_cache=True, logits_to_keep=1)
    return open_decoder(model, out.past_key_values, inputs["attention_mask"], offsets, owners, decoding=way)


@pytest.mark.parametrize("owners", [None, [0, 2, 0, 1, 3, 1, 0]], ids=["alone", "groups"])
@pytest.mark.parametrize("pictures", [True, False], ids=["pictures", "text"])
@pytest.mark.parametrize("room", [1, 3, 128])
def test_the_logits_of_each_step_are_those_of_transformers(
    lab: SimpleNamespace,
    loaded: Any,
    monkeypatch: pytest.MonkeyPatch,
    owners: list[int] | None,
    pictures: bool,
    room: int,
) -> None:
    monkeypatch.setattr(decoding, "_ROOM", room)
    model, processor = loaded
    inputs = (
        with_pictures(lab, processor)
        if pictures
        else dict(processor(text=["1 + 1 = ", "12 + 3 = ", "7", "1 + 2 + 3 + 4 = "], padding=True, return_tensors="pt"))
    )
    draws = torch.Generator().manual_seed(room)
    with torch.inference_mode():
        ours, theirs = (read(model, inputs, owners, way) for way in ("kernels", "modules"))
        assert (type(ours), type(theirs)) == (Qwen25Decoder, ModuleDecoder)
        rows = len(owners or inputs["input_ids"])
        for step in range(STEPS):
            tokens = torch.randint(3, 250, (rows,), generator=draws)
            logits, expected = ours.step(tokens), theirs.step(tokens)
            assert logits.shape == (rows, model.config.text_config.vocab_size)
            assert (logits - expected).norm() / expected.norm() < 1e-5
            if step in (2, 6):  # the first row, and then the one in the middle, has ended
                kept = torch.tensor([row for row in range(rows) if row != (0 if step == 2 else rows // 2)])
                ours.keep(kept)
                theirs.keep(kept)
                rows = len(kept)


def test_prompts_of_one_length_need_no_mask(loaded: Any) -> None:
    model, processor = loaded
    inputs = dict(processor(text=["abc", "abd"], return_tensors="pt", padding=True))
    assert bool(inputs["attention_mask"].all())
    tokens = torch.tensor([40, 41])
    with torch.inference_mode():
        ours, theirs = (read(model, inputs, None, way).step(tokens) for way in ("kernels", "modules"))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_act": "gelu"},
        {"layer_types": ["full_attention", "sliding_attention", "full_attention"]},
        {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1000.0}},
    ],
    ids=["activation", "sliding window", "dynamic rope"],
)
def test_a_decoder_that_is_built_otherwise_goes_through_transformers(
    loaded: Any, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    model, _ = loaded
    assert Qwen25Decoder.knows(model)
    for name, value in change.items():
        monkeypatch.setattr(model.config.get_text_config(), name, value)
    assert not Qwen25Decoder.knows(model)


def test_another_model_goes_through_transformers() -> None:
    config = SimpleNamespace(model_type="qwen2_vl", get_text_config=lambda: pytest.fail("not asked"))
    assert not Qwen25Decoder.knows(SimpleNamespace(config=config))
