"""What became of the problems: the counts of yield.json."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from vr1repro.coldset import words
from vr1repro.coldset.filters import ANSWER_RULES, RULES
from vr1repro.coldset.judge import Judged
from vr1repro.coldset.polish import RULES as POLISH_RULES
from vr1repro.coldset.records import STEPS, UNANSWERED

# In the order in which a problem can fall out.
_REFUSED = tuple(f"refused-{step.replace('_', '-')}" for step in STEPS)
REASONS = (*_REFUSED, UNANSWERED, "overlap", *RULES, *ANSWER_RULES.values())


class Yield:
    """Counts, part by part."""

    def __init__(self) -> None:
        self._sources: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._polished: Counter[str] = Counter()
        self._words = [0] * len(words.count(""))
        self._n_words = 0

    def add(self, judged: Judged, reasons: Sequence[str | None]) -> None:
        """Count one part, each row with the reason of its rejection or None."""
        self._polished.update(judged.polished)
        for row, reason in zip(judged.rows, reasons, strict=True):
            self._sources[row.trace.source][reason or "kept"] += 1
        kept = [row.words for row, reason in zip(judged.rows, reasons, strict=True) if reason is None]
        *self._words, self._n_words = map(sum, zip([*self._words, self._n_words], *kept, strict=True))

    @property
    def problems(self) -> int:
        """How many were judged."""
        return sum(counts.total() for counts in self._sources.values())

    @property
    def kept(self) -> int:
        """How many stay."""
        return sum(counts["kept"] for counts in self._sources.values())

    def words(self) -> str:
        """Reasons and their counts, the most frequent first."""
        total = sum(self._sources.values(), Counter[str]())
        return ", ".join(f"{name} {n}" for name, n in total.most_common())

    def report(self) -> dict[str, Any]:
        """The content of yield.json; nothing in it depends on when or in what order things came."""
        total = sum(self._sources.values(), Counter[str]())
        left = list(accumulate((-total[reason] for reason in REASONS), initial=self.problems))[1:]
        return {
            "problems": self.problems,
            "kept": self.kept,
            "rejected": {reason: total[reason] for reason in REASONS},
            # How many are left after each step and rule: the yield of each is the share of the line before it.
            "left_after": dict(zip(REASONS, left, strict=True)),
            "sources": {
                source: {
                    "problems": counts.total(),
                    "kept": counts["kept"],
                    "rejected": {reason: counts[reason] for reason in REASONS if counts[reason]},
                }
                for source, counts in sorted(self._sources.items())
            },
            "polished": {name: self._polished[name] for name in POLISH_RULES if self._polished[name]},
            "mean_words": round(self._n_words / self.kept, 2) if self.kept else None,
            "words": words.table(self._words, self.kept),
        }
