"""The paper's protocol against one plain sample, from the verdicts of both on the same samples.

The protocols differ in two things: a reply without `</answer>` is asked for again, and the reply is replaced by the
string behind `Final Answer:`. A question whose first sample counted can differ by the second only, so each question's
gain is booked to one of the two.
"""

from dataclasses import dataclass
from pathlib import Path

from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read
from vr1repro.core.records import Verdict
from vr1repro.reporting.statistics.paired import DiscordantDifference, discordant_difference
from vr1repro.reporting.statistics.rounding import fixed, interval


@dataclass(frozen=True, kw_only=True)
class ProtocolGain:
    """Protocol `paper` minus protocol `single`; undecided rows count as wrong.

    Attributes:
        n: Questions.
        retried: Questions that were asked again.
        wins: Questions right under `paper` alone.
        losses: Questions right under `single` alone.
        from_retries: Points on questions that were asked again.
        from_extraction: Points on the others, which the evaluator's extraction string changed.
        total: Their sum with its error, for paired questions.
    """

    n: int
    retried: int
    wins: int
    losses: int
    from_retries: float
    from_extraction: float
    total: DiscordantDifference

    def __str__(self) -> str:
        """One line for a reader."""
        total = self.total
        points, retries, extraction = (
            fixed(number, 2, signed=True) for number in (total.points, self.from_retries, self.from_extraction)
        )
        return (
            f"paper minus single: {points} points {interval(total.low, total.high, 2)}"
            f" (won {self.wins}, lost {self.losses} of {self.n}); retries gave {retries}"
            f" ({self.retried} asked again), the extraction string {extraction}"
        )


def protocol_gain(single: Path, paper: Path) -> ProtocolGain:
    """Compare the verdicts of two protocols.

    Args:
        single: Verdicts of protocol `single`, one a question.
        paper: Those of protocol `paper`, on the same questions, with `attempt`.

    Raises:
        UserError: The files are not on the same questions.
    """
    before = {verdict.id: verdict.correct is True for verdict in read(single, Verdict)}
    after = {verdict.id: verdict for verdict in read(paper, Verdict)}
    if before.keys() != after.keys():
        raise UserError(f"{paper}: is not on the questions of {single}; evaluate both protocols again")
    gains = {key: (verdict.correct is True) - before[key] for key, verdict in after.items()}
    retried = {key for key, verdict in after.items() if (verdict.model_extra or {}).get("attempt")}
    wins = sum(gain > 0 for gain in gains.values())
    losses = sum(gain < 0 for gain in gains.values())
    n = max(len(gains), 1)
    return ProtocolGain(
        n=len(gains),
        retried=len(retried),
        wins=wins,
        losses=losses,
        from_retries=100 * sum(gain for key, gain in gains.items() if key in retried) / n,
        from_extraction=100 * sum(gain for key, gain in gains.items() if key not in retried) / n,
        total=discordant_difference(wins, losses, n),
    )
