import pytest

from vr1repro.core.errors import UserError
from vr1repro.core.records import Problem
from vr1repro.problems.prompt import messages, user_turn

data = pytest.importorskip("vr1repro.training.data")

PROBLEMS = [Problem(id=str(n), source="s", question="q", answer="a") for n in range(7)]


def ids(seed: int, skip: int, n: int) -> list[str]:
    return [problem.id for problem in data.rl_stream(PROBLEMS, seed, skip, n)]


def test_the_order_goes_on_across_stages() -> None:
    assert ids(1, 0, 20) == ids(1, 0, 5) + ids(1, 5, 9) + ids(1, 14, 6)


def test_an_epoch_holds_every_problem_once() -> None:
    assert sorted(ids(1, 7, 7)) == sorted(problem.id for problem in PROBLEMS)


def test_the_seed_decides_the_order() -> None:
    assert ids(1, 0, 14) != ids(2, 0, 14)


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(UserError, match="the set is empty"):
        data.rl_stream([], 1, 0, 1)


def test_choices_are_written_as_in_the_papers_inference_code() -> None:
    problem = Problem(id="1", source="s", question="How long?", answer="B", choices=["2π", "3π"])
    assert user_turn(problem) == "How long?\nChoices:\nA: 2π\nB: 3π"


def test_the_image_stands_before_the_text_and_the_system_prompt_first() -> None:
    turns = messages("q", has_image=True, system="s")
    assert [turn["role"] for turn in turns] == ["system", "user"]
    assert [part["type"] for part in turns[1]["content"]] == ["image", "text"]
