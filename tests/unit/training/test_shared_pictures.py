"""A batch with equal pictures comes out of the processor as it would one by one."""

import random
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from transformers import AutoProcessor

from vr1repro.training.shared_pictures import process_pictures_once


def picture(seed: int, cells: int) -> Image.Image:
    """Opened anew each time, as TRL's rows are."""
    drawn = Image.frombytes("RGB", (28 * cells, 28), random.Random(seed).randbytes(28 * 28 * 3 * cells))
    file = BytesIO()
    drawn.save(file, "PNG")
    return Image.open(BytesIO(file.getvalue()))


def test_equal_pictures_are_processed_once(
    lab: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups stand mixed, and one picture is another's neighbour of the same size."""
    processor = AutoProcessor.from_pretrained(lab.model)
    rows = [(1, 3), (2, 3), (1, 3), (3, 5), (2, 3), (3, 5), (1, 3), (4, 4)]
    text = [f"<|vision_start|>{processor.image_token}<|vision_end|>{number}" for number in range(len(rows))]
    images = [[picture(*row)] for row in rows]
    kind, plain = (
        type(processor.image_processor),
        processor(text=text, images=images, padding=True, return_tensors="pt"),
    )
    seen = []
    original = kind._preprocess
    process_pictures_once(processor)
    monkeypatch.setattr(
        kind, "_preprocess", lambda self, found, **words: seen.append(len(found)) or original(self, found, **words)
    )
    shared = processor(text=text, images=[[picture(*row)] for row in rows], padding=True, return_tensors="pt")
    assert seen == [4]
    assert plain.keys() == shared.keys()
    assert all(torch.equal(plain[name], shared[name]) for name in plain)
    processor.save_pretrained(tmp_path)
    assert type(AutoProcessor.from_pretrained(tmp_path).image_processor) is kind
