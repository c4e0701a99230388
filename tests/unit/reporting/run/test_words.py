"""Reflection words and length classes."""

from dataclasses import replace
from pathlib import Path

import pytest

from vr1repro.answers.completion import completion
from vr1repro.config.reporting import ReportSettings
from vr1repro.core.problem_files import write_problems
from vr1repro.core.records import Problem
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.run.words import bin_labels, by_length, count_words, summed


@pytest.mark.parametrize(
    ("text", "count"),
    [("Wait, wait. WAIT", 3), ("waiting awaits", 0), ("wait-wait", 2), ("", 0), ("Wait\nHmm", 1)],
)
def test_whole_words_in_any_case(text: str, count: int) -> None:
    assert count_words(text, ["Wait"])["Wait"] == count


def test_sums_carry_an_error() -> None:
    total = summed({"Wait": [2, 0, 1], "Hmm": [0, 0, 0]})
    assert total["Wait"].value == 3
    assert total["Wait"].low < 3 < total["Wait"].high
    assert total["Hmm"].value == 0


@pytest.mark.parametrize(
    ("borders", "labels"), [([4096, 8192], ["0-4K", "4K-8K", "8K+"]), ([40, 80], ["0-40", "40-80", "80+"])]
)
def test_labels_of_length_classes(borders: list[int], labels: list[str]) -> None:
    assert bin_labels(borders) == labels


def test_length_classes_sum_to_everything(results: Results) -> None:
    rows = results.final("zero")
    rows = rows[rows["benchmark"] == "mathverse"]
    bars = by_length(rows, results.settings)
    assert sum(share.value for _, share, _ in bars) == pytest.approx(100)
    assert sum(hits.n for _, _, hits in bars if hits) == rows["correct"].notna().sum() < len(rows)
    right = sum(hits.n * hits.value / 100 for _, _, hits in bars if hits)
    assert right == pytest.approx(sum(value is True for value in rows["correct"]))


def test_a_limit_belongs_to_the_class_below(results: Results) -> None:
    rows = results.final("ci").head(4).assign(n_tokens=[40.0, 41.0, 80.0, 81.0])
    assert [share.value for _, share, _ in by_length(rows, results.settings)] == [25, 50, 25]


def test_counts_of_the_run(results: Results) -> None:
    assert results.set_words["coldset"]["Wait"].value == 40  # two in each of the 20 kept chains
    assert results.set_words["coldset"]["Hmm"].value == 20
    counts = results.sampled_words
    assert counts["ci"]["Wait"].value == ReportSettings().sampled_responses
    assert {"base", "vision-r1"} <= set(counts)


def test_words_of_a_released_set_are_those_of_its_chains(results: Results, tmp_path: Path) -> None:
    # The answer's own text is not part of the chain.
    texts = [completion("Wait, is it so? Hmm.", "Wait"), completion("No.", "Hmm")]
    rows = [
        Problem(id=str(k), source="x", question="?", answer="1", metadata={"completion": text})
        for k, text in enumerate(texts)
    ]
    write_problems(tmp_path / "coldset" / "coldset.parquet", rows)
    counts = replace(results, run=tmp_path).set_words["coldset"]
    assert (counts["Wait"].value, counts["Hmm"].value) == (1, 1)
    assert replace(results, run=tmp_path / "none").set_words == {}
