"""Anyone's model: sources, the assembled run, printed numbers and score files."""

import itertools
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from synthetic_run import write_run
from typer.testing import CliRunner

from vr1repro.cli import app
from vr1repro.core.errors import UserError
from vr1repro.published import ValueClass
from vr1repro.reporting.compare import foreign, printed
from vr1repro.reporting.compare.origins import origins
from vr1repro.reporting.compare.record import RECORD, open_comparison
from vr1repro.reporting.compare.report import ComparisonRequest, report

FORMATS = Path(__file__).parents[2] / "evaluation" / "response_formats"
PAPER_ROW = "Vision-R1-7B, v4 Table 1; README Performance"
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
    assert re.search(r"^mine: of \d+ claims, .* not compared; in \d+ yours is lower, ", text, re.MULTILINE)
    assert re.search(
        r"^  MathVista ALL: published 73\.5, yours \S+ \+- \S+; difference .* for these weights only; ",
        text,
        re.MULTILINE,
    )
    assert "mine beside Vision-R1-7B; scorer that suits the print: vlmevalkit, protocol paper (repository)" in text
    assert max(map(len, text.splitlines())) < 300
    assert "No commit is on record of what mine, theirs was made of." in text


def test_models_are_paired_by_question(compared: tuple[Path, str]) -> None:
    out, text = compared
    pairs = pd.read_csv(out / "tables" / "pairs.csv")
    assert set(zip(pairs["First"], pairs["Second"], strict=True)) == {("mine", "theirs")}
    mean = pairs[pairs["Benchmark"] == "mean"].iloc[0]
    assert mean["Difference"] > 10
    assert mean["These weights"] == "differ"
    assert mean["Recipes"] == "not trained here"
    assert re.search(r"^mine minus theirs, mean: \+.* over questions; these weights: differ$", text, re.MULTILINE)


def test_page_and_tables_are_made(compared: tuple[Path, str]) -> None:
    out, _ = compared
    page = (out / "report" / "index.html").read_text()
    assert "<h1>mine beside Vision-R1-7B, GPT-4o, theirs</h1>" in page
    assert "<title>Overview - mine beside Vision-R1-7B, GPT-4o, theirs</title>" in page
    assert "Vision-R1 reproduction" not in page
    assert "<script>alert" not in page
    for suffix, key in itertools.product(("csv", "md", "tex", "html"), ("comparison", "t1", "pairs")):
        assert (out / "tables" / f"{key}.{suffix}").exists()
    for name in ("by-class", "by-length"):
        assert f"figures/{name}.svg" in (out / "report" / "figures.html").read_text()


def test_the_page_hides_no_baseline_and_has_each_number_once(compared: tuple[Path, str]) -> None:
    page = (compared[0] / "report" / "index.html").read_text()
    assert 'data-filter="numbers" data-start=""' in page
    rows = re.findall(r'<tr data-arm="mine" data-class="([a-z-]+)".*', page)
    assert {"claim", "quoted-baseline"} <= set(rows)
    keys = re.findall(r'data-number="(mine:(?!accuracy|tokens|gain)[^"]+)"', page)
    assert len(keys) == len(set(keys)) == len(rows)
    ours = [one for one in re.findall(r"<tr data-arm=.*", page) if "MathVista ALL" in one and "Vision-R1-7B" in one]
    assert len([one for one in ours if ">73.5<" in one]) == 1


def test_the_papers_table_has_published_rows_and_ours(compared: tuple[Path, str]) -> None:
    text = (compared[0] / "tables" / "t1.tex").read_text()
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    # v4's row and the README's agree, so that one line has both; who measured it again has a line of their own.
    published = [line for line in lines if line.startswith("Vision-R1-7B, ")]
    assert published[0].startswith(f"{PAPER_ROW} & 80.3 & 79.0 & 83.2 & 80.6 & 73.5 & 52.4 & 46.7 & 40.2")
    assert [line.partition(" & ")[0] for line in published[1:]] == [
        "Vision-R1-7B, MathVista leaderboard",
        r"Vision-R1-7B, rerun Issue \#27",
    ]
    ours = next(line for line in lines if line.startswith("mine & "))
    assert ours.count(r"_{\pm ") == ours.count("&")
    assert any(line.startswith("theirs & ") for line in lines)


def test_why_reads_a_comparison(compared: tuple[Path, str]) -> None:
    done = CliRunner().invoke(app, ["why", "T1:mine:MathVista", "--run", str(compared[0])])
    assert done.exit_code == 0, done.output
    assert "paper: 73.5 (claim, v4.table-1.vision-r1-7b.mathvista.all.accuracy-pct)" in done.output
    assert "eval/mine/mathvista/single/e1/responses.jsonl" in done.output
    assert "(as when tables/ was written)" in done.output
    done = CliRunner().invoke(app, ["why", f"T1:{PAPER_ROW}:GEO", "--run", str(compared[0])])
    assert "ours: none. a published row" in done.output


def test_a_record_of_another_version_is_refused(compared: tuple[Path, str], tmp_path: Path) -> None:
    record = json.loads((compared[0] / RECORD).read_text())
    (tmp_path / RECORD).write_text(json.dumps(record | {"models": 3}))
    with pytest.raises(UserError, match=r"comparison\.json: models: .*; compare again with this version"):
        open_comparison(tmp_path)


@pytest.mark.parametrize(("printed_score", "label"), [("66.7", "equal"), ("66.6", "differs")])
def test_a_score_file_is_no_claim_of_the_authors(tmp_path: Path, printed_score: str, label: str) -> None:
    scores = tmp_path / "own.json"
    scores.write_text(json.dumps({"average": {"accuracy": printed_score}}))
    grading = foreign.GradingOptions(
        benchmark="mathvista", questions=FORMATS / "questions.jsonl", profile="rule", protocol="single"
    )
    request = ComparisonRequest([str(FORMATS / "own.jsonl")], [f"scores:{scores}"])
    text = report(request, grading, tmp_path / "out")
    equal = 1 if label == "equal" else 0
    assert f"own beside own.json (suits: official): {equal} of 1 scores equal within the file's rounding" in text
    assert "claims" not in text
    rows = pd.read_csv(tmp_path / "out" / "tables" / "comparison.csv")
    assert list(rows["verdict"]) == [label]
    assert list(rows["class"]) == ["score-file"]


def test_one_seed_gets_no_verdict_and_says_so(evaluated: Path, tmp_path: Path) -> None:
    one = evaluated / "vision-r1_s1" / "mathvista" / "single" / "e1"
    copy = tmp_path / "run" / "eval" / "mine" / "mathvista" / "single" / "e1"
    copy.parent.mkdir(parents=True)
    copy.symlink_to(one)
    (tmp_path / "run" / "problems").symlink_to(evaluated.parent / "problems")
    text = report(
        ComparisonRequest([str(tmp_path / "run")], ["published:Vision-R1-7B"], 90.0), GRADING, tmp_path / "out"
    )
    # One greedy run still has an answer: on which side it lies, with the interval over questions.
    found = re.search(
        r"^  MathVista ALL: published 73\.5, yours .*; difference (.*) over questions; (.*)$", text, re.MULTILINE
    )
    assert found is not None
    assert found[2].endswith("; cannot tell from one run")
    assert re.search(r"^mine: of \d+ claims, 0 reproduced, 0 not reproduced, ", text, re.MULTILINE)
    assert not (tmp_path / "out" / "tables" / "pairs.tex").exists()


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
    assert values["question_type: multi_choice"].value_class is ValueClass.SCORE_FILE


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
        ("{tmp}/nothing", "published:Vision-R1-7B", "nothing: no such file or folder of responses"),
        ("{tmp}/empty", "published:Vision-R1-7B", "no responses here"),
        ("{tmp}/bare.jsonl", "published:Vision-R1-7B", "needs --benchmark and --questions"),
        ("{eval}/vision-r1_s1", "scores:{tmp}/bare.jsonl", "not a score file"),
        ("{eval}/vision-r1_s1", "{tmp}/scores.json", "is a score file; name it so: --against scores:"),
    ],
)
def test_mistakes_are_named(evaluated: Path, tmp_path: Path, responses: str, against: str, message: str) -> None:
    (tmp_path / "bare.jsonl").write_text("{}\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "scores.json").write_text('{"average": {"accuracy": "32.1"}}')
    names = {"eval": evaluated, "tmp": tmp_path}
    request = ComparisonRequest([responses.format(**names)], [against.format(**names)])
    with pytest.raises(UserError, match=re.escape(message)):
        report(request, GRADING, tmp_path / "out")


def test_a_declared_spread_of_trainings_gives_a_verdict_of_the_recipe(evaluated: Path, tmp_path: Path) -> None:
    words = ["compare", "--responses", f"mine={evaluated / 'vision-r1_s1'}", "--against", "published:vision-r1-7b",
             "--margin", "40", "--out", str(tmp_path / "out"), "--training-sd", "0.7"]  # fmt: skip
    alone = CliRunner().invoke(app, words)
    assert "--training-sd: needs --training-sd-source beside it" in str(alone.exception)
    done = CliRunner().invoke(app, [*words, "--training-sd-source", "eight trainings of ours"])
    assert done.exit_code == 0, done.output
    rows = pd.read_csv(tmp_path / "out" / "tables" / "comparison.csv")
    main = rows[(rows["id"] == "v4.table-1.vision-r1-7b.mathvista.all.accuracy-pct")].iloc[0]
    assert main["verdict"] in ("reproduced", "not reproduced", "cannot tell")
    assert "declared" in main["difference_over"]


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


COMMITS = {"dataset AI4Math/MathVista": "0123456789abcdef" + 24 * "0", "dataset path data/mine": None}


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
        (None, COMMITS, True, "Commits on record: dataset AI4Math/MathVista at 0123456789ab."),
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
