"""The overlap report of files: `vr1repro overlap`, and what the cold-start set drops."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vr1repro.config.problems import OverlapSettings, ProblemSource
from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.core.jsonl import write_rows
from vr1repro.core.records import Problem
from vr1repro.problems.load import Skips, load_problems
from vr1repro.problems.overlap import report

PAIRS = "pairs.jsonl"


def compare_files(problems: Sequence[Path], benchmarks: Sequence[str], settings: OverlapSettings, out: Path) -> str:
    """Write overlap.json and overlap.md (the table) and pairs.jsonl (the pairs to look at).

    Args:
        problems: Files of training problems, in any known schema.
        benchmarks: `slug=path` each.
        settings: Above which likeness a pair counts.
        out: The folder of the three files.

    Returns:
        The table as text.

    Raises:
        UserError: A file cannot be read, or a benchmark is given without its slug.
    """
    named = [text.partition("=") for text in benchmarks]
    if bad := next((text for text, (slug, mark, path) in zip(benchmarks, named, strict=True) if not path), None):
        raise UserError(f"--benchmark {bad}: give it as slug=path, for example mathvista=questions.jsonl")
    skips = Skips()
    training = (problem for path in problems for problem in _rows(path, skips))
    questions = ((slug, problem) for slug, _, path in named for problem in _rows(Path(path), skips))
    return write_report(*report(training, questions, settings), settings, skips, out)


def write_report(
    table: list[dict[str, Any]], pairs: list[dict[str, Any]], settings: OverlapSettings, skips: Skips, out: Path
) -> str:
    """Write the three files; returns the table as text."""
    write_rows(out / PAIRS, pairs)
    facts = {"settings": settings.model_dump(mode="json"), "table": table, "skipped": skips.counts()}
    write_atomically(out / "overlap.json", json.dumps(facts, indent=2) + "\n")
    head = ("source", "benchmark", "of", "problems", "text", "image", "both", "pairs")
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(row[key]) for key in head) + " |" for row in table]
    text = "\n".join(lines) + "\n"
    write_atomically(out / "overlap.md", text)
    return text


def _rows(path: Path, skips: Skips) -> Iterator[Problem]:
    """Problems of a file; one whose picture is missing or bad is compared by its text, and counted."""
    return load_problems(ProblemSource(kind="path", path=str(path), text_only=True), skips, blind=True)
