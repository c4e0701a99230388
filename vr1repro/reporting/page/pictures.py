"""A run's questions for the page, with their pictures: checked, made smaller, named by their hash."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.questions import question_rows
from vr1repro.config.problems import ProblemSource
from vr1repro.core.images import BadImage, FolderImages, decode, encoded, open_image
from vr1repro.core.outside import NotReadable, json_value
from vr1repro.core.records import sha256
from vr1repro.reporting.run.questions import stated

_SHOWN = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "GIF": "gif"}  # what every browser shows
_CELLS = ("decoded_image", "image", "images")
_CHOICES = ("choices", "options")
_MAX_PIXELS: int = ProblemSource.model_fields["max_pixels"].default


@dataclass(frozen=True, kw_only=True)
class ShownQuestion:
    """A question as the page shows it.

    Attributes:
        id: The benchmark's own id.
        choices: The options, empty where there are none.
        sha: Hash of the picture as the model got it; None where there is none to show.
        file: The picture's file name; None where there is none to show.
        width: Its width in pixels as it is shown.
        why: Why there is no picture.
    """

    id: str
    question: str
    answer: str
    choices: tuple[str, ...] = ()
    sha: str | None = None
    file: str | None = None
    width: int = 0
    height: int = 0
    why: str = ""


def read_shown_questions(folder: Path, benchmark: str, out: Path, side: int) -> Iterator[ShownQuestion]:
    """The questions of a benchmark in their order; their pictures are written as they come.

    Args:
        folder: `<run>/problems/<benchmark>`.
        side: A picture whose longer side has more pixels is made smaller; 0 writes none.

    Raises:
        UserError: There is no Parquet file.
    """
    store = FolderImages(folder)
    for key, row in question_rows(lookup.facts(benchmark), folder, pictures=side > 0):
        picture: dict[str, Any]
        try:
            data = _cell(row, store) if side > 0 else None
            picture = {"why": _why_none(side)} if data is None else _write(data, out, side)
        except BadImage as error:
            picture = {"why": f"the picture was not kept with this run ({error.reason.replace('_', ' ')})"}
        texts = stated(row)
        yield ShownQuestion(
            id=key, question=texts["question"], answer=texts["answer"], choices=_choices(row), **picture
        )


def _why_none(side: int) -> str:
    return "this question has no picture, or it was not kept with this run" if side > 0 else "pictures are switched off"


def _cell(row: dict[str, Any], store: FolderImages) -> bytes | None:
    return next((data for name in _CELLS if (data := encoded(row.get(name), store)) is not None), None)


def _choices(row: dict[str, Any]) -> tuple[str, ...]:
    choices = next((row[name] for name in _CHOICES if row.get(name)), ())
    if isinstance(choices, str):
        try:
            choices = json_value(choices)
        except NotReadable:
            return (choices,)
    return tuple(str(choice) for choice in choices) if isinstance(choices, list | tuple) else (str(choices),)


def _write(data: bytes, out: Path, side: int) -> dict[str, Any]:
    """Write one picture; equal pictures share a file."""
    header = open_image(data, _MAX_PIXELS)
    sha, suffix = sha256(data), _SHOWN.get(str(header.format))
    size = header.size
    if suffix is None or max(size) > side:
        picture = decode(data, _MAX_PIXELS)
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, format="WEBP", quality=85)
        data, suffix, size = buffer.getvalue(), "webp", picture.size
    else:
        decode(data, _MAX_PIXELS)  # raises where the picture is damaged
    file = f"{sha[:20]}.{suffix}"
    if not (out / file).exists():
        out.mkdir(parents=True, exist_ok=True)
        (out / file).write_bytes(data)
    return {"sha": sha, "file": file, "width": size[0], "height": size[1]}
