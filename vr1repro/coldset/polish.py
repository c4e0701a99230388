"""Replace the words that betray a reasoner who read a description instead of seeing the image.

Paper section 3.3.1: "replace some words for semantic coherence"; the list is not stated. Its samples (v1 Figures 5
to 7) show "The image displays", "The image mentioned that" and slips such as "The image displays displays", which tell
that verbs of saying became verbs of showing. Each rule here replaces a whole phrase, so that no such slip can arise.
"""

import re
from collections import Counter

_DESCRIPTION = (
    r"(?:the|this|that|its|your|my) (?:(?:given|provided|above|detailed|image|picture|figure|text|textual|initial)"
    r"(?:'s)?\s)*(?:description|caption)s?(?:\s(?:description|caption)s?)*"
    r"(?: (?:of the (?:image|picture|figure|diagram)|(?:given|provided|above)\b(?! by)))?"
)
_SAYS = (
    r"(?:says?|said|states?|stated|mentions?|mentioned|describes?|described|notes?|noted|reads|tells(?: us)?|told us"
    r"|indicates?|indicated|specifies|specified)"
)
_SAY = r"(?:say|state|mention|describe|note|tell(?: us)?|indicate|specify|provide)"
_TOLD = "described|mentioned|stated|noted"
# (name, pattern, replacement, words of which one is in whatever it matches), in order: longer phrases first.
_RULES: tuple[tuple[str, re.Pattern[str], str, tuple[str, ...]], ...] = tuple(
    (name, re.compile(pattern, re.IGNORECASE), replacement, tuple(marks.split("|")))
    for name, pattern, replacement, marks in (
        ("as-described", rf"\bas (?:{_TOLD}|given) (?:in|by) {_DESCRIPTION}", "as shown in the image",
         "as described|as mentioned|as stated|as noted|as given"),
        ("according-to", rf"\b(according to|based on|going by|from) {_DESCRIPTION}", r"\1 the image",
         "according to|based on|going by|from"),
        ("description-says-not", rf"\b{_DESCRIPTION} (does not|doesn't|did not|didn't) {_SAY}\b",
         r"the image \1 show", "not|n't"),
        ("description-says", rf"\b{_DESCRIPTION}\s{_SAYS}\b", "the image shows", "description|caption"),
        ("said-in", rf"\b(?:{_TOLD}) (?:in|by) {_DESCRIPTION}", "shown in the image", _TOLD),
        ("in-the-description", rf"\bin {_DESCRIPTION}", "in the image", "in the|in this|in that|in its|in your|in my"),
        ("text-says", rf"\bthe text {_SAYS}\b", "the image shows", "the text "),
        ("user-says", r"\bthe user (?:says|said|states|mentions|provided|described|gave)\b", "the image shows",
         "the user "),
        ("the-description", rf"\b{_DESCRIPTION}", "the image", "description|caption"),
    )
)  # fmt: skip
# What every rule needs; most chains have none of it.
MARKS = ("description", "caption", "the text ", "the user ")


def polish(chain: str) -> tuple[str, Counter[str]]:
    """Apply every rule in order. Returns the new chain and how often each rule replaced something."""
    counts: Counter[str] = Counter()
    low = chain.lower()
    for name, pattern, replacement, marks in _RULES:
        # Looking for words is far quicker than trying a pattern that begins with a choice.
        if not any(mark in low for mark in MARKS):
            break
        if not any(mark in low for mark in marks):
            continue

        def replace(match: re.Match[str], replacement: str = replacement) -> str:
            text = match.expand(replacement)
            return text[0].upper() + text[1:] if match.group(0)[0].isupper() else text

        chain, counts[name] = pattern.subn(replace, chain)
        if counts[name]:
            low = chain.lower()
    return chain, +counts


RULES = tuple(name for name, *_ in _RULES)
