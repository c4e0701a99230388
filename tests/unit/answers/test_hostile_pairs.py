"""Answers made to hang, to eat memory or to run code: each is decided, and the pair after it is right."""

import json
from pathlib import Path

import pytest

from vr1repro.answers.extract import final_answer
from vr1repro.answers.grade import Grader, Pair
from vr1repro.core.records import Outcome
from vr1repro.evaluation.grading import grade_file

pytestmark = pytest.mark.slow

TOWER = r"x^{x^{x}}+\sin(x)=\ln(x^{17})"
MATRIX = r"\\".join("&".join(f"x_{{{row * 200 + column}}}" for column in range(60)) for row in range(60))
# The gold answer is 3 where none is given.
PAIRS: dict[str, tuple[str, str]] = {
    "9**9**9": ("3", "9**9**9"),
    "9^{9^{9^{9}}}": ("3", "$9^{9^{9^{9}}}$"),
    "factorial(10**9)": ("3", "factorial(10**9)"),
    "(10^9)!": ("3", r"$(10^{9})!$"),
    "10^9!!": ("3", r"\boxed{1000000000!!}"),
    "nested frac 10k": ("3", "$" + r"\frac{1}{" * 10_000 + "1" + "}" * 10_000 + "$"),
    "nested sqrt 10k": ("3", r"\sqrt{" * 10_000 + "2" + "}" * 10_000),
    "parens 50k": ("3", "(" * 50_000 + "1" + ")" * 50_000),
    "100k a+ regex": ("3", "a" * 100_000 + "!"),
    "1 MB of digits": ("3", "9" * 1_000_000),
    "huge float 1e400000": ("3", "1e400000"),
    "1 MB blanks": ("3", r"\boxed{" + " " * 1_000_000 + "}"),
    "boxed 100k unclosed": ("3", r"\boxed{" * 100_000),
    "answer tags 100k": ("3", "<answer>" * 100_000),
    "think tags 100k": ("3", "<think>" * 100_000 + "</think>"),
    "integral": ("3", r"$\int_0^{10^{10}} e^{-x^{x^{x}}} dx$"),
    "matrix 200x200": ("3", rf"$\begin{{pmatrix}}{MATRIX}\end{{pmatrix}}$"),
    "polynomial (x+y+z)^500": ("3", "$(x+y+z)^{500}$"),
    "solve x^x=..": ("x=3", f"${TOWER}$"),
    "full-width digits": ("3", "３"),
    "arabic digits": ("3", "٣"),
    "superscript": ("9", "3²"),
    "RTL override": ("3", "\u202e3"),
    "zero-width": ("3", "3\u200b"),
    "combining": ("3", "3\u0301"),
    "lone surrogate": ("3", "\ud800"),
    "NUL": ("3", "3\0"),
    "__import__": ("3", '__import__("os").system("touch PWNED")'),
    "eval in latex": ("3", r'$\operatorname{__import__}("os")$'),
    "sympy exec": ("3", "Symbol.__class__.__mro__"),
    "0/0": ("3", "$0/0$"),
    "zoo": ("3", r"$\infty-\infty$"),
    "1/0 gold": ("1/0", "1/0"),
    "percent": ("0.5", "50%"),
    "1,000 vs 1000": ("1000", "1,000"),
    "1,5 vs 1.5": ("1.5", "1,5"),
    "gold 3, pred 3 or 4": ("3", "3 or 4"),
    "gold A, pred AB": ("A", "AB"),
}
# What must not count as right, whatever a worker makes of it.
NEVER_RIGHT = {"9**9**9", "(10^9)!", "1,5 vs 1.5", "gold 3, pred 3 or 4", "gold A, pred AB", "__import__", "sympy exec"}


@pytest.mark.parametrize("case", PAIRS)
def test_a_hostile_pair_is_decided_and_the_next_is_right(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    gold, given = PAIRS[case]
    with Grader(1, timeout_s=3.0, memory_mb=1024) as grader:
        outcome, after = grader.stream([Pair(gold, given).work(), Pair("4", "4.0").work()])
    assert outcome in (Outcome.RIGHT, Outcome.WRONG, Outcome.UNPARSABLE, Outcome.TIMEOUT)
    assert after == Outcome.RIGHT
    assert case not in NEVER_RIGHT or outcome != Outcome.RIGHT
    assert list(tmp_path.iterdir()) == []


TEXTS = {
    "1M a": "a" * 10**6,
    "200k boxed": r"\boxed{" * 200_000,
    "1M newlines": "\n" * 10**6,
    "500k answer is": "the answer is " * 40_000,
    "1M digits": "1 " * 500_000,
    "300k **": "**" * 300_000,
    "300k $": "$" * 300_000,
    "300k (": "(" * 300_000,
    "mixed tags": "<answer>a</answer" * 60_000,
}


@pytest.mark.parametrize("case", TEXTS)
@pytest.mark.timeout(120)  # a reader whose time grows with the square of the length would take hours
def test_a_long_text_is_read(case: str) -> None:
    found = final_answer(TEXTS[case])
    assert found is None or 0 < len(found.text) < 100


EVIL = (
    "", "\0" * 1000, "9**9**9", r"\boxed{" * 20_000, "the answer is " * 20_000, "(" * 100_000, "\ud800\udfff",
    "<script>alert(1)</script>", r"$\frac{1}{" * 3000, "A" * 500_000, "10**10**10 is the answer",
    r"\boxed{9^{9^{9^{9}}}}", "The answer is (B) not (A) nor (C)", "1" * 5000, "Option A: " * 20_000,
)  # fmt: skip


@pytest.mark.parametrize("profile", ["official", "rule", "vlmevalkit", "lmms-eval"])
def test_fifteen_evil_responses_have_fifteen_verdicts(profile: str, tmp_path: Path) -> None:
    question = {"question": "?", "choices": None, "unit": None, "precision": 1.0, "answer": "3", "decoded_image": None,
                "question_type": "free_form", "answer_type": "integer", "query": "?",
                "metadata": {"category": "math-targeted-vqa", "context": "x", "grade": "x", "img_height": 1,
                             "img_width": 1, "language": "english", "skills": [], "source": "x", "split": "testmini",
                             "task": "x"}}  # fmt: skip
    rows = [{"pid": str(number), **question} for number in range(len(EVIL) + 1)]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    texts = [*EVIL, "The answer is 3"]  # a file in which nothing can be parsed is refused
    answers = [{"pid": str(number), "response": text} for number, text in enumerate(texts)]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers))
    grade_file("mathvista", profile, tmp_path / "r.jsonl", tmp_path / "q.jsonl", tmp_path / "v.jsonl", timeout_s=3.0)
    verdicts = [json.loads(line)["verdict"] for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    assert len(verdicts) == len(EVIL) + 1
    assert "right" not in verdicts[:-1]
