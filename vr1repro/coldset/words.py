"""Self-reflection words of the kept chains under each rule by which they may have been counted (v4 Table 4).

The paper's rule is not stated: neither case, nor whether a word inside another one counts ("checked", "waiting"), nor
whether a sample counts once or each time. So every combination is given beside the published counts.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from vr1repro.published import load_values

WORDS = ("Wait", "Hmm", "Mistake", "Alternatively", "Check")
_EACH = ("whole_any_case", "whole_as_printed", "part_any_case", "part_as_printed")
# Every occurrence, then every chain that has one.
RULES = (*_EACH, *(f"samples_{rule}" for rule in _EACH))
# Counts of one chain or of many: word by word, for each word the rules in their order.
Counts = Sequence[int]


@cache
def whole(word: str, any_case: bool = False) -> re.Pattern[str]:
    """The word with no word character beside it; what stands before it is looked at last, as that is quicker."""
    word = re.escape(word)
    return re.compile(rf"{word}(?!\w)(?<!\w{word})", re.IGNORECASE if any_case else re.NOFLAG)


# Each word in lower case, with the patterns for it in lower case and as printed.
_PATTERNS = {word: (word.lower(), whole(word.lower()), whole(word)) for word in WORDS}


def count(chain: str) -> list[int]:
    """Occurrences in one chain: for each of `WORDS`, by each of `RULES`."""
    low = chain.lower()
    counts: list[int] = []
    for word, (small, any_case, as_printed) in _PATTERNS.items():
        inside = low.count(small)
        if not inside:
            counts += [0] * len(RULES)
            continue
        each = (len(any_case.findall(low)), len(as_printed.findall(chain)), inside, chain.count(word))
        counts += [*each, *(min(n, 1) for n in each)]
    return counts


def table(counts: Counts, chains: int) -> list[dict[str, Any]]:
    """One row a word: our counts under each rule, the published count, and both for a thousand chains.

    The published set has "200K" chains (all versions of the paper), so its rate a thousand is as round as that.
    """
    published_counts = published()
    rows = []
    for place, word in enumerate(WORDS):
        theirs = published_counts.get(word)
        ours = dict(zip(RULES, map(int, counts[place * len(RULES) :]), strict=False))
        rows.append(
            {
                "word": word,
                **ours,
                "per_1000": {rule: round(1000 * n / chains, 2) if chains else None for rule, n in ours.items()},
                "published": theirs,
                "published_per_1000_of_200K": None if theirs is None else round(theirs / 200, 2),
            }
        )
    return rows


def published(column: str = "Vision-R1-cold (200K)") -> dict[str, float]:
    """A column of v4 Table 4, under its printed head; v1's Table 2 prints the same."""
    return {
        row.subset: row.number
        for row in load_values()
        if row.version == "v4" and row.table == "Table 4" and row.model == column
    }
