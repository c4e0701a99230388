"""Rows of saved responses before they are graded: the question that each answers, and rows that have no grade."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from vr1repro.benchmarks.base import Benchmark, Question
from vr1repro.benchmarks.questions import question_of
from vr1repro.benchmarks.scoring import Row
from vr1repro.core.errors import BadResponses
from vr1repro.core.jsonl import read_lines

# A row, with its file and its line there.
SavedRow = tuple[Path, int, Row]
# What tells several responses to one question apart.
CARRIED = ("attempt", "eval_seed", "train_seed", "model", "arm", "protocol")


def own_rows(path: Path) -> Iterator[SavedRow]:
    """The rows of a file in our own format, JSONL.

    Raises:
        UserError: The file is missing, or a line is no JSON object.
    """
    return ((path, number, row) for number, row in read_lines(path))


def answered(
    rows: Iterable[SavedRow], questions: dict[str, Question], benchmark: Benchmark
) -> Iterator[tuple[Question, Row]]:
    """Each row with the question that it answers.

    Raises:
        BadResponses: A row names no question of these, has no text as its response, or is a second response of one
            model to one question under one seed and attempt.
    """
    places: dict[tuple[object, ...], tuple[Path, int]] = {}
    name = (lambda row: row) if benchmark.naming is None else benchmark.naming(questions)
    for path, number, row in ((path, number, name(row)) for path, number, row in rows):
        question = question_of(questions, row, benchmark, path, number)
        identity = str(benchmark.id_of(question))
        if not isinstance(row.get("response"), str):
            raise BadResponses(f"{path}:{number}: {_lack(row)}; an empty text is a response")
        sample = (identity, *(row.get(name) for name in CARRIED))
        if before := places.get(sample):
            seed = "" if row.get("eval_seed") is None else f" for seed {row['eval_seed']}"
            raise BadResponses(
                f"{path}:{number}: the question {identity!r} stands twice{seed}, first in {before[0]}:{before[1]};"
                " keep one response each, or tell seeds apart by file or by column (--column eval_seed=NAME)"
            )
        places[sample] = path, number
        yield question, row


def _lack(row: Row) -> str:
    if "response" not in row:
        return "the row has no response"
    value = row["response"]
    return "its response is null" if value is None else f"its response must be a text, this is {type(value).__name__}"
