"""The printed questions are MathVerse's and have the answers that the paper's completions give."""

import json
from pathlib import Path

import pytest

from vr1repro.answers.completion import ANSWER_CLOSE
from vr1repro.answers.paper_form import paper_answer
from vr1repro.published.cases import PrintedCase, printed_cases
from vr1repro.reporting.page.cases import letters


def test_the_answers_are_those_of_the_completions(paper: Path) -> None:
    path = paper / "completions-v1.json"
    completions = json.loads(path.read_text(encoding="utf-8"))["completions"]
    assert all(ANSWER_CLOSE in text for text in completions)
    assert [paper_answer(text) for text in completions] == [case.answer for case in printed_cases()]


@pytest.mark.parametrize(
    "case", [case for case in printed_cases() if case.problem_index], ids=lambda c: c.problem_index
)
def test_each_problem_is_the_printed_one(case: PrintedCase, shared: Path) -> None:
    path = shared / "mathverse" / "testmini_text_only.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    (row,) = [row for row in rows if row["problem_index"] == case.problem_index]
    assert row["answer"] == case.answer
    assert letters(" ".join(f"{x}:{y}" for x, y in zip("ABCD", case.choices, strict=True))) in letters(row["question"])
    # The text-only version says all that a figure's version says, in its words.
    words = {word.strip(".,()") for word in row["question"].split()}
    assert {word.strip(".,()") for word in case.question.split()} <= words
