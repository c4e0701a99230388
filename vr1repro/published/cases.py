"""The questions of the paper's case studies: v1 Figs. 5 to 7 (v4 Figs. 4, 6 and 7).

Read in arXiv v1's PDF (Osilly/Vision-R1@a112239:Vision-R1.pdf, pages 8 and 14). The completions printed there are not
kept here. `problem_index` is the problem of MathVerse testmini with these choices and this answer
(ZrrSkywalker/MathVerse@937b090); which of its five versions a figure shows is known by the question's wording alone.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Literal

from vr1repro.published.values import Frozen

FILE = "cases.json"


class PrintedCase(Frozen):
    """One question of a figure.

    Attributes:
        figure: In v1.
        figure_v4: In v4.
        shows: What the figure prints below it: a response of Vision-R1-7B, or a row of the cold-start set.
        choices: As printed, without letters.
        answer: The final answer that the printed completion gives.
        problem_index: MathVerse's; None for the cold-start set.
    """

    figure: str
    figure_v4: str
    shows: Literal["response", "cold-start"]
    question: str
    choices: tuple[str, ...]
    answer: str
    problem_index: str | None


@cache
def printed_cases() -> tuple[PrintedCase, ...]:
    """All of them, in the order of the figures."""
    rows = json.loads(files(__package__).joinpath(FILE).read_text(encoding="utf-8"))
    return tuple(PrintedCase.model_validate(row) for row in rows)
