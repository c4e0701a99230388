"""The bridge's prompts: what is published to the letter, and which step is given what."""

from pathlib import Path
from string import Formatter

import pytest

from vr1repro.coldset import prompts


def fields(template: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(template) if name]


def test_published_prompts_are_the_papers_letter_by_letter(paper: Path) -> None:
    text = (paper / "vision-r1.md").read_text(encoding="utf-8")
    printed = prompts.DESCRIPTION.replace("{pseudo_cot}", "{thinking process}")
    assert f'"{printed}..."' in text  # "a image" and all, as far as its ellipsis
    bubble = prompts.REASON.removeprefix("{description}\n").removesuffix("\n{question}")
    assert f'"{bubble}"' in text


@pytest.mark.parametrize(
    ("template", "given"),
    [
        (prompts.PSEUDO_COT, ["question", "answer"]),
        (prompts.DESCRIPTION, ["question", "pseudo_cot"]),
        (prompts.PLAIN_DESCRIPTION, ["question"]),
        (prompts.REASON, ["description", "question"]),
        (prompts.REASON_WITH_ANSWER, ["description", "question", "answer"]),
    ],
)
def test_each_step_is_given_what_the_paper_gives_it(template: str, given: list[str]) -> None:
    """Only the Pseudo-CoT sees the answer (section 3.3.1); the description stands before the question (Figure 2)."""
    assert fields(template) == given


def test_a_pseudo_cot_is_asked_for_description_and_reasoning_under_figure_2s_heads() -> None:
    assert all(head in prompts.PSEUDO_COT for head in ("Caption", "Reasoning"))
