"""Which question a tool means by a row's number: the benchmark's id, or the place in its order.

VLMEvalKit's `index` and the `doc_id` of lm-eval and lmms-eval are numbers in the tool's own copy. A copy may begin at 0
or at 1, or keep the benchmark's ids. The gold answers that the rows carry decide.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vr1repro.benchmarks.base import Question
from vr1repro.core.errors import BadResponses
from vr1repro.evaluation.formats.containers import Row

GOLDS = ("target", "answer")
# Tools change the writing of some golds (a letter for its text, `1.0` for `1`). Rows that are out of step by one agree
# on far fewer.
_LEAST_AGREEMENT = 0.8


@dataclass(frozen=True)
class Numbering:
    """What a row's number means.

    Attributes:
        start: The number of the first question; None where the number is the id.
    """

    start: int | None

    def id_of(self, number: str, ids: Sequence[str]) -> str:
        """The id that a number stands for; the number itself where no question has it."""
        if self.start is None or not number.isdecimal():
            return number
        place = int(number) - self.start
        return ids[place] if 0 <= place < len(ids) else number

    def __str__(self) -> str:
        """What it means, in words."""
        return "the id" if self.start is None else f"the question's row, from {self.start}"


_NUMBERINGS = (Numbering(None), Numbering(0), Numbering(1))


def numbering(path: Path, rows: Iterable[tuple[int, Row]], column: str, questions: Mapping[str, Question]) -> Numbering:
    """What the numbers in a column of a file mean, by the gold answers beside them; the id where it has none.

    Raises:
        BadResponses: Under no meaning the golds are those of the questions.
    """
    ids = list(questions)
    agreed = dict.fromkeys(_NUMBERINGS, 0)
    total = 0
    for _, row in rows:
        gold = next((row[name] for name in GOLDS if row.get(name) not in (None, "")), None)
        if gold is None or row.get(column) is None:
            continue
        total += 1
        for each in _NUMBERINGS:
            question = questions.get(each.id_of(str(row[column]), ids))
            agreed[each] += question is not None and _same(gold, question.get("answer"))
    best = max(_NUMBERINGS, key=lambda each: agreed[each])
    if agreed[best] < _LEAST_AGREEMENT * total:
        raise BadResponses(
            f"{path}: its `{column}` is neither the id nor the row of the given questions: {agreed[best]} of {total}"
            " gold answers are theirs at best; give the questions that were asked, or --column id=NAME"
        )
    return best


def _same(one: Any, other: Any) -> bool:
    texts = str(one).strip(), str(other).strip()
    try:
        return texts[0] == texts[1] or float(texts[0]) == float(texts[1])
    except ValueError:
        return False
