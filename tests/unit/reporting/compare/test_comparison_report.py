"""Anyone's model: sources, the assembled run, printed numbers and score files."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from synthetic_run import write_run

from vr1repro.core.errors import UserError
from vr1repro.published import ValueClass
from vr1repro.reporting.compare import foreign, printed
from vr1repro.reporting.compare.origins import origins
from vr1repro.reporting.compare.report import ComparisonRequest, report

GRADING = foreign.GradingOptions(benchmark=None, questions=None, profile="rule", protocol="single")


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("foreign") / "run"
    write_run(run, 40)
    return run / "eval"


@pytest.fixture(scope="module")
def compared(repo: Path, evaluated: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A model beside one of a run that may not be compared with the paper, which takes no verdict from it."""
    out, micro = tmp_path_factory.mktemp("compared"), tmp_path_factory.mktemp("micro")
    shutil.copytree(evaluated / "base_s0", micro / "eval" / "base_s0")
    (micro / "problems").symlink_to(evaluated.parent / "problems")
    shutil.copy(repo / "config" / "micro.yaml", micro / "config.yaml")
    request = ComparisonRequest(
        [f"mine={evaluated / 'vision-r1_s1'}"],
        [f"theirs={micro}", "published:vision-r1-7b", "published:GPT-4o"],
        margin=40.0,
    )
    return out, report(request, GRADING, out)


def test_printed_numbers_get_a_verdict_each(compared: tuple[Path, str]) -> None:
    out, text = compared
    rows = pd.read_csv(out / "tables" / "comparison.csv")
    assert set(rows["ours_model"]) == {"mine"}
    main = rows[(rows["id"] == "v4.table-1.vision-r1-7b.mathvista.all.accuracy-pct")].iloc[0]
    assert main["paper"] == 73.5
    assert main["low"] < main["ours"] < main["high"]
    assert main["eval_seeds"] == 2
    assert main["difference_low"] < main["difference"] < main["difference_high"]
    # One training: nothing is known of training again.
    assert main["verdict"] == "these weights only"
    assert main["of_these_weights"] in ("reproduced", "not reproduced")
    quoted = rows[rows["model"] == "GPT-4o"]
    assert set(quoted["verdict"]) == {"no verdict"}
    assert quoted["difference"].notna().any()
    missing = rows[rows["benchmark"] == "DynaMath"]
    assert set(missing.loc[missing["class"] == "claim", "verdict"]) == {"not run"}
    assert missing["command"].dropna().str.contains("vr1repro evaluate").all()
    assert re.search(r"^Of \d+ claims, ", text, re.MULTILINE)
    assert "No commit is on record of what mine, theirs was made of." in text


def test_models_are_paired_by_question(compared: tuple[Path, str]) -> None:
    out, text = compared
    pairs = pd.read_csv(out / "tables" / "pairs.csv")
    assert set(zip(pairs["First"], pairs["Second"], strict=True)) == {("mine", "theirs")}
    mean = pairs[pairs["Benchmark"] == "mean"].iloc[0]
    assert mean["Difference"] > 10
    assert mean["These weights"] == "differ"
    assert mean["Recipes"] == "not trained here"
    assert "| mine | theirs | mean |" in text


def test_page_and_tables_are_made(compared: tuple[Path, str]) -> None:
    out, _ = compared
    page = (out / "report" / "index.html").read_text()
    assert "mine" in page
    assert "<script>alert" not in page
    for suffix in ("csv", "md", "tex", "html"):
        assert (out / "tables" / f"comparison.{suffix}").exists()


def test_one_seed_gets_no_verdict_and_says_so(evaluated: Path, tmp_path: Path) -> None:
    one = evaluated / "vision-r1_s1" / "mathvista" / "single" / "e1"
    copy = tmp_path / "run" / "eval" / "mine" / "mathvista" / "single" / "e1"
    copy.parent.mkdir(parents=True)
    copy.symlink_to(one)
    (tmp_path / "run" / "problems").symlink_to(evaluated.parent / "problems")
    text = report(
        ComparisonRequest([str(tmp_path / "run")], ["published:Vision-R1-7B"], 90.0), GRADING, tmp_path / "out"
    )
    assert "one run has no spread; a verdict needs two evaluation seeds at least" in text
    assert re.search(r"^Of \d+ claims, 0 reproduced, 0 not reproduced, ", text, re.MULTILINE)


def test_names_that_are_seeds_are_one_recipe(evaluated: Path, tmp_path: Path) -> None:
    given = [f"mine_s{seed}={evaluated / model}" for seed, model in ((1, "vision-r1_s1"), (2, "long_s1"))]
    models = foreign.assemble_run(tmp_path / "run", [s for one in given for s in foreign.find_responses(one)], GRADING)
    results = foreign.open_assembled(tmp_path / "run", models, settings=_settings())
    assert results.evaluated == ["mine"]
    assert results.trained("mine")
    assert sorted(results.final("mine")["train_seed"].unique()) == [1, 2]


def _settings() -> object:
    from vr1repro.config.reporting import ReportSettings

    return ReportSettings()


def test_bare_files_are_graded(tmp_path: Path) -> None:
    questions, answers = tmp_path / "questions.jsonl", tmp_path / "outputs" / "my model.jsonl"
    rows = [
        {"pid": str(k), "question": "?", "answer": "8", "question_type": "free_form", "answer_type": "integer",
         "image": f"images/{k // 2}.jpg", "precision": None, "choices": None, "unit": None,
         "metadata": {"task": "math word problem", "skills": ["arithmetic reasoning"]}}
        for k in range(12)
    ]  # fmt: skip
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    answers.parent.mkdir()
    replies = [{"pid": str(k), "response": f"The answer is {8 if k % 3 else 9}"} for k in range(12)]
    answers.write_text("".join(json.dumps(row) + "\n" for row in replies))
    grading = foreign.GradingOptions(benchmark="mathvista", questions=questions, profile="rule", protocol="single")
    models = foreign.assemble_run(tmp_path / "run", foreign.find_responses(str(answers.parent)), grading)
    assert models == ["my-model"]
    results = foreign.open_assembled(tmp_path / "run", models, settings=_settings())
    score = results.accuracy("my-model", "mathvista")
    assert score is not None
    assert score.value == pytest.approx(100 * 8 / 12)
    assert score.clusters == 6


def test_score_files_are_read(tmp_path: Path) -> None:
    scores = tmp_path / "bard.json"
    part = {"accuracy": "48.70", "correct": 1, "total": 2}
    scores.write_text(json.dumps({"average": {"accuracy": "34.8"}, "question_type": {"multi_choice": part}}))
    values = {value.subset: value for value in printed.read_score_file(scores, "mathvista")}
    assert values[""].value == 34.8
    assert values[""].rounding == pytest.approx(0.05)
    assert values["question_type: multi_choice"].rounding == pytest.approx(0.005)
    assert values["question_type: multi_choice"].value_class is ValueClass.CLAIM


def test_spellings_of_a_model_are_one() -> None:
    found = printed.scores_printed_for("vision-r1-7b")
    assert {"Vision-R1-7B", "Vision-R1 (Ours)"} <= {value.model for value in found}
    assert {value.version for value in found} >= {"v1", "v4", "README"}
    assert printed.scores_printed_for("GPT-4o")


@pytest.mark.parametrize(
    ("responses", "against", "message"),
    [
        ("{eval}/vision-r1_s1", "published:Vision-R2", "nothing is printed for it; close: "),
        ("a={eval}/vision-r1_s1", "a={eval}/base_s0", "a: the same name on both sides"),
        ("{tmp}/nothing", "published:Vision-R1-7B", "no responses here"),
        ("{tmp}/bare.jsonl", "published:Vision-R1-7B", "needs --benchmark and --questions"),
        ("{eval}/vision-r1_s1", "scores:{tmp}/bare.jsonl", "not a score file"),
    ],
)
def test_mistakes_are_named(evaluated: Path, tmp_path: Path, responses: str, against: str, message: str) -> None:
    (tmp_path / "bare.jsonl").write_text("{}\n")
    names = {"eval": evaluated, "tmp": tmp_path}
    request = ComparisonRequest([responses.format(**names)], [against.format(**names)])
    with pytest.raises(UserError, match=re.escape(message)):
        report(request, GRADING, tmp_path / "out")


def test_nothing_but_an_earlier_comparison_is_made_anew(evaluated: Path, tmp_path: Path) -> None:
    given = foreign.find_responses(str(evaluated / "base_s0"))
    for _ in range(2):
        foreign.assemble_run(tmp_path / "run", given, GRADING)
    with pytest.raises(UserError, match="holds the responses to compare"):
        foreign.assemble_run(tmp_path / "run", foreign.find_responses(str(tmp_path / "run")), GRADING)
    (tmp_path / "run" / "thesis.tex").write_text("mine")
    with pytest.raises(UserError, match=r"holds thesis\.tex"):
        foreign.assemble_run(tmp_path / "run", given, GRADING)
    assert (tmp_path / "run" / "thesis.tex").read_text() == "mine"


RECORD = {"dataset AI4Math/MathVista": "0123456789abcdef" + 24 * "0", "dataset path data/mine": None}


def copied(evaluated: Path, model: str, run: Path, config: Path | None) -> Path:
    """A run's folder with one evaluated model, and its config."""
    folder = run / "eval" / model / "mathvista" / "single" / "e1"
    shutil.copytree(evaluated / folder.relative_to(run / "eval"), folder)
    (run / "problems").symlink_to(evaluated.parent / "problems")
    if config:
        shutil.copy(config, run / "config.yaml")
    return run


@pytest.mark.parametrize(
    ("config", "record", "comparable", "note"),
    [
        (None, None, True, "No commit is on record of what vision-r1_s1 was made of."),
        (None, RECORD, True, "Commits on record: dataset AI4Math/MathVista at 0123456789ab."),
        ("micro", None, False, "No commit is on record of what vision-r1_s1 was made of."),
        ("evaluate", None, None, "revisions.json: is missing, so nobody knows which commits this run took of"),
    ],
)
def test_a_run_of_ours_is_as_comparable_as_it_says(
    repo: Path, evaluated: Path, tmp_path: Path, config: str | None, record: dict[str, str | None] | None,
    comparable: bool | None, note: str,
) -> None:  # fmt: skip
    run = copied(evaluated, "vision-r1_s1", tmp_path / "run", repo / "config" / f"{config}.yaml" if config else None)
    if record:
        (run / "revisions.json").write_text(json.dumps(record))
    evaluations = foreign.find_responses(str(run))
    if comparable is None:
        with pytest.raises(UserError, match=re.escape(note)):
            origins(evaluations)
        return
    known = origins(evaluations)
    assert (known.comparable, known.note) == (comparable, note)
    (tmp_path / "bare.jsonl").touch()
    assert "bare" in origins([*evaluations, *foreign.find_responses(str(tmp_path / "bare.jsonl"))]).without


def test_an_incomparable_run_gets_no_verdict(repo: Path, evaluated: Path, tmp_path: Path) -> None:
    run = copied(evaluated, "vision-r1_s1", tmp_path / "run", repo / "config" / "micro.yaml")
    report(ComparisonRequest([str(run)], ["published:Vision-R1-7B"]), GRADING, tmp_path / "out")
    rows = pd.read_csv(tmp_path / "out" / "tables" / "comparison.csv")
    assert set(rows.loc[rows["class"].eq("claim"), "verdict"]) == {"micro: not comparable"}
