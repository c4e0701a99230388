"""`vr1repro export --model M --transformers 4`: transformers 4 opens our checkpoints, with equal logits."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from handed_stages import Run, with_template
from PIL import Image
from typer.testing import CliRunner

from vr1repro.cli import app
from vr1repro.core.errors import UserError
from vr1repro.handover.transformers4 import export, is_for_transformers4

pytestmark = pytest.mark.slow


def test_text_files_are_written_anew_and_weights_linked(run: Run, tmp_path: Path) -> None:
    model = run.results / "micro" / "models" / "tiny"
    done = CliRunner().invoke(
        app, ["export", "--model", str(model), "--transformers", "4", "--out", str(tmp_path / "m")]
    )
    assert done.exit_code == 0, done.output
    assert is_for_transformers4(tmp_path / "m")
    assert not is_for_transformers4(model)
    assert (tmp_path / "m" / "model.safetensors").samefile(model / "model.safetensors")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert config["text_config"]["rope_theta"] == 1000.0
    assert config["text_config"]["rope_scaling"]["mrope_section"] == [2, 2, 12]
    assert config["text_config"]["architectures"] == config["architectures"] == ["Qwen2_5_VLForConditionalGeneration"]
    tokenizer = json.loads((tmp_path / "m" / "tokenizer_config.json").read_text())
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert "<|image_pad|>" in tokenizer["additional_special_tokens"]
    with pytest.raises(UserError, match="transformers 4 reads it as it is; use it"):
        export(tmp_path / "m", tmp_path / "again")


def test_another_family_is_refused(run: Run, tmp_path: Path) -> None:
    model = run.results / "micro" / "models" / "tiny"
    other = with_template(model, model / "chat_template.jinja", tmp_path / "other")
    config = json.loads((other / "config.json").read_text()) | {"model_type": "llava"}
    (other / "config.json").unlink()
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"config\.json: model_type llava: only qwen2_5_vl and qwen2_vl were compared"):
        export(other, tmp_path / "m")


@pytest.mark.verify
def test_logits_on_a_picture_prompt_are_equal(run: Run, tmp_path: Path, engine_python: Callable[..., Any]) -> None:
    """EasyR1's environment has transformers 4, ours 5."""
    import logits_of_checkpoint

    model = run.results / "micro" / "models" / "tiny"
    export(model, tmp_path / "m")
    Image.radial_gradient("L").resize((200, 150)).convert("RGB").save(tmp_path / "picture.png")
    engine_python(
        "easyr1", "", tmp_path / "m", tmp_path / "picture.png", tmp_path / "4.pt", script="logits_of_checkpoint.py"
    )
    logits_of_checkpoint.main(str(model), str(tmp_path / "picture.png"), str(tmp_path / "5.pt"))
    old, new = (torch.load(tmp_path / f"{version}.pt", weights_only=True) for version in (4, 5))
    assert (old["version"][0], new["version"][0]) == ("4", "5")
    assert torch.equal(old["ids"], new["ids"])
    assert (old["logits"] - new["logits"]).abs().max().item() < 1e-4
