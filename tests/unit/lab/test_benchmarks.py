"""The generated benchmarks have the real ones' columns, words and values, and load with their pictures."""

from pathlib import Path

import pytest
from datasets import Dataset, load_dataset
from lab_sizes import LAB

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.mathverse import VERSIONS
from vr1repro.benchmarks.mme import COGNITION, PERCEPTION
from vr1repro.benchmarks.mmstar.options import split_options
from vr1repro.benchmarks.questions import own_columns, read_questions
from vr1repro.benchmarks.scoring import Options
from vr1repro.config.problems import ProblemSource
from vr1repro.core.errors import UserError
from vr1repro.core.records import Outcome
from vr1repro.evaluation.prompts import prompt
from vr1repro.lab import benchmarks, formats, questions, world
from vr1repro.lab.questions import Task
from vr1repro.problems.load import load_problems

WORLD = LAB.world


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    found = {}
    for slug in ("mathvista", "mathverse", "mmmath"):
        folder = tmp_path_factory.mktemp(slug)
        benchmarks.write_benchmark(WORLD, slug, 40, 0, folder)
        found[slug] = load_dataset(str(folder), split="train", cache_dir=str(folder / "cache"))
    return found


def test_mathvista_has_its_columns_and_official_query(rows):
    table = rows["mathvista"]
    assert table.column_names == [
        "pid", "question", "image", "decoded_image", "choices", "unit", "precision", "answer", "question_type",
        "answer_type", "metadata", "query",
    ]  # fmt: skip
    assert {"task", "skills", "category", "context", "grade", "source", "language"} <= set(table[0]["metadata"])
    assert {row["question_type"] for row in table} == {"multi_choice", "free_form"}
    for row in table:
        assert row["decoded_image"].size == (row["metadata"]["img_width"], 28)
        if row["choices"]:
            lines = [f"({letter}) {text}" for letter, text in zip("ABCD", row["choices"], strict=True)]
            expected = "\n".join(
                [
                    "Hint: Please answer the question and provide the correct option letter, e.g., A, B, C, D, at the"
                    " end.",
                    f"Question: {row['question']}",
                    "Choices:",
                    *lines,
                ]
            )
            assert row["answer"] in row["choices"]
        else:
            expected = (
                "Hint: Please answer the question requiring an integer answer and provide the final value, e.g., 1, 2,"
                f" 3, at the end.\nQuestion: {row['question']}"
            )
        assert row["query"] == expected


def test_mathverse_has_five_versions_of_each_problem(rows):
    table = rows["mathverse"]
    assert table.column_names == [
        "sample_index", "problem_index", "problem_version", "question", "image", "answer", "question_type", "metadata",
        "query_wo", "query_cot", "question_for_eval",
    ]  # fmt: skip
    assert len(table) == 200
    assert [row["problem_version"] for row in table][:5] == list(formats.VERSIONS) == list(VERSIONS)
    for start in range(0, 200, 5):
        text_dominant, text_lite, intensive, dominant, only = (table[start + k] for k in range(5))
        assert len({row["problem_index"] for row in (text_dominant, only)}) == 1
        assert len({row["answer"] for row in (text_dominant, text_lite, intensive, dominant, only)}) == 1
        assert "The values are" in text_dominant["question"]
        assert "The values are" not in text_lite["question"]
        assert only["question"] == ""
        assert "Question:" not in only["query_wo"]
        assert only["question_for_eval"] == intensive["question"]
        # A sign cell stands before the row where the picture asks.
        assert only["image"].width == text_dominant["image"].width + 28
        if text_dominant["question_type"] == "multi-choice":
            assert text_dominant["answer"] in "ABCD"


def test_mmmath_has_its_chinese_classes_and_a_boxed_answer(rows):
    table = rows["mmmath"]
    assert set(table.column_names) == {
        "question", "file_name", "solution", "year", "difficult", "knowledge", "image",
    }  # fmt: skip
    assert {row["difficult"] for row in table} == {"容易", "普通", "困难"}
    for row in table:
        assert row["year"][:3] in ("七年级", "八年级", "九年级")
        assert row["year"][3:] in ("上学期", "下学期")
        assert row["solution"].count("\\boxed{") == 1


def test_no_benchmark_row_stands_in_training(rows):
    for row in rows["mathverse"]:
        if row["problem_version"] == "Text Dominant":
            text = row["question"].split("The values are ")[1].split(".")[0]
            assert world.partition_of(WORLD, tuple(map(int, text.split(", ")))) == "benchmark"


def test_the_gold_answers_are_right(rows):
    sentences = {questions.sentence(kind, WORLD.threshold): kind for kind in questions.KINDS}
    for row in rows["mathverse"]:
        if row["problem_version"] != "Text Dominant":
            continue
        text = row["question"].split("The values are ")[1]
        values = tuple(map(int, text.split(".")[0].split(", ")))
        asked = text.split(". ", 1)[1].split("\nChoices:")
        value = str(Task(sentences[asked[0]], values, WORLD.threshold).answer)
        if row["question_type"] == "multi-choice":
            value = dict(line.split(":")[::-1] for line in asked[1].strip().split("\n"))[value]
        assert row["answer"] == value


def test_equal_seeds_give_equal_bytes(tmp_path):
    first = benchmarks.write_benchmark(WORLD, "mathverse", 5, 3, tmp_path / "a").read_bytes()
    assert first == benchmarks.write_benchmark(WORLD, "mathverse", 5, 3, tmp_path / "b").read_bytes()
    assert first != benchmarks.write_benchmark(WORLD, "mathverse", 5, 4, tmp_path / "c").read_bytes()


def test_an_unknown_benchmark_is_refused(tmp_path):
    with pytest.raises(UserError, match="dynamath"):
        benchmarks.write_benchmark(WORLD, "dynamath", 5, 0, tmp_path)


@pytest.fixture(scope="module")
def general_rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    tables = {}
    for slug in ("mmstar", "chartqa", "mme", "hallusionbench"):
        folder = tmp_path_factory.mktemp(slug)
        benchmarks.write_benchmark(WORLD, slug, 20, 0, folder)
        tables[slug] = load_dataset(str(folder), split="train", cache_dir=str(folder / "cache"))
    return tables


HUB_COLUMNS = {
    "mmstar": ["index", "question", "image", "answer", "category", "l2_category", "meta_info"],
    "chartqa": ["image", "query", "label", "human_or_machine"],
    "mme": ["question_id", "image", "question", "answer", "category"],
    "hallusionbench": [
        "category", "subcategory", "visual_input", "set_id", "figure_id", "sample_note", "question_id", "question",
        "gt_answer_details", "gt_answer", "filename", "image",
    ],
}  # fmt: skip


@pytest.mark.parametrize("slug", HUB_COLUMNS)
def test_general_benchmarks_have_the_hubs_columns_and_are_adapted_by_them(
    slug: str, general_rows: dict[str, Dataset], tmp_path: Path
) -> None:
    assert general_rows[slug].column_names == HUB_COLUMNS[slug]
    file = benchmarks.write_benchmark(WORLD, slug, 20, 0, tmp_path)
    problems = list(load_problems(ProblemSource(kind="path", path=str(file))))
    assert [problem.id for problem in problems] == list(read_questions(lookup.facts(slug), file))
    assert {problem.source for problem in problems} == {slug}
    # The gold of each is right under every profile, asked in each known form.
    for problem in problems:
        assert all(prompt(slug, problem, style).strip() for style in lookup.prompts(slug))
        question = own_columns(lookup.facts(slug), problem.model_dump(), problem.metadata)
        for name, scorer in lookup.profiles(slug).items():
            verdict = scorer(question, {"response": problem.answer}, Options())
            assert verdict.verdict is Outcome.RIGHT, name


def test_their_golds_are_what_the_pictures_show(general_rows: dict[str, Dataset]) -> None:
    sentences = {questions.sentence(kind, WORLD.threshold): kind for kind in questions.KINDS}
    for row in general_rows["mmstar"]:
        stem, options = split_options(row["question"])
        assert stem in sentences
        assert len(options) == 4
    assert {row["category"] for row in general_rows["mme"]} == {*PERCEPTION, *COGNITION}
    assert [row["answer"] for row in general_rows["mme"]] == ["Yes", "No"] * 20
    hallusion = list(general_rows["hallusionbench"])
    assert {row["gt_answer"] for row in hallusion} == {"0", "1"}
    for row in hallusion:  # each figure of a set says yes to just one value, or the set would tell no difference
        same = [other["gt_answer"] for other in hallusion
                if (other["set_id"], other["figure_id"]) == (row["set_id"], row["figure_id"])]  # fmt: skip
        assert same.count("1") == 1
