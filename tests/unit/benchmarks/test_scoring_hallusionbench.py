"""HallusionBench: ids with the category, the judge's three replies, and the rules for yes and no."""

from pathlib import Path

import pytest

from vr1repro.benchmarks.hallusionbench import BENCHMARK, adapter
from vr1repro.benchmarks.hallusionbench.profiles import PROFILES
from vr1repro.benchmarks.questions import named_rows, read_questions
from vr1repro.benchmarks.scoring import Options
from vr1repro.core.errors import UserError
from vr1repro.core.images import FolderImages
from vr1repro.core.jsonl import write_rows
from vr1repro.core.records import Verdict
from vr1repro.core.rows import BadRow
from vr1repro.evaluation.prompts import prompt

Row = dict[str, str | None]


def question(category: str = "VD", subcategory: str = "ocr", figure: str = "1", **changes: str | None) -> Row:
    shown = "0" if (category, figure) == ("VS", "0") else "1"
    return {
        "category": category, "subcategory": subcategory, "visual_input": shown, "set_id": "0", "figure_id": figure,
        "sample_note": "pi", "question_id": "0", "question": "Is it?", "gt_answer_details": "It is.", "gt_answer": "1",
        "filename": "./hallusion_bench/VD/ocr/0_1.png", **changes,
    }  # fmt: skip


def outcomes(asked: Row, response: str, **row: str) -> list[str]:
    graded = [PROFILES[name](asked, {"response": response, **row}, Options()) for name in PROFILES]
    return [one.verdict.value for one in graded if isinstance(one, Verdict)]


@pytest.mark.parametrize(
    ("response", "official", "rule", "vlmevalkit"),
    [
        ("Yes, it appears to be.", "right", "right", "right"),
        ("No, there is no such thing.", "wrong", "wrong", "wrong"),
        ("It is the same.", "judge_error", "unparsable", "judge_error"),
        ("There is no such thing.", "judge_error", "wrong", "wrong"),
        ("<think> no? </think><answer> Final Answer:Yes </answer>", "right", "right", "right"),
        ("", "unparsable", "unparsable", "unparsable"),
    ],
)
def test_rules(response: str, official: str, rule: str, vlmevalkit: str) -> None:
    assert outcomes(question(), response) == [official, rule, vlmevalkit]


@pytest.mark.parametrize("key", ["judgement", "gpt4v_output_gpt_check"])
def test_the_judges_reply_counts_before_all(key: str) -> None:
    shown, bare = question(), question("VS", "chart", "0")
    assert [outcomes(shown, "Yes", **{key: reply})[0] for reply in "012"] == ["wrong", "right", "unparsable"]
    # Who was shown nothing may not know.
    assert [outcomes(bare, "Yes", **{key: reply})[0] for reply in "012"] == ["wrong", "right", "right"]


def test_an_id_has_the_category_and_a_shorter_one_is_taken_where_it_says_enough(tmp_path: Path) -> None:
    write_rows(tmp_path / "q.jsonl", [question(), question("VS"), question(subcategory="math")])
    questions = read_questions(BENCHMARK, tmp_path / "q.jsonl")
    assert list(questions) == ["VD_ocr_0_1_0", "VS_ocr_0_1_0", "VD_math_0_1_0"]

    def named(row: Row) -> object:
        return next(named_rows(BENCHMARK, questions, [(1, row)]))[1].get("id")

    assert named({"id": "VS_ocr_0_1_0"}) == "VS_ocr_0_1_0"
    assert named({"id": "math_0_1_0"}) == "VD_math_0_1_0"
    assert named({"id": "ocr_0_1_0", "category": "VS"}) == "VS_ocr_0_1_0"
    assert named(question("VS")) == "VS_ocr_0_1_0"  # the official result file: the question's columns, and no id
    with pytest.raises(UserError, match="ocr_0_1_0: stands for the questions VD_ocr_0_1_0, VS_ocr_0_1_0"):
        named({"id": "ocr_0_1_0"})


def test_the_units_of_its_three_shares() -> None:
    assert BENCHMARK.units(question()) == ("VD_ocr_0_1_0", "VD_ocr_0_1", "VD_ocr_0_0")
    assert BENCHMARK.units(question("VS", "chart", "0")) == ("VS_chart_0_0_0", None, "VS_chart_0_0")
    assert BENCHMARK.cluster(question()) == "VD_ocr_0"
    assert dict(BENCHMARK.groups(question())) == {"category": "VD", "subcategory": "VD_ocr"}


def test_both_of_its_sets_are_named() -> None:
    assert BENCHMARK.n_questions == 951
    assert BENCHMARK.sizes.keys() == {951, 1129}


def test_a_row_becomes_a_problem(tmp_path: Path) -> None:
    (tmp_path / "hallusion_bench/VD/ocr").mkdir(parents=True)
    (tmp_path / "hallusion_bench/VD/ocr/0_1.png").write_bytes(b"picture")
    problem = adapter.adapt(question(), 0, FolderImages(tmp_path))
    assert (problem.id, problem.answer, problem.image) == ("VD_ocr_0_1_0", "Yes", b"picture")
    asked = {**problem.metadata, "id": problem.id, "question": problem.question, "answer": problem.answer}
    assert outcomes(asked, "Yes") == ["right"] * 3
    assert BENCHMARK.units(asked) == BENCHMARK.units(question())
    assert adapter.adapt(question("VS", "chart", "0"), 0, FolderImages(tmp_path)).image is None
    with pytest.raises(BadRow, match="no_id"):
        adapter.adapt(question(set_id=None), 0, None)
    assert prompt("hallusionbench", problem, "paper", "plain") == "Is it?"
    assert prompt("hallusionbench", problem, "direct", "plain") == "Is it? Please answer yes or no."
