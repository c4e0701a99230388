"""`single` and `paper` read the same attempts in two ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vr1repro.answers.completion import completion
from vr1repro.core.errors import UserError
from vr1repro.core.records import Response
from vr1repro.evaluation.counted import pick, select, stripped
from vr1repro.evaluation.protocols import has_answer


def row(attempt, text, identity="1"):
    return Response(run="r", model="m", eval_seed=1, protocol="paper", benchmark="mathvista", id=identity,
                    prompt_sha="p", attempt=attempt, response=text)  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("<think>a</think><answer> Final Answer:12 </answer>", "12"),
        ("<answer> Final Answer:(A) 5 </answer> <answer> Final Answer:2 </answer>", "(A) 5"),
        ("<answer> Final Answer:1\n2 </answer>", "1\n2"),
        ("<answer>Final Answer:12</answer>", "<answer>Final Answer:12</answer>"),
        ("<answer> Final Answer: 12</answer>", "<answer> Final Answer: 12</answer>"),
        ("no tag", "no tag"),
        ("", ""),
    ],
)
def test_the_papers_extraction_needs_its_exact_blanks(reply, expected):
    assert stripped(reply) == expected


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40).filter(lambda x: " </answer>" not in x))
def test_our_own_completions_are_always_extracted(answer):
    reply = completion("chain", answer)
    assert has_answer(reply)
    assert stripped(reply) == answer


@pytest.mark.parametrize(
    ("texts", "single", "paper"),
    [
        (["<answer> Final Answer:1 </answer>"], 0, 0),
        (["a", "b</answer>"], 0, 1),
        (["a", "b", "c", "d", "e"], 0, 4),
        (["a", "b</answer>", "c</answer>"], 0, 1),
    ],
)
def test_which_attempt_counts(texts, single, paper):
    attempts = [row(number, text) for number, text in enumerate(texts)]
    assert pick(attempts[::-1], "single").attempt == single
    assert pick(attempts[::-1], "paper").attempt == paper


def test_a_missing_first_attempt_is_an_error():
    with pytest.raises(UserError, match="first attempt"):
        pick([row(1, "a")], "paper")


def test_selection_keeps_the_whole_reply_beside_what_is_scored():
    whole = "<think>x</think><answer> Final Answer:7 </answer>"
    rows = [row(0, "cut"), row(1, whole), row(0, "plain", "2")]
    chosen = list(select(rows, "paper"))
    assert [(one.id, one.attempt, one.response, one.model_extra["reply"]) for one in chosen] == [
        ("1", 1, "7", whole),
        ("2", 0, "plain", "plain"),
    ]
    assert [(one.id, one.response) for one in select(rows, "single")] == [("1", "cut"), ("2", "plain")]
