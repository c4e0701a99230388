"""Descriptions with and without Pseudo-CoT, on the same problems (paper v1 Fig. 3, v4 Fig. 5).

The paper shows one chart whose simple description leads the reasoner astray. Here both descriptions of a sample of
problems go to the reasoner, and it is counted how often each leads to the right answer. Filters other than the answer's
do not count, and nothing of it gets into the set.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from vr1repro.answers.grade import Grader, Pair
from vr1repro.coldset.filters import split_reply
from vr1repro.coldset.records import Both, Compared, Side
from vr1repro.core.jsonl import read, write_rows
from vr1repro.core.records import Outcome


def compare(files: Iterable[Path], out: Path, workers: int, timeout_s: float) -> int:
    """Grade both sides of all shards' problems into `out`.

    Args:
        files: The shards' `ablation.jsonl`.
        out: File to write; in the order of sources and ids.
        workers: The grader's.
        timeout_s: For one comparison.

    Returns:
        Problems compared.
    """
    rows = sorted((row for path in files for row in read(path, Both)), key=lambda row: (row.source, row.id))
    with Grader(workers=workers, timeout_s=timeout_s) as grader:
        outcomes = iter(list(grader.grade(_pairs(rows))))
    compared = [
        Compared(
            id=row.id,
            source=row.source,
            with_pseudo_cot=_side(row.description, row.reply, next(outcomes)),
            without=_side(row.plain_description, row.plain_reply, next(outcomes)),
        )
        for row in rows
    ]
    write_rows(out, compared)
    return len(compared)


def _pairs(rows: Iterable[Both]) -> Iterator[Pair]:
    for row in rows:
        choices = tuple(row.choices) if row.choices else None
        for reply in (row.reply, row.plain_reply):
            yield Pair(row.gold, split_reply(reply)[1], choices)


def _side(description: str, reply: str, outcome: Outcome) -> Side:
    return Side(words=len(description.split()), answer=split_reply(reply)[1], outcome=outcome)
