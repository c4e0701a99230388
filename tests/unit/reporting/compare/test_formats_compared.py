"""`vr1repro compare` on other people's files: which of them are seeds of one model, and what is said of gaps."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from vr1repro.config.reporting import ReportSettings
from vr1repro.core.errors import BadResponses, UserError
from vr1repro.reporting.compare import foreign
from vr1repro.reporting.compare.report import ComparisonRequest, report
from vr1repro.reporting.run.results import Results

FIXTURES = Path(__file__).parents[2] / "evaluation" / "response_formats"
GRADING = foreign.GradingOptions(
    benchmark="mathvista", questions=FIXTURES / "questions.jsonl", profile="rule", protocol="single"
)


def assembled(tmp_path: Path, *arguments: str) -> Results:
    given = [one for argument in arguments for one in foreign.find_responses(argument)]
    models = foreign.assemble_run(tmp_path / "run", given, GRADING)
    return foreign.open_assembled(tmp_path / "run", models, ReportSettings())


def seeds(results: Results, model: str) -> dict[int, int]:
    counts = results.final(model).groupby("eval_seed")["id"].nunique()
    return {int(seed): int(n) for seed, n in counts.items()}


def several(path: Path) -> Path:
    rows = [json.loads(line) for line in (FIXTURES / "own.jsonl").read_text().splitlines()]
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps({**row, "eval_seed": seed}) + "\n" for seed in (5, 7) for row in rows))
    return path


def test_files_under_one_name_are_seeds(tmp_path: Path) -> None:
    own, sheet, samples = (FIXTURES / name for name in ("own.jsonl", "vlmevalkit.tsv", "lm-eval.jsonl"))
    folder = tmp_path / "three"
    folder.mkdir()
    for number in (1, 2, 10):
        shutil.copyfile(own, folder / f"seed{number}.jsonl")
    cases = {
        "commas": (f"commas={own},{sheet}",),
        "twice": (f"twice={own}", f"twice={samples}"),
        "column": (f"column={several(tmp_path / 'column' / 'r.jsonl')}",),
        "folder": (f"folder={folder}",),
    }
    for name, arguments in cases.items():
        results = assembled(tmp_path / "out" / name, *arguments)
        count = {"column": {5: 6, 7: 6}, "folder": dict.fromkeys((1, 2, 3), 6)}.get(name, {1: 6, 2: 6})
        assert seeds(results, name) == count
        score = results.accuracy(name, "mathvista")
        assert score is not None
        assert score.value == pytest.approx(100 * 4 / 6)


def test_files_without_a_name_are_models(tmp_path: Path) -> None:
    results = assembled(tmp_path, str(FIXTURES / "own.jsonl"), str(FIXTURES / "mathvista.json"))
    assert results.evaluated == ["own", "mathvista"]
    (tmp_path / "other").mkdir()
    shutil.copyfile(FIXTURES / "own.jsonl", tmp_path / "other" / "own.jsonl")
    with pytest.raises(UserError, match=r"the name own is taken by .* takes files as seeds of one model"):
        assembled(tmp_path / "out", str(FIXTURES / "own.jsonl"), str(tmp_path / "other" / "own.jsonl"))


def test_a_folder_of_sheets_is_not_taken_for_seeds(tmp_path: Path) -> None:
    for name in ("m_MathVista_MINI.tsv", "m_MathVista_MINI_gpt-4o-mini.tsv"):
        shutil.copyfile(FIXTURES / "vlmevalkit.tsv", tmp_path / name)
    with pytest.raises(UserError, match=r"one name for 2 files; NAME=PATH,PATH"):
        foreign.find_responses(f"mine={tmp_path}")
    with pytest.raises(UserError, match=r"nothing\.jsonl: no such file"):
        foreign.find_responses(f"mine={FIXTURES / 'own.jsonl'},{tmp_path / 'nothing.jsonl'}")


def test_a_folder_in_a_runs_layout_is_graded(tmp_path: Path) -> None:
    for seed in (1, 2):
        folder = tmp_path / "mine" / "m" / "mathvista" / "single" / f"e{seed}"
        folder.mkdir(parents=True)
        shutil.copyfile(FIXTURES / "own.jsonl", folder / "responses.jsonl")
    results = assembled(tmp_path / "out", str(tmp_path / "mine"))
    assert seeds(results, "m") == {1: 6, 2: 6}


def test_a_seed_twice_is_refused(tmp_path: Path) -> None:
    one = several(tmp_path / "a" / "r.jsonl")
    with pytest.raises(BadResponses, match=rf"{re.escape(str(one))}:1: the question '1' stands twice for seed 5"):
        assembled(tmp_path / "out", f"mine={one},{one}")


def test_questions_without_an_answer_are_named_everywhere(tmp_path: Path) -> None:
    request = ComparisonRequest([f"mine={FIXTURES / 'own.jsonl'}"], ["published:Vision-R1-7B"])
    text = report(request, GRADING, tmp_path)
    expected = "mine: 6 of 1000 questions of MathVista"
    assert expected in text
    for name in ("tables/comparison.tex", "tables/t1.tex", "tables/t1.md", "report/index.html"):
        assert expected in (tmp_path / name).read_text()


def test_the_scorer_that_suits_comes_with_its_commands(tmp_path: Path) -> None:
    own, extracted = FIXTURES / "own.jsonl", tmp_path / "extracted.jsonl"
    rows = [json.loads(line) for line in own.read_text().splitlines()]
    extracted.write_text("".join(json.dumps({**row, "extraction": "1"}) + "\n" for row in rows))
    request = ComparisonRequest([f"mine={own}", f"other={own}"], ["published:Vision-R1-7B"])
    text = report(request, GRADING, tmp_path / "out")
    # Once for the benchmark, with the first model's files.
    said = text.partition("vlmevalkit of MathVista reads an LLM's extraction; to grade so:\n")[2]
    commands = said.partition("\nNot answered")[0].replace("\\\n", "").splitlines()
    assert [line.split()[:2] for line in commands] == [["vr1repro", "extract"], ["vr1repro", "compare"]]
    assert f"--responses {own} --questions" in commands[0]
    assert "--responses mine=mine-mathvista-extracted.jsonl " in commands[1]
    assert "--profile vlmevalkit --protocol single --against published:Vision-R1-7B" in " ".join(commands[1].split())
    assert said.count("vr1repro") == 2
    assert "vr1repro extract" in (tmp_path / "out" / "report" / "index.html").read_text()
    request = ComparisonRequest([f"mine={extracted}"], ["published:Vision-R1-7B"])
    text = report(request, GRADING, tmp_path / "out")
    assert "vlmevalkit of MathVista reads an LLM's extraction, which the rows have; to grade so:" in text
    assert "vr1repro extract" not in text


def test_responses_that_lack_an_extraction_are_not_called_unanswered(tmp_path: Path) -> None:
    grading = replace(GRADING, profile="official")
    request = ComparisonRequest([f"mine={FIXTURES / 'own.jsonl'}"], ["published:Vision-R1-7B"])
    with pytest.raises(BadResponses, match=r"mine: 6 of 6 responses have no verdict; official of MathVista reads an"):
        report(request, grading, tmp_path / "out")
    rows = [json.loads(line) for line in (FIXTURES / "own.jsonl").read_text().splitlines()]
    one = {**rows[0], "extraction": "19"}
    (tmp_path / "one.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [one, *rows[1:]]))
    text = report(replace(request, responses=[f"mine={tmp_path / 'one.jsonl'}"]), grading, tmp_path / "out")
    assert "mine: 5 of 6 responses have no verdict; official of MathVista reads an LLM's extraction; to grade" in text
    assert re.search(r"Answered, but not compared: .*MathVista ALL.* \(83\.3 % of the responses have no verdict", text)
    assert re.search(r"^Not answered, so not compared: .*MathVerse ALL, ", text, re.MULTILINE)


def test_a_score_that_no_print_stands_beside_is_said(tmp_path: Path) -> None:
    request = ComparisonRequest([f"mine={FIXTURES / 'own.jsonl'}"], [])
    text = report(request, GRADING, tmp_path / "none")
    said = r"^mine: MathVista 66\.7 \+- \S+, beside no printed number; the paper prints one for Vision-R1-7B, .*"
    assert re.search(rf"{said} \(--against published:MODEL\)$", text, re.MULTILINE)
    text = report(replace(request, against=["published:Vision-R1-7B"]), GRADING, tmp_path / "one")
    assert "beside no printed number" not in text
