"""Self-reflection words of the kept chains under each rule by which they may have been counted (v4 Table 4).

The paper's rule is not stated: neither case, nor whether a word inside another one counts ("checked", "waiting"), nor
whether a sample counts once or each time. So every combination is given beside the published counts.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from vr1repro.published import load

WORDS = ("Wait", "Hmm", "Mistake", "Alternatively", "Check")
RULES = ("whole_any_case", "whole_as_printed", "part_any_case", "part_as_printed", "samples_any_case")
_LOWER = {word.lower(): word for word in WORDS}
_WHOLE = re.compile(r"(?<!\w)(?:" + "|".join(WORDS) + r")(?!\w)", re.IGNORECASE)


def count(chain: str) -> Counter[tuple[str, str]]:
    """Occurrences in one chain by word and rule; what does not occur is left out."""
    found: Counter[tuple[str, str]] = Counter()
    low = chain.lower()
    present = [word for word in WORDS if word.lower() in low]
    if not present:
        return found
    for word in present:
        found[word, "part_any_case"] = low.count(word.lower())
        found[word, "part_as_printed"] = chain.count(word)
        found[word, "samples_any_case"] = 1
    for said in _WHOLE.findall(chain):
        word = _LOWER[said.lower()]
        found[word, "whole_any_case"] += 1
        found[word, "whole_as_printed"] += said == word
    return found


def table(counts: Counter[tuple[str, str]], chains: int) -> list[dict[str, Any]]:
    """One row a word: our counts under each rule, the published count, and both for a thousand chains.

    The published set has "200K" chains (all versions of the paper), so its rate a thousand is as round as that.
    """
    said = published()
    rows = []
    for word in WORDS:
        ours = {rule: counts[word, rule] for rule in RULES}
        rows.append(
            {
                "word": word,
                **ours,
                "per_1000": {rule: round(1000 * n / chains, 2) if chains else None for rule, n in ours.items()},
                "published": said.get(word),
                "published_per_1000_of_200K": None if word not in said else round(said[word] / 200, 2),
            }
        )
    return rows


def published() -> dict[str, float]:
    """v4 Table 4, the column of Vision-R1-cold."""
    return {
        row.subset: row.number
        for row in load()
        if row.version == "v4" and row.table == "Table 4" and row.model == "Vision-R1-cold (200K)"
    }  # fmt: skip


def add(totals: Counter[tuple[str, str]], more: Iterable[Counter[tuple[str, str]]]) -> None:
    """Add the counts of several chains."""
    for counts in more:
        totals.update(counts)
