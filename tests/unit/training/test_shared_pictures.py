"""A batch with equal pictures comes out of the processor as it would one by one."""

import random
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from vr1repro.training.shared_pictures import share_pictures


def picture(seed: int, cells: int) -> Image.Image:
    """Opened anew each time, as TRL's rows are."""
    drawn = Image.frombytes("RGB", (28 * cells, 28), random.Random(seed).randbytes(28 * 28 * 3 * cells))
    file = BytesIO()
    drawn.save(file, "PNG")
    return Image.open(BytesIO(file.getvalue()))


ROWS = [(1, 3), (2, 3), (1, 3), (3, 5), (2, 3), (3, 5), (1, 3), (4, 4)]


def batch(processor: Any) -> Any:
    text = [f"<|vision_start|>{processor.image_token}<|vision_end|>{number}" for number in range(len(ROWS))]
    return processor(text=text, images=[[picture(*row)] for row in ROWS], padding=True, return_tensors="pt")


def test_equal_pictures_are_processed_once(
    lab: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups stand mixed, and one picture is another's neighbour of the same size."""
    processor = AutoProcessor.from_pretrained(lab.model)
    kind, plain = type(processor.image_processor), batch(processor)
    processed = []
    original = kind._preprocess
    pictures = share_pictures(processor)
    monkeypatch.setattr(
        kind, "_preprocess", lambda self, new, **words: processed.append(len(new)) or original(self, new, **words)
    )
    first, second = batch(processor), batch(processor)  # tokens of the prompts, and the forward passes
    assert processed == [4]
    assert plain.keys() == first.keys() == second.keys()
    for shared in (first, second):
        assert shared["pixel_values"].shape == (len(plain["pixel_values"]), 1)
        assert torch.equal(pictures.patches(shared["pixel_values"]), plain["pixel_values"])
        assert all(torch.equal(plain[name], shared[name]) for name in plain if name != "pixel_values")
    pictures.forget()
    with pytest.raises(RuntimeError, match="rollout that was forgotten"):
        pictures.patches(first["pixel_values"])
    assert torch.equal(batch(processor)["pixel_values"], first["pixel_values"])
    assert processed == [4, 4]
    processor.save_pretrained(tmp_path)
    assert type(AutoProcessor.from_pretrained(tmp_path).image_processor) is kind


def test_rows_of_text_among_rows_with_pictures(lab: SimpleNamespace) -> None:
    """As TRL gives them: None for a row without a picture."""
    processor = AutoProcessor.from_pretrained(lab.model)
    pictures = share_pictures(processor)
    text = ["1", f"<|vision_start|>{processor.image_token}<|vision_end|>2", "3"]
    images = [None, [picture(1, 3)], None]
    mixed = processor(text=text, images=images, padding=True, return_tensors="pt")
    alone = processor(text=text[1:2], images=images[1:2], padding=True, return_tensors="pt")
    assert torch.equal(mixed["image_grid_thw"], alone["image_grid_thw"])
    assert torch.equal(pictures.patches(mixed["pixel_values"]), pictures.patches(alone["pixel_values"]))
    assert (mixed["input_ids"] == processor.image_token_id).any(1).tolist() == [False, True, False]


def test_a_model_looks_patches_up(lab: SimpleNamespace) -> None:
    model = AutoModelForImageTextToText.from_pretrained(lab.model).eval()
    processor = AutoProcessor.from_pretrained(lab.model)
    with torch.no_grad():
        plain = model(**batch(processor)).logits
        pictures = share_pictures(processor)
        pictures.look_up(model)
        assert torch.equal(model(**batch(processor)).logits, plain)
        patches = {**batch(processor)}
        patches["pixel_values"] = pictures.patches(patches["pixel_values"])
        assert torch.equal(model(**patches).logits, plain)  # patches stay what they are
