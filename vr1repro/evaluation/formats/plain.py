"""Saved responses of any format as one file of our own, for what reads no other: an LLM's extraction and judgement."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vr1repro.core.jsonl import write_rows
from vr1repro.evaluation.formats.read import ResponseFiles
from vr1repro.evaluation.saved import answered


@contextmanager
def as_jsonl(files: ResponseFiles) -> Iterator[Path]:
    """One JSONL file with the rows of all files, for as long as the context lasts; a file in our format is itself.

    Raises:
        BadResponses: A row has no grade; the message names the given file and line.
    """
    rows = (row for _, row in answered(files, dict(files.questions), files.benchmark))
    if _is_ours(files):
        for _ in rows:  # what cannot be graded is refused here too
            pass
        yield files.paths[0]
        return
    with tempfile.TemporaryDirectory(prefix="vr1repro-") as folder:
        path = Path(folder) / "responses.jsonl"
        write_rows(path, rows)
        yield path


def _is_ours(files: ResponseFiles) -> bool:
    """Whether the rows can be written again as they are, with keys that no reader of formats knows."""
    reading = files.reading(files.paths[0])
    ours = reading.format.name == reading.container == "jsonl" and reading.response == "response"
    return ours and len(files.paths) == 1 and not files.columns and reading.ids[0] in ("id", *files.benchmark.id_keys)
