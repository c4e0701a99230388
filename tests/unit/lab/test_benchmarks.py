"""The generated benchmarks have the real ones' columns, words and values, and load with their pictures."""

import pytest
from datasets import load_dataset
from lab_sizes import LAB

from vr1repro.benchmarks.mathverse import VERSIONS
from vr1repro.core.errors import UserError
from vr1repro.lab import benchmarks, formats, questions, world
from vr1repro.lab.questions import Task

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
