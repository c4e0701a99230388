"""Replace the words that betray a reasoner who read a description instead of seeing the image.

Paper section 3.3.1: "replace some words for semantic coherence"; the list is not stated. Its samples (v1 Figures 5
to 7) show "The image displays", "The image mentioned that" and slips such as "The image displays displays", which tell
that verbs of saying became verbs of showing. Each rule here replaces a whole phrase, so that no such slip can arise.
"""

import re
from collections import Counter

_DESCRIPTION = (
    r"the (?:(?:given|provided|above|detailed|image|picture)\s)*(?:description|caption)(?:\s(?:description|caption))*"
)
_SAYS = r"(?:says|states|mentions|describes|notes|reads|tells(?: us)?)"
# (name, pattern, replacement), in order: longer phrases first.
_RULES: tuple[tuple[str, re.Pattern[str], str], ...] = tuple(
    (name, re.compile(pattern, re.IGNORECASE), replacement)
    for name, pattern, replacement in (
        ("according-to", rf"\b(according to|based on|going by|from) {_DESCRIPTION}\b", r"\1 the image"),
        ("description-says", rf"\b{_DESCRIPTION}\s{_SAYS}\b", "the image shows"),
        ("in-the-description", rf"\bin {_DESCRIPTION}\b", "in the image"),
        ("the-description", rf"\b{_DESCRIPTION}\b", "the image"),
    )
)


def polish(chain: str) -> tuple[str, Counter[str]]:
    """Apply every rule in order. Returns the new chain and how often each rule replaced something."""
    counts: Counter[str] = Counter()
    for name, pattern, replacement in _RULES:

        def replace(match: re.Match[str], replacement: str = replacement) -> str:
            text = match.expand(replacement)
            return text[0].upper() + text[1:] if match.group(0)[0].isupper() else text

        chain, counts[name] = pattern.subn(replace, chain)
    return chain, +counts
