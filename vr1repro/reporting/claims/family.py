"""All claims together: how many of each verdict, how many false ones chance gives, and what is left after Holm."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from vr1repro.reporting.claims.comparison import Comparison, gets_verdict
from vr1repro.reporting.claims.judgement import Label
from vr1repro.reporting.statistics.paired import holm
from vr1repro.reporting.statistics.rounding import fixed, percent

_UNDECIDED = (Label.CANNOT_TELL, Label.WEIGHTS_ONLY, Label.DEPENDS)
_UNJUDGED = (Label.NOT_RUN, Label.NOT_COMPARABLE)


@dataclass(frozen=True, kw_only=True)
class Family:
    """The claims, gains, places and bounds of one report.

    Attributes:
        counts: How many have each label; they sum to `claims`.
        tested: Claims whose recipes were compared with a test: the family of Holm's adjustment.
        by_chance: False verdicts of either kind to be expected at most, if the truth always lay where it misleads most.
        reproduced_holm: Of those reproduced, how many are so after Holm's adjustment over all tested claims.
        not_reproduced_holm: The same of those not reproduced.
        would_tell: What would tell of the undecided ones, the most frequent first, with how many.
    """

    claims: int
    counts: dict[Label, int]
    tested: int
    by_chance: float
    reproduced_holm: int
    not_reproduced_holm: int
    would_tell: tuple[tuple[str, int], ...]

    @property
    def undecided(self) -> int:
        """Claims about which this run cannot tell, for whatever reason."""
        return sum(self.counts.get(label, 0) for label in _UNDECIDED)

    @property
    def not_run(self) -> int:
        """Claims without a score of ours at the paper's scale."""
        return sum(self.counts.get(label, 0) for label in _UNJUDGED)

    def sentence(self, without: str = "not run at the paper's scale") -> str:
        """The run in one sentence; its four numbers sum to the claims.

        Args:
            without: What is said of the claims that have no score of ours.
        """
        reproduced, not_reproduced = (self.counts.get(one, 0) for one in (Label.REPRODUCED, Label.NOT_REPRODUCED))
        why = [f"{self.counts[one]} {one.value}" for one in (Label.WEIGHTS_ONLY, Label.DEPENDS) if self.counts.get(one)]
        among = f" (among them {', '.join(why)})" if why else ""
        return (
            f"Of {self.claims} claims, {reproduced} reproduced, {not_reproduced} not reproduced, {self.undecided}"
            f" cannot be told{among}, {self.not_run} {without}."
        )

    def chance(self, confidence: float) -> str:
        """What chance does to the tally, in one sentence; empty where nothing was tested."""
        if not self.tested:
            return ""
        return (
            f"{self.tested} were tested, each at {percent(1 - confidence)}: at most {fixed(self.by_chance, 1)} of the"
            f" verdicts are false by chance on average. After Holm's adjustment over all of them {self.reproduced_holm}"
            f" stay reproduced and {self.not_reproduced_holm} not reproduced."
        )


def family_of(rows: Iterable[Comparison], confidence: float) -> Family:
    """The family of a report's comparisons."""
    claims = [row for row in rows if gets_verdict(row.published)]
    counts = Counter(row.judgement.label for row in claims)
    tested = [
        row.judgement
        for row in claims
        if row.judgement.label not in (*_UNJUDGED, Label.WEIGHTS_ONLY) and row.judgement.p_different is not None
    ]
    different = holm([judgement.p_different for judgement in tested])
    equal = holm([judgement.p_equal for judgement in tested])
    alpha = 1 - confidence
    more = Counter(row.judgement.would_tell for row in claims if row.judgement.would_tell)
    return Family(
        claims=len(claims),
        counts={label: counts[label] for label in Label if counts[label]},
        tested=len(tested),
        by_chance=alpha * len(tested),
        reproduced_holm=_left(Label.REPRODUCED, [one.label for one in tested], equal, alpha),
        not_reproduced_holm=_left(Label.NOT_REPRODUCED, [one.label for one in tested], different, alpha),
        would_tell=tuple(more.most_common()),
    )


def _left(label: Label, labels: list[Label], adjusted: list[float | None], alpha: float) -> int:
    pairs = zip(labels, adjusted, strict=True)
    return sum(one is label and (math.inf if p is None else p) <= alpha for one, p in pairs)
