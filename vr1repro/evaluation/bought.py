"""What the paper's evaluator earns over one plain sample, from the verdicts of both protocols on the same samples.

The protocols differ in two things: a reply without `</answer>` is asked for again, and the reply is replaced by the
string behind `Final Answer:`. A question whose first sample counted can differ by the second only, so that each
question's gain is booked to one of the two.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read
from vr1repro.core.records import Verdict

_Z = 1.959963984540054


@dataclass(frozen=True)
class Bought:
    """The difference of protocol `paper` and protocol `single`, in points; undecided rows count as wrong.

    Attributes:
        n: Questions.
        again: Questions that were asked again.
        won: Questions right under `paper` alone.
        lost: Questions right under `single` alone.
        retries: Points on questions that were asked again: what the retries bought.
        extraction: Points on the others: what the evaluator's extraction string changed.
        se: Standard error of their sum, for paired questions.
    """

    n: int
    again: int
    won: int
    lost: int
    retries: float
    extraction: float
    se: float

    def __str__(self) -> str:
        """One line for a reader."""
        total = self.retries + self.extraction
        return (
            f"paper minus single: {total:+.2f} points [{total - _Z * self.se:+.2f}, {total + _Z * self.se:+.2f}]"
            f" (won {self.won}, lost {self.lost} of {self.n}); the retries bought {self.retries:+.2f}"
            f" ({self.again} asked again), the extraction string changed {self.extraction:+.2f}"
        )


def bought(single: Path, paper: Path) -> Bought:
    """Compare the verdicts of two protocols.

    Args:
        single: Verdicts of protocol `single`, one a question.
        paper: Those of protocol `paper`, on the same questions, with `attempt`.

    Raises:
        UserError: The files are not on the same questions.
    """
    first = {verdict.id: verdict.correct is True for verdict in read(single, Verdict)}
    second = {verdict.id: verdict for verdict in read(paper, Verdict)}
    if first.keys() != second.keys():
        raise UserError(f"{paper}: is not on the questions of {single}; evaluate both protocols again")
    gains: dict[bool, int] = {True: 0, False: 0}
    again = won = lost = 0
    for key, verdict in second.items():
        retried = bool((verdict.model_extra or {}).get("attempt"))
        gain = (verdict.correct is True) - first[key]
        gains[retried] += gain
        again, won, lost = again + retried, won + (gain > 0), lost + (gain < 0)
    n = max(len(first), 1)
    se = 100 * math.sqrt(max(won + lost - (won - lost) ** 2 / n, 0)) / n
    return Bought(len(first), again, won, lost, 100 * gains[True] / n, 100 * gains[False] / n, se)
