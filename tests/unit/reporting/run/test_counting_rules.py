"""Table 4's counting rule: a planted one is recovered on stand-ins for LLaVA-CoT and Mulberry."""

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vr1repro.cli import app
from vr1repro.coldset.words import RULES, WORDS, published
from vr1repro.core.errors import UserError
from vr1repro.core.problem_files import write_problems
from vr1repro.core.records import Problem
from vr1repro.published import Target, load_values
from vr1repro.reporting.run import counting_rules
from vr1repro.reporting.run.counting_rules import COLUMNS, SetCounts, count_set, rank_rules, texts_of
from vr1repro.reporting.run.results import Measurement, Missing, Results
from vr1repro.reporting.tables.our_tables import words_table
from vr1repro.reporting.tables.table import paper_tables

SOURCES = ("llava-cot", "mulberry")


def forms(word: str) -> dict[str, str]:
    """A word as printed and in lower case, alone and inside another word."""
    return {
        "whole printed": word,
        "whole lower": word.lower(),
        "part printed": f"{word}ed",
        "part lower": f"{word.lower()}ed",
    }


def counted(rule: str) -> list[str]:
    """The forms that a rule counts."""
    names = forms("x")
    kept = [name for name in names if "part" in rule or name.startswith("whole")]
    return [name for name in kept if "any_case" in rule or name.endswith("printed")]


def planted(column: str, rule: str, pictures: tuple[str, ...] = ()) -> list[str]:
    """Texts whose words a rule counts as often as the paper printed; other rules count more of them, or fewer.

    Occurrences that count come two to a text where texts are counted, and else five. Those that do not count are half
    as many again.
    """
    texts = []
    for word, number in published(COLUMNS[column]).items():
        wordforms, names = forms(word), counted(rule)
        others = [name for name in wordforms if name not in names]
        pieces = [wordforms[names[k % len(names)]] for k in range(int(number))]
        noise = [wordforms[others[k % len(others)]] for k in range(int(number) // 2 + 1)] if others else []
        if rule.startswith("samples"):
            texts += [f"so. {piece}, {piece} then" for piece in pieces]
        else:
            texts += [", ".join(pieces[k : k + 5]) for k in range(0, len(pieces), 5)]
        texts += [", ".join(noise[k : k + 5]) for k in range(0, len(noise), 5)]
    return texts


@pytest.fixture(scope="module")
def sets() -> dict[str, list[SetCounts]]:
    return {rule: [count_set(column, planted(column, rule)) for column in SOURCES] for rule in RULES}


@pytest.mark.parametrize("rule", RULES)
def test_a_planted_rule_is_recovered(sets: dict[str, list[SetCounts]], rule: str) -> None:
    first, second, *_ = rank_rules(sets[rule])
    assert (first.rule, first.distance, first.equal, first.of) == (rule, 0.0, 10, 10)
    assert second.distance > 0.01


def test_a_rule_is_recovered_although_the_counts_are_a_little_off(sets: dict[str, list[SetCounts]]) -> None:
    """Re-uploads of a set lack some rows: 3 % fewer of everything leave the order."""
    fewer = [
        replace(one, counts={key: round(0.97 * n) for key, n in one.counts.items()}) for one in sets["part_any_case"]
    ]
    nearest = rank_rules(fewer)[0]
    assert nearest.rule == "part_any_case"
    assert 0 < nearest.distance < 0.05
    assert nearest.equal < nearest.of


def test_the_printed_columns_are_all_there() -> None:
    assert all(set(published(head)) == set(WORDS) for head in COLUMNS.values())
    rows = [value for value in load_values() if value.benchmark == "self-reflection words"]
    assert len(rows) == 30
    assert all(value.target is not None for value in rows)


def row(reply: str, number: int, column: str) -> dict[str, object]:
    """A row of a source's own file, without its picture; the reply ends as that set's replies do."""
    ask, answer = ("human", "gpt") if column == "llava-cot" else ("user", "assistant")
    role, content = ("from", "value") if column == "llava-cot" else ("role", "content")
    end = "<CONCLUSION>3</CONCLUSION>" if column == "llava-cot" else "### The final answer is: 3"
    turns = [{role: ask, content: "<image>\nHow many?"}, {role: answer, content: f"{reply}\n{end}"}]
    picture = {"image": f"{number}.png"} if column == "llava-cot" else {"images": [f"{number}.png"]}
    return {"id": str(number), "conversations": turns} | picture


@pytest.mark.parametrize("column", SOURCES)
def test_replies_are_read_from_a_sources_own_file_and_from_a_runs(column: str, tmp_path: Path) -> None:
    replies = ["Wait, wait.", "Check", "nothing"]
    raw = tmp_path / "set.json"
    raw.write_text(json.dumps([row(text, k, column) for k, text in enumerate(replies)]), encoding="utf-8")
    from_raw = list(texts_of(column, raw))
    assert [text.partition("\n")[0] for text in from_raw] == replies
    problems = [
        Problem(id=str(k), source=column, question="?", answer="3", metadata={"reply": text})
        for k, text in enumerate(from_raw)
    ]
    write_problems(tmp_path / "problems.parquet", problems)
    assert list(texts_of(column, tmp_path / "problems.parquet")) == from_raw


def test_problems_without_replies_are_refused(tmp_path: Path) -> None:
    write_problems(tmp_path / "problems.parquet", [Problem(id="1", source="x", question="?", answer="1")])
    with pytest.raises(UserError, match=r"problems\.parquet: the problem '1' has no `reply`"):
        list(texts_of("mulberry", tmp_path / "problems.parquet"))
    with pytest.raises(UserError, match="no cold-start set here"):
        list(texts_of("coldset", tmp_path))
    with pytest.raises(UserError, match="no column of Table 4"):
        count_set("other", [])
    with pytest.raises(UserError, match="name at least one"):
        rank_rules([])


def test_the_command_ranks_the_rules_and_says_what_was_not_run(tmp_path: Path) -> None:
    rule = "whole_as_printed"
    for column in SOURCES:
        rows = [row(text, k, column) for k, text in enumerate(planted(column, rule))]
        lines = "\n".join(json.dumps(one) for one in rows)
        (tmp_path / f"{column}.jsonl").write_text(lines + "\n", encoding="utf-8")
    options = [part for column in SOURCES for part in ("--set", f"{column}={tmp_path / column}.jsonl")]
    result = CliRunner().invoke(app, ["words", *options])
    assert result.exit_code == 0, result.output
    table = [line for line in result.output.splitlines() if line.startswith("|")]
    assert table[0].startswith("| Set | Word | Printed | whole as printed |")
    assert table[2].startswith("| Distance |  |  | 0.000 |")
    assert table[3].startswith("| Equal counts |  |  | 10 of 10 |")
    assert "| llava-cot (100K) | Wait | 2,300 | 2,300 |" in result.output
    assert "| Vision-R1-cold (200K) | Wait | 585,719 | not run here |" in result.output


@pytest.mark.parametrize("option", ["mulberry", "other=x.json", "mulberry=/nowhere/x.json"])
def test_the_command_refuses_what_it_cannot_read(option: str) -> None:
    result = CliRunner().invoke(app, ["words", "--set", option])
    assert isinstance(result.exception, UserError)
    assert option in str(result.exception)


def target(name: str) -> Target:
    return Target(benchmark=name, subset="word-wait", quantity="word_count")


def test_a_run_with_the_sources_fills_table_4(results: Results) -> None:
    assert isinstance(results.measure(target("mulberry")), Missing)
    texts = words_table(results.counted_sets).rows
    assert all(cell == "not run here" for cells in texts if cells[0].startswith("Mulberry") for cell in cells[3:])
    (line,) = (
        line for table in paper_tables(results) if table.key == "T4" for line in table.lines if line.name[0] == "M"
    )
    assert line.note == "not run"


def test_a_run_with_replies_counts_them(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "problems" / "mulb" / "problems.parquet"
    replies = [{"reply": text} for text in islice(planted("mulberry", "whole_any_case"), 300)]
    write_problems(
        path, (Problem(id=str(k), source="m", question="?", answer="1", metadata=m) for k, m in enumerate(replies))
    )
    ours = Results(
        run=tmp_path, arms=results.arms, settings=results.settings, comparable=True, frame=results.frame,
        sources={"mulberry": "problems/mulb/problems.parquet", "llava-cot": "problems/none/problems.parquet"},
    )  # fmt: skip
    measured = ours.measure(target("mulberry"))
    assert isinstance(measured, Measurement)
    assert measured.estimate.value == 1122
    assert isinstance(ours.measure(target("llava-cot")), Missing)
    assert [one.column for one in ours.counted_sets] == ["mulberry"]


def test_a_set_is_read_once_for_all_its_counts(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    """Table 4's claims, the table of counting rules and a word of the config's own come of one reading."""
    read: list[str] = []
    texts = {"coldset": ["Wait, Wait. waiting. So", "so what"], "mulberry": ["Hmm", ""]}
    monkeypatch.setattr(Results, "set_path", lambda self, name: Path(name) if name in texts else None)
    monkeypatch.setattr(counting_rules, "texts_of", lambda name, path: read.append(name) or iter(texts[name]))
    settings = results.settings.model_copy(update={"words": ["Wait", "so"], "sampled_words": ["Wait"]})
    ours = replace(results, settings=settings, _measured={})
    words_table(ours.counted_sets)
    measured = [ours.measure(target(name)) for name in ("coldset", "mulberry")]
    assert sorted(read) == ["coldset", "mulberry"]
    assert [one.estimate.value for one in measured if isinstance(one, Measurement)] == [2, 0]
    assert ours.set_words["coldset"]["so"].value == 2
    assert [one.counts["Wait", "part_any_case"] for one in ours.counted_sets] == [0, 3]
