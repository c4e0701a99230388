"""Why our comparison differs from other graders' own test cases, case by case.

A case is named by the first digits of the hash of its texts (`agreement.Disagreement.case`); the texts stay in their
own repositories.
"""

_NO_VERDICT = "their reward skips a gold that cannot be parsed; we have no such state and compare texts"
_ALPHABET = "their extractor knows phrases of this language; Math-Verify's letters, which the row asks for, do not"

_BOXES = "Math-Verify joins the gold's three boxes to {1, 2, 3}; their test wants the last two, {2, 3}"

_BY_CASE = {
    "4384dcddf2b0": "order of a bare comma list: theirs counts it, here bare lists are sets, as in Math-Verify",
    "42c787f2dcd3": "a broken command, no box: their grader cuts the prefix off, here it is unparsable",
    "5fb634b70908": "the gold is a lettered choice with its text, which a row without `choices` does not say",
    "93f598b2da8a": _ALPHABET,
    "5b2685d4f32f": _ALPHABET,
    "3e1628b9c1d4": _ALPHABET,
    "8292c97a511f": "Chinese prose: Math-Verify finds no anchor and takes the 2 of the numbered line, not its 99",
    "1b092a84f89b": "French prose: Math-Verify takes the last number, 12 months; theirs knows the French anchor",
    "32c3080220a1": "Chinese text right before the fraction: Math-Verify finds no number in it",
    "605171a46cf7": "Math-Verify reads the gold as one set of four equations and the prediction as a set of two pairs",
    "3eb19ed0a32a": _BOXES,
    "08e01e131ba5": _BOXES,
    "6e1e1a6d4fce": "two answer elements: theirs takes the first, here the last counts",
    "88a23e417e2b": _NO_VERDICT,
    "9ea4f8a77cb0": _NO_VERDICT,
    "8bf7afc42cd3": _NO_VERDICT,
    "dfd0f6fe018e": "theirs gives nothing without a closed chain of thought; here form is a reward of its own",
}


def explanation_of(test: str, case: str) -> str:
    """Why we differ on a case; `not explained yet` for a case that nobody has looked at."""
    return _BY_CASE.get(case, f"not explained yet ({test})")
