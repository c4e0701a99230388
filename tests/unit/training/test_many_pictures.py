"""More than 2 GB of pictures, the most that one Arrow array of bytes holds: rows are places in a mapped file."""

import random
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from vr1repro.core.problem_files import ProblemFile, write_problems
from vr1repro.core.records import Problem
from vr1repro.training.data import PictureLimits, rl_rows

pytestmark = [pytest.mark.slow, pytest.mark.verify, pytest.mark.timeout(900)]
N, BYTES = 2200, 1_000_000


def problems() -> Iterator[Problem]:
    """Each with a picture of its own, a megabyte with what stands behind its end."""
    noise = random.Random(1).randbytes(BYTES)
    for number in range(N):
        picture = BytesIO()
        Image.new("RGB", (28, 28), (number % 256, number // 256, 0)).save(picture, "PNG")
        image = picture.getvalue() + number.to_bytes(8, "big") + noise
        yield Problem(id=str(number), question="q", answer="1", image=image, source="s", kind="k")


def test_rows_of_more_than_two_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "problems.parquet"
    write_problems(path, problems())
    rows = rl_rows(ProblemFile(path), [N - 1, 0, 1500], None, PictureLimits(None, None))
    assert [row["images"][0].getpixel((0, 0)) for row in rows] == [
        (number % 256, number // 256, 0) for number in (N - 1, 0, 1500)
    ]
