"""The summaries by which jobs close a checkpoint's files: `responses.json` and `verdicts.json`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vr1repro.core.errors import UserError
from vr1repro.core.outside import json_object


@dataclass(frozen=True, kw_only=True)
class ClosedFile:
    """A file as its summary has it (`jobs.common.write_summary`).

    Attributes:
        rows: Of verdicts, None in summaries of older versions.
        figures: What the job counted in it.
        responses: Hash of the responses that verdicts are of; None in older versions.
        code: Hash of the code that graded (`evaluation.grading.scoring_code`); None in older versions.
    """

    path: Path
    summary: Path
    sha256: str
    rows: int | None
    figures: Mapping[str, Any]
    responses: str | None
    code: str | None


def closed_files(summary: Path, older: str) -> Iterator[ClosedFile]:
    """The files that a summary closes.

    Args:
        older: Where such a file lies below its folder; summaries of older versions name the folder alone.

    Raises:
        UserError: It is no such summary.
    """
    try:
        for name, entry in json_object(summary).items():
            yield ClosedFile(
                path=summary.parent / entry.get("file", f"{name}/{older}"),
                summary=summary,
                sha256=entry["sha256"],
                rows=entry.get("rows", entry["figures"].get("responses")),
                figures=entry["figures"],
                responses=entry.get("responses"),
                code=entry.get("code"),
            )
    except (UserError, AttributeError, TypeError, KeyError):
        raise UserError(f"{summary}: no summary of a job; delete it: the workflow makes it again") from None
