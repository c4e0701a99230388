import csv
import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vr1repro.core.jsonl import write_rows
from vr1repro.core.records import Verdict
from vr1repro.reporting.compare.graders import kappa, reason, visible

CHOICE = {"question_type": "multi_choice", "answer_type": "text", "choices": ["6cm", "7cm"], "answer": "7cm",
          "question": "?", "metadata": {}}  # fmt: skip
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"


class Tags(HTMLParser):
    """Collects the tags of a page, so that a test sees what a browser would make of it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)


def run(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "vr1repro.cli", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_profiles_are_compared_and_differing_rows_are_shown_with_a_reason(tmp_path: Path) -> None:
    write_rows(tmp_path / "q.jsonl", [{**CHOICE, "pid": str(n)} for n in range(4)])
    write_rows(
        tmp_path / "r.jsonl",
        [
            {"pid": "0", "response": "So it is (B).", "extraction": "B"},
            {"pid": "1", "response": f"7 cms? {SCRIPT} \x00 \ud800 \u202e", "extraction": "7 cm"},
            {"pid": "2", "response": "=HYPERLINK(1)", "extraction": "A"},
            {"pid": "3", "response": "no idea"},
        ],
    )
    text = run(
        "compare-graders", "--benchmark", "mathvista", "--responses", tmp_path / "r.jsonl",
        "--questions", tmp_path / "q.jsonl", "--out", tmp_path / "out",
    )  # fmt: skip
    assert "official      66.67  2/4  [50.00, 75.00], 1 undecided" in text
    rows = list(csv.DictReader((tmp_path / "out" / "differences.csv").open(encoding="utf-8", newline="")))
    assert [(row["id"], row["official"], row["rule"], row["vlmevalkit"]) for row in rows] == [
        ("1", "right", "unparsable", "unparsable"),
        ("3", "judge_error", "unparsable", "judge_error"),
    ]
    assert "nearest choice by edit distance, a guess" in rows[0]["reason"]
    assert "\\u0000 \\ud800 \\u202e" in rows[0]["response"]
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    assert not {"script", "img", "link", "iframe"} & tags.tags
    assert "&lt;script&gt;" in page
    pairs = list(csv.DictReader((tmp_path / "out" / "pairs.csv").open()))
    assert len(pairs) == 6
    assert next(row for row in pairs if (row["first"], row["second"]) == ("official", "lmms-eval"))["n"] == "3"


@pytest.mark.parametrize(("cells", "value"), [((30, 5, 7, 58), 0.7396963), ((5, 0, 0, 5), 1.0), ((5, 0, 0, 0), None),
                                              ((0, 0, 0, 0), None), ((25, 25, 25, 25), 0.0)])  # fmt: skip
def test_kappa(cells: tuple[int, int, int, int], value: float | None) -> None:
    assert kappa(*cells) == (None if value is None else pytest.approx(value))


def test_kappa_is_that_of_statsmodels() -> None:
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater", reason="statsmodels is in the extra `report`")
    assert kappa(30, 5, 7, 58) == pytest.approx(inter_rater.cohens_kappa([[30, 5], [7, 58]]).kappa)


@given(st.text())
def test_visible_text_is_utf8_and_has_no_direction_marks(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert not set(shown) & set("\x00\u202e\u2066\u200f")


def test_equal_answers_that_are_compared_by_other_rules() -> None:
    verdicts = {name: Verdict(id="1", prediction="1.24", verdict=outcome)
                for name, outcome in (("official", "right"), ("vlmevalkit", "wrong"))}  # fmt: skip
    assert reason(verdicts) == "the same answer, compared by other rules"


def test_real_outputs(shared: Path, tmp_path: Path) -> None:
    folder = shared / "mathvista"
    text = run(
        "compare-graders", "--benchmark", "mathvista", "--responses", folder / "outputs" / "minigpt4_llama2.jsonl",
        "--questions", folder / "testmini.jsonl", "--out", tmp_path,
    )  # fmt: skip
    official = json.loads((folder / "scores" / "minigpt4_llama2.json").read_text())["average"]["correct"]
    assert f"{official}/1000" in text
