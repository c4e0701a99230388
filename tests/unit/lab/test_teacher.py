"""The reasoner sees its prompt only, reflects, errs, and says the same thing twice when asked twice."""

import re

import pytest
from lab_sizes import LAB, changed

from vr1repro.lab import questions, teacher
from vr1repro.lab.questions import Task

HABITS = LAB.teacher
NEVER_ERRS = changed(teacher={"misread": 0.0, "corrupt": 0.0, "leak": 0.0}).teacher
QUESTION = "Following the above image description, think step by step.\n" + questions.sentence("sum", 4)


def answer(reply: str) -> str:
    return re.fullmatch(r"(?s)<think>.*</think><answer> Final Answer:(.*) </answer>", reply).group(1)


@pytest.mark.parametrize(
    ("description", "question", "expected"),
    [
        ("A row of digits: 3 5 7.", questions.sentence("sum", 4), "15"),
        ("A row of bars: 3 9 7 1.", questions.sentence("range", 4), "8"),
        ("A row of polygons: 3 5 7.", questions.sentence("largest", 4), "7"),
        ("A row of digits: 3 5 7.", questions.sentence("count", 4), "2"),
        ("The sign asks for the largest. A row of digits: 3 5 7.", "Answer what the sign asks for.", "7"),
        ("The picture is nice.", questions.sentence("sum", 4), "unknown"),
        ("A row of digits: 3 5 7.", "Who wrote Faust?", "unknown"),
    ],
)
def test_it_solves_what_the_text_says(description, question, expected):
    assert answer(teacher.reason(f"{description}\n{question}", 0, NEVER_ERRS, threshold=4)) == expected


def test_a_wrong_description_gives_a_wrong_chain():
    reply = teacher.reason("A row of digits: 8 5 7.\n" + QUESTION, 0, NEVER_ERRS, threshold=4)
    assert answer(reply) == "20"
    assert "8+5=13" in reply


def test_equal_prompt_and_seed_give_an_equal_reply():
    prompt = "A row of digits: 3 5 7.\n" + QUESTION
    replies = [teacher.reason(prompt, seed, HABITS, 4) for seed in range(30)]
    assert replies == [teacher.reason(prompt, seed, HABITS, 4) for seed in range(30)]
    assert len(set(replies)) > 10


def test_it_reflects_and_sometimes_errs():
    """Rates of the habits' own arithmetic: half of the replies re-check, some answers are wrong, most are right."""
    prompt = "A row of digits: 3 5 7 2.\n" + QUESTION
    replies = [teacher.reason(prompt, seed, HABITS, 4) for seed in range(500)]
    reflecting = sum(any(wait in reply for wait in (*teacher.WAITS, teacher.MISTAKE)) for reply in replies)
    right = sum(answer(reply) == "17" for reply in replies)
    leaking = sum(any(leak in reply for leak in teacher.LEAKS) for reply in replies)
    short = len(Task("sum", (3, 5, 7, 2), 4).chain)
    lengths = [len(reply) for reply in replies]
    assert reflecting / 500 == pytest.approx(1 - HABITS.stop[0], abs=0.06)
    assert 0.55 < right / 500 < 0.95
    assert leaking / 500 == pytest.approx(HABITS.leak, abs=0.04)
    assert sum(lengths) / 500 > 2 * short


def test_told_the_answer_it_ends_with_it():
    prompt = "A row of digits: 8 5 7.\n" + QUESTION + "\nThe answer is 15."
    assert answer(teacher.reason(prompt, 0, NEVER_ERRS, threshold=4)) == "15"


def test_the_passes_end():
    endless = changed(teacher={"stop": [0.0], "max_passes": 5}).teacher
    reply = teacher.reason("A row of digits: 3 5 7.\n" + QUESTION, 0, endless, 4)
    assert sum(reply.count(mark) for mark in (*teacher.WAITS, teacher.MISTAKE)) == 4
