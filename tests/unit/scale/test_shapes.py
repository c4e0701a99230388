"""Parameter counts are transformers', and shapes are found by hub id and by config.json."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from fake_memory import config_of
from transformers import Qwen2_5_VLForConditionalGeneration

from vr1repro.config.models import HubModel, LabModelSource, LocalModel
from vr1repro.scale.shapes import QWEN_3B, QWEN_7B, QWEN_32B, QWEN_72B, SHAPES, ModelShape, shape_of


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_parameters_are_those_of_transformers(shape: ModelShape) -> None:
    with torch.device("meta"):
        model = Qwen2_5_VLForConditionalGeneration(config_of(shape))
    model.tie_weights()
    count = {name: part.numel() for name, part in model.named_parameters()}
    assert sum(count.values()) == shape.parameters
    assert sum(n for name, n in count.items() if "visual" in name) == shape.vision_parameters
    assert sum(n for name, n in count.items() if "language_model" in name) == shape.language_parameters
    assert model.get_output_embeddings().weight.numel() == shape.head_parameters


def test_the_hubs_sizes() -> None:
    # The hub counts 3.75, 8.29, 33.5 and 73.4 billion.
    assert [round(shape.parameters / 1e9, 2) for shape in SHAPES] == [3.75, 8.29, 33.45, 73.41]


@pytest.mark.parametrize(
    ("id", "shape"),
    [
        ("Qwen/Qwen2.5-VL-3B-Instruct", QWEN_3B),
        ("Osilly/Vision-R1-CI-7B", QWEN_7B),
        ("Osilly/Vision-R1-32B", QWEN_32B),
        ("Osilly/Vision-R1-72B", QWEN_72B),
        ("meta-llama/Llama-3.2-11B-Vision-Instruct", None),
    ],
)
def test_by_hub_id(id: str, shape: ModelShape | None) -> None:
    assert shape_of(HubModel(kind="hub", id=id, revision=None, context=1)) == shape


def test_by_config_json(tmp_path: Path) -> None:
    source = LocalModel(kind="path", path=str(tmp_path), context=1)
    assert shape_of(source) is None
    config_of(QWEN_32B).save_pretrained(tmp_path)
    assert shape_of(source) == dataclasses.replace(QWEN_32B, name=tmp_path.name)
    # As the hub's file has it: the language model's keys at the top.
    values = json.loads((tmp_path / "config.json").read_text())
    values |= values.pop("text_config") | {"model_type": "qwen2_5_vl"}
    (tmp_path / "config.json").write_text(json.dumps(values))
    assert shape_of(source) == dataclasses.replace(QWEN_32B, name=tmp_path.name)
    (tmp_path / "config.json").write_text(json.dumps(values | {"model_type": "mllama"}))
    assert shape_of(source) is None
    assert shape_of(LabModelSource(kind="lab", context=1)) is None
