import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vr1repro.answers.completion import completion
from vr1repro.answers.extract import Rule, final_answer, last_boxed, last_number, tagged_answer
from vr1repro.answers.paper_form import paper_answer

TAGS = ["<answer>", "</answer>", " Final Answer:", "<answer> Final Answer:", " </answer>", "<think>", "</think>"]
ODDS = [
    "\\boxed{",
    "{",
    "}",
    "\\{",
    "7",
    "the answer is ",
    "\n",
    " ",
    "x",
    "\x00",
    "\ud800",
    "\u202e",
    "\\",
    "3/4",
    ".",
]
PIECES = st.sampled_from([*TAGS, *ODDS])


@pytest.mark.parametrize(
    ("text", "answer", "rule"),
    [
        ("<think>a</think><answer> Final Answer:12 </answer>", "12", Rule.TAG),
        ("<think>it is \\boxed{3}</think><answer>\\boxed{4}</answer>", "4", Rule.TAG),
        ("<answer>1</answer> no, <answer>2</answer>", "2", Rule.TAG),
        ("<answer> Final Answer:5", "5", Rule.TAG),
        ("so \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}", Rule.BOXED),
        ("\\boxed{1}, wait, \\boxed{2}", "2", Rule.BOXED),
        ("\\boxed{\\left\\{1, 2\\right\\}}", "\\left\\{1, 2\\right\\}", Rule.BOXED),
        ("\\boxed{x = \\boxed{5}}", "5", Rule.BOXED),
        ("\\boxed{never closed. The answer is 7.", "7", Rule.PHRASE),
        ("The answer is 3. But the correct answer is (B).", "(B)", Rule.PHRASE),
        ("**Answer:** 12 cm\nThanks", "12 cm", Rule.PHRASE),
        ("答案是 42。", "42", Rule.PHRASE),
        ("B", "B", Rule.WHOLE),
        ("First 3 apples,\nthen 1,234.5 in all", "1,234.5", Rule.NUMBER),
        ("<think>the answer is 4</think>so 5 it seems,\nor 6", "6", Rule.NUMBER),
    ],
)
def test_final_answer(text, answer, rule):
    found = final_answer(text)
    assert found is not None
    assert (found.text, found.rule) == (answer, rule)


@pytest.mark.parametrize("text", ["", "  \n", "no idea,\nnone at all", "<answer></answer>\nnothing\nhere"])
def test_no_answer(text):
    assert final_answer(text) is None


@given(st.lists(PIECES, max_size=40).map("".join))
def test_paper_answer_is_the_papers_regex(text):
    match = re.search(r"<answer> Final Answer:(.*?) </answer>", text, re.DOTALL)
    assert paper_answer(text) == (match[1] if match else None)


@given(st.lists(PIECES, max_size=60).map("".join))
def test_never_raises_and_answers_come_from_the_text(text):
    found = final_answer(text)
    if found is not None:
        assert found.text in text
        assert found.text.strip() == found.text != ""


@given(st.text(max_size=30).filter(lambda text: text.strip() and not set("<>\\") & set(text)))
def test_own_completions_round_trip(answer):
    whole = completion("some thought", answer)
    assert paper_answer(whole) == answer
    if not answer.strip().startswith("Final Answer:"):
        assert tagged_answer(whole) == answer.strip()


@given(st.recursive(st.text("ab1+", max_size=5), lambda inner: inner.map(lambda text: "{" + text + "}x"), max_leaves=8))
def test_boxes_match_braces(content):
    expected = content.strip() or None
    assert last_boxed(f"a {{b}} \\boxed{{{content}}} c") == expected


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("x 1,234 y", "1,234"),
        ("1,23", "23"),
        ("-5", "-5"),
        ("3-5", "5"),
        (".5", ".5"),
        ("none", None),
        ("2.50.", "2.50"),
    ],
)
def test_last_number(text, number):
    assert last_number(text) == number


@pytest.mark.parametrize(
    "unit",
    [
        "\\boxed{",
        "{",
        "<answer>",
        "<answer> Final Answer:",
        "1",
        "1,",
        "answer ",
        "the answer is",
        "\\",
        " ",
        "\\boxed (",
    ],
)
def test_linear_on_hostile_text(unit):
    """That it ends is what it shows: a linear pass over 1 MB takes a second, a quadratic one takes hours.

    A kilobyte of the same is answered by the same rule.
    """
    long, short = (unit * (size // len(unit)) for size in (1_000_000, 1_000))
    rules = [found and found.rule for found in map(final_answer, (long, short))]
    assert rules[0] == rules[1]
    assert paper_answer(long) is None
