"""The options that stand in the text of an MMStar question, in each of the forms that its rows have."""

import re

LETTERS = "ABCD"
_HEAD = re.compile(r"\n?(?:Options|Choices):\s*")
# `Options: A: a cat, B: a dog`, and MathVista's `Choices:\n(A) 0\n(B) 1`, of some rows without the head.
_NAMED = re.compile(r"(?:^|,\s*|\n)([A-D]):\s?(.*?)(?=,\s*[A-D]:|\n[A-D]:|$)", re.DOTALL)
_BRACKETED = re.compile(r"^\(([A-D])\)\s?(.*)$", re.MULTILINE)


def split_options(question: str) -> tuple[str, list[str]]:
    r"""A question's text without its options, and the options in their order; no options where they cannot be told.

    >>> split_options("What is it?\nOptions: A: a cat, B: a dog, or two, C: a cow, D: no animal")
    ('What is it?', ['a cat', 'a dog, or two', 'a cow', 'no animal'])
    """
    heads = [(match.start(), match.end()) for match in _HEAD.finditer(question)]
    first = question.find("\n(A)")
    start, end = heads[-1] if heads else (first, first + 1)
    for form in (_BRACKETED, _NAMED) if start >= 0 else ():
        pairs = form.findall(question[end:])
        if len(pairs) > 1 and "".join(letter for letter, _ in pairs) == LETTERS[: len(pairs)]:
            return question[:start], [option.strip() for _, option in pairs]
    return question, []
