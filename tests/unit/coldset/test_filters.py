import json
from pathlib import Path

import pytest
from coldset_settings import coldset_settings

from vr1repro.answers.grade import Grader
from vr1repro.coldset.filters import ANSWER_RULES, RULES, Candidate, first_rule, pair, split_chain, split_reply
from vr1repro.coldset.polish import polish
from vr1repro.core.records import Outcome

SETTINGS = coldset_settings(repetition_ngram=3)


def candidate(
    chain: str = "3+4=7", answer: str | None = "7", gold: str = "7", finished: bool = True, rest: str = ""
) -> Candidate:
    return Candidate(
        chain=chain, final_answer=answer, gold=gold, choices=None, finished=finished, rest=rest
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "fires", "passes"),
    [
        ("truncated", candidate(finished=False), candidate()),
        ("no-answer", candidate(answer=None), candidate()),
        ("no-answer", candidate(chain="  "), candidate()),
        ("tags-inside", candidate(chain="so </answer> 7"), candidate(chain="a < b > c")),
        ("tags-inside", candidate(answer="7</answer>"), candidate()),
        ("tags-inside", candidate(chain="in <image> we see"), candidate(chain="in <image1> we see")),
        ("too-long", candidate(chain="x" * 2001), candidate(chain="x" * 2000)),
        ("repetition", candidate(chain="wait let me " * 20), candidate(chain=" ".join(str(n) for n in range(60)))),
        ("assistant-talk", candidate(chain="As an AI, I see"), candidate(chain="As an aid, I see")),
        ("assistant-talk", candidate(chain="I cannot see the image"), candidate(chain="You cannot see the end")),
        ("leak", candidate(chain="from this Description it follows"), candidate(chain="from this image")),
        ("not-text", candidate(chain="a\x00b"), candidate(chain="a\n\tb")),
        ("not-text", candidate(chain="\ud83d alone"), candidate(chain="\U0001f600 whole")),
        ("tags-inside", candidate(gold="7</answer>"), candidate()),
        ("several-answers", candidate(rest="<answer> 7 </answer><answer> 8 </answer>"), candidate(rest="<answer> 7")),
        ("unbounded-answer", candidate(answer="9^{9^{9}}"), candidate(answer="2^{10} + x^{n+1}")),
        ("unbounded-answer", candidate(answer="10**99999"), candidate(answer="10^{9999}")),
        (
            "unbounded-answer",
            candidate(answer=r"\frac{1}{" * 9 + "2" + "}" * 9),
            candidate(answer=r"\frac{\sqrt{3}}{2}"),
        ),
        ("unbounded-answer", candidate(answer="{" * 5000), candidate(answer="7 " * 100)),
        ("unbounded-answer", candidate(answer="123456!"), candidate(answer="2^{2^{3}}", gold="2^{2^{3}}")),
        ("too-short", candidate(chain="two words"), candidate(chain="now three words")),
        (
            "language",
            candidate(chain="\u6240\u4ee5\u7b54\u6848\u662f 7"),
            candidate(chain="so \u03b8 + \u03c6 = \u03c0, naïvely"),
        ),
        (
            "language",
            candidate(chain="\u03ba\u03b1\u03b9 so \u03ba\u03b1\u03b9 so"),
            candidate(chain="\u2220ABC = 30\u00b0, \u4e2d" + " so" * 30),
        ),
        ("language", candidate(chain="\u0442\u0430\u043a so"), candidate(chain="so x\u2081 + \u210b")),
        ("repeated-lines", candidate(chain="So x = 1.\n\n" * 8), candidate(chain="a\nb\n" * 8)),
        (
            "assistant-talk",
            candidate(chain="Without seeing the picture I guess"),
            candidate(chain="seeing the picture"),
        ),
        ("leak", candidate(chain="the user provided a figure"), candidate(chain="users provided a figure")),
        (
            "contradiction",
            candidate(chain="So the answer is C.", answer="B"),
            candidate(chain="So the answer is (B).", answer="B"),
        ),
        (
            "contradiction",
            candidate(chain="The answer is 0.75.", answer="0.57"),
            candidate(chain="The answer is 0.75.", answer="\\frac{3}{4}"),
        ),
        ("contradiction", candidate(chain="the answer is 9 apples."), candidate(chain="the answer is 7 apples.")),
        ("contradiction", candidate(chain="The answer is 9, not 7."), candidate(chain="Is the answer is 9? No.")),
        (
            "contradiction",
            candidate(chain="The answer is 9cm."),
            candidate(chain="The answer is 9." + " Wait, no." * 90),
        ),
        ("contradiction", candidate(chain="So the answer is 8."), candidate(chain="So the answer is 7.")),
        ("contradiction", candidate(chain="the answer is 1,000", answer="100"), candidate(chain="the answer is B")),
    ],
)
def test_each_rule(rule: str, fires: Candidate, passes: Candidate) -> None:
    settings = SETTINGS.model_copy(update={"min_chain_words": 3}) if rule == "too-short" else SETTINGS
    assert RULES[rule](fires, settings)
    assert not RULES[rule](passes, settings)


def test_every_rule_has_a_case_here() -> None:
    (cases,) = [mark.args[1] for mark in test_each_rule.pytestmark]  # type: ignore[attr-defined]
    assert {rule for rule, _, _ in cases} == set(RULES)


def test_a_script_is_foreign_only_where_the_config_says_so() -> None:
    chinese = candidate(chain="\u6240\u4ee5\u7b54\u6848\u662f 7")
    assert not RULES["language"](chinese, SETTINGS.model_copy(update={"languages": ["cjk"]}))
    assert RULES["language"](candidate(chain="so 7"), SETTINGS.model_copy(update={"languages": ["cjk"]}))


def graded(row: Candidate) -> Outcome:
    with Grader() as grader:
        return next(grader.grade([pair(row)]))


def test_the_first_rule_that_fires_names_the_rejection_and_order_is_kept() -> None:
    rows = [
        candidate(),
        candidate(answer="8"),
        candidate(chain="As an AI", finished=False),
        candidate(gold=r"\frac{14}{2}"),
        candidate(answer=None),
    ]
    found = [first_rule(row, SETTINGS) or ANSWER_RULES.get(graded(row)) for row in rows]
    assert found == [None, "answer-wrong", "truncated", None, "no-answer"]


@pytest.mark.parametrize(
    ("reply", "chain", "answer"),
    [
        ("<think>3+4=7</think><answer> Final Answer:7 </answer>", "3+4=7", "7"),
        ("<think>a</think> The answer is 7.", "a", "7"),
        ("no tags, the answer is 7.", "no tags, the answer is 7.", "7"),
        ("<think>a</think>b</think><answer> Final Answer:7 </answer>", "a</think>b", "7"),
    ],
)
def test_split_reply(reply: str, chain: str, answer: str) -> None:
    assert split_reply(reply) == (chain, answer)


def test_the_papers_printed_completions_pass_every_rule_and_polish_leaves_them_alone(paper: Path) -> None:
    """They are what the paper's own filter let through (v1 Figs. 5 to 7)."""
    printed = json.loads((paper / "completions-v1.json").read_text(encoding="utf-8"))["completions"]
    assert len(printed) == 11
    for text in printed:
        chain, answer = split_reply(text)
        assert polish(chain) == (chain, {})
        row = candidate(chain=chain, answer=answer, gold=str(answer), rest=split_chain(text)[1])
        assert first_rule(row, coldset_settings()) is None
        assert graded(row) is Outcome.RIGHT
