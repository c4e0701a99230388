"""The words in which benchmarks put a question: MathVista's and MathVerse's official prompts.

Sources: MathVista's `query` field (lupantech/MathVista@53d5258, evaluation/build_query.py) and MathVerse's `query_wo`
and `query_cot` fields (ZrrSkywalker/MathVerse@937b090).
"""

from collections.abc import Sequence
from string import ascii_uppercase
from typing import Literal

from vr1repro.config.lab import Family

Style = Literal["plain", "plain-choice", "mathvista", "mathvista-choice", "mathverse", "mathverse-choice"]

# Equal to `benchmarks.mathverse.VERSIONS` (a test holds them together), and not taken from there: the lab's pretraining
# would depend on MathVerse's facts, and an edit of a printed name would train anew.
VERSIONS = ("Text Dominant", "Text Lite", "Vision Intensive", "Vision Dominant", "Vision Only")
SIGN_QUESTION = "Answer what the sign asks for."
VALUES_HINT = "The values are "
_ROW_HINTS: dict[Family, str] = {
    "digits": "The picture shows a row of digits. ",
    "bars": "The picture shows a row of bars. ",
    "polygons": "The picture shows a row of polygons. ",
}

HINT_CHOICE = (
    "Hint: Please answer the question and provide the correct option letter, e.g., A, B, C, D, at the end.\nQuestion: "
)
HINT_INTEGER = (
    "Hint: Please answer the question requiring an integer answer and provide the final value, e.g., 1, 2, 3, at the"
    " end.\nQuestion: "
)
WO_CHOICE = "Please directly answer the question and provide the correct option letter, e.g., A, B, C, D."
WO_VALUE = "Please directly answer the question and provide the final value, e.g., 1, 2.5, 300."
COT_CHOICE = (
    "Please first conduct reasoning, and then answer the question and provide the correct option letter, e.g., A, B,"
    " C, D, at the end."
)
COT_VALUE = (
    "Please first conduct reasoning, and then answer the question and provide the final value, e.g., 1, 2.5, 300, at"
    " the end."
)
CHOICES = "\nChoices:"
ASK = "\nQuestion: "
_OPTIONS = tuple(form.format(letter) for letter in ascii_uppercase[:4] for form in ("\n({}) ", "\n{}: ", "\n{}:"))
FIXED = (
    *_OPTIONS,
    *_ROW_HINTS.values(),
    VALUES_HINT,
    HINT_CHOICE,
    HINT_INTEGER,
    WO_CHOICE,
    WO_VALUE,
    COT_CHOICE,
    COT_VALUE,
    CHOICES,
    ASK,
    SIGN_QUESTION,
)


def version_text(version: str, family: Family, values: Sequence[int], question: str) -> str:
    """The text of one of MathVerse's five versions of a problem.

    From most in the text to nothing: the row and its values, the row, the bare question, a question that only the sign
    in the picture makes clear, nothing.

    Args:
        version: One of `VERSIONS`.
        family: Names the row's glyphs.
        values: From left to right.
        question: In words, which the first three versions hold.
    """
    if version == "Text Dominant":
        return _ROW_HINTS[family] + VALUES_HINT + ", ".join(map(str, values)) + ". " + question
    if version == "Text Lite":
        return _ROW_HINTS[family] + question
    return {"Vision Intensive": question, "Vision Dominant": SIGN_QUESTION, "Vision Only": ""}[version]


def mathvista_query(question: str, choices: Sequence[str] | None) -> str:
    """MathVista's prompt: hint, question, lettered choices. Without choices the answer is an integer."""
    if choices is None:
        return HINT_INTEGER + question
    lettered = "".join(f"\n({letter}) {choice}" for letter, choice in zip(ascii_uppercase, choices, strict=False))
    return HINT_CHOICE + question + CHOICES + lettered


def mathverse_question(question: str, choices: Sequence[str] | None) -> str:
    """MathVerse's `question`: the choices stand in it."""
    if choices is None:
        return question
    return (
        question
        + CHOICES
        + "".join(f"\n{letter}:{text}" for letter, text in zip(ascii_uppercase, choices, strict=False))
    )


def mathverse_query(question: str, choice: bool, cot: bool) -> str:
    """MathVerse's prompt (`query_wo`, or `query_cot`); Vision Only has the instruction alone."""
    lead = (COT_CHOICE if choice else COT_VALUE) if cot else (WO_CHOICE if choice else WO_VALUE)
    return lead + ASK + question if question else lead


def ask(question: str, style: Style, choices: Sequence[str] | None, cot: bool) -> str:
    """A question in a style that training mixes; `plain-choice` leaves the choices to the problem's own field.

    Args:
        question: The question; empty where a sign in the picture asks and the text says nothing.
        style: Whose words are used.
        choices: None where the style has no choices.
        cot: Whether MathVerse's words ask for reasoning.
    """
    if style in ("plain", "plain-choice"):
        return question or SIGN_QUESTION
    if style in ("mathvista", "mathvista-choice"):
        return mathvista_query(question or SIGN_QUESTION, choices)
    return mathverse_query(mathverse_question(question, choices) if question else "", choices is not None, cot)
