"""A damaged run is refused with the file's name and what to do, or the page names what it lacks."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from closed_run import BENCHMARK, CONFIG, E1, QUESTIONS, RUN, STAGE, write_closed_run
from typer.testing import CliRunner

from vr1repro.cli import app
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import MANIFEST, file_sha, json_sha
from vr1repro.reporting.claims.overview import coverage
from vr1repro.reporting.lineage import archive
from vr1repro.reporting.run.results import open_run

VERDICTS, RESPONSES = E1 / "verdicts/rule.jsonl", E1 / "responses.jsonl"
SUMMARY, ANSWERED = E1.parents[1] / "verdicts.json", E1.parents[2] / "responses.json"
QUESTION_FILE = RUN / "problems" / BENCHMARK / "testmini.parquet"
SELECTED = RUN / "eval/vision-r1_s1/selected.json"
TRACES = RUN / "coldset/traces.jsonl"

Damage = Callable[[], object]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, repo: Path) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_closed_run(repo)
    return folder


@pytest.fixture(autouse=True)
def run(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def lines(path: Path, share: float) -> Damage:
    def cut() -> None:
        rows = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(rows[: int(len(rows) * share)]))

    return cut


def cut(path: Path) -> Damage:
    return lambda: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def twice(path: Path) -> Damage:
    return lambda: path.write_bytes(path.read_bytes() + b"".join(path.read_bytes().splitlines(keepends=True)[:10]))


def edited(path: Path, old: str, new: str, times: int = -1) -> Damage:
    def edit() -> None:
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, times), encoding="utf-8")

    return edit


def removed(path: Path) -> Damage:
    return lambda: shutil.rmtree(path) if path.is_dir() else path.unlink()


def copied(source: Path, target: Path) -> Damage:
    return lambda: shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)


def together(*damages: Damage) -> Damage:
    return lambda: [damage() for damage in damages]


def with_hash(damage: Damage, path: Path, summary: Path) -> Damage:
    """A damage that puts the new hash into the summary, as who knows of it would."""

    def both() -> None:
        before = file_sha(path)
        damage()
        edited(summary, before, file_sha(path))()

    return both


def with_manifest(damage: Damage, path: Path) -> Damage:
    """A damage of a finished folder that makes its manifest and content hash anew."""

    def both() -> None:
        damage()
        manifest = json.loads((path.parent / MANIFEST).read_text())
        manifest["content"]["files"][path.name] = file_sha(path)
        manifest["content_sha"] = json_sha(manifest["content"])
        (path.parent / MANIFEST).write_text(json.dumps(manifest))
        (path.parent / "content.sha256").write_text(manifest["content_sha"])

    return both


REFUSED: dict[str, tuple[Damage, Path, str]] = {
    # Verdicts
    "half of the verdicts": (lines(VERDICTS, 0.5), VERDICTS, f"15 rows, {QUESTIONS} were written"),
    "one verdict": (lines(VERDICTS, 0.04), VERDICTS, "1 rows"),
    "no verdict": (lines(VERDICTS, 0), VERDICTS, "0 rows"),
    "verdicts cut in a row": (cut(VERDICTS), VERDICTS, "the workflow then grades again"),
    "verdicts that stand twice": (twice(VERDICTS), VERDICTS, f"{QUESTIONS + 10} rows"),
    "every wrong one right": (edited(VERDICTS, '"unparsable"', '"right"'), VERDICTS, "is not the file that"),
    "the same with its hash": (
        with_hash(edited(VERDICTS, '"unparsable"', '"right"'), VERDICTS, SUMMARY), VERDICTS, "graded again come out",
    ),
    "the verdicts of another seed": (
        with_hash(copied(E1.with_name("e2") / "verdicts/rule.jsonl", VERDICTS), VERDICTS, SUMMARY), VERDICTS,
        "a row of eval_seed 2, where 1 belongs",
    ),
    "a file of verdicts is gone": (removed(VERDICTS), VERDICTS, "is gone"),
    "no summary at all": (lambda: SUMMARY.write_text("[]"), SUMMARY, "no summary of a job"),
    # Responses
    "half of the responses": (lines(RESPONSES, 0.5), RESPONSES, f"15 rows, {QUESTIONS} were written"),
    "responses cut in a row": (cut(RESPONSES), RESPONSES, "the workflow then asks again"),
    "half of both": (together(lines(RESPONSES, 0.5), lines(VERDICTS, 0.5)), RESPONSES, "15 rows"),
    "a file of responses is gone": (removed(RESPONSES), RESPONSES, "is gone"),
    "another text, its hash in the summary": (
        with_hash(edited(RESPONSES, "Final Answer:none", "Final Answer:7"), RESPONSES, ANSWERED),
        VERDICTS, "was graded from other responses",
    ),
    "no run.json": (removed(E1 / "run.json"), E1 / "run.json", "is gone"),
    "a run.json of another seed": (copied(E1.with_name("e2") / "run.json", E1 / "run.json"), E1 / "run.json", "seed"),
    "a run.json that is none": (lambda: (E1 / "run.json").write_text("{"), E1 / "run.json", "no record"),
    "a seed copied as a third": (
        copied(E1, E1.with_name("e3")), E1.with_name("e3") / "responses.jsonl", "a row of eval_seed 1, where 3 belongs",
    ),
    "a model copied as another training seed": (
        copied(RUN / "eval/vision-r1_s1", RUN / "eval/vision-r1_s2"),
        RUN / "eval/vision-r1_s2" / BENCHMARK / "single/e1/run.json", "another model",
    ),
    "half of the lengths": (
        lines(RUN / "lengths/vision-r1_s1/e1/responses.jsonl", 0.5), RUN / "lengths/vision-r1_s1/e1/responses.jsonl",
        "10 rows, 20 were written",
    ),
    "another choice of the best": (
        edited(SELECTED, '"selected":"vision-r1_s1"', '"selected":"vision-r1_s1_stage1_step2"'), SELECTED,
        "the workflow chooses again",
    ),
    "a choice by other scores": (
        edited(SELECTED, f'{{"{BENCHMARK}":', f'{{"{BENCHMARK}":1', 1), SELECTED, "not those of verdicts.json",
    ),
    # Logs
    "half of the steps": (lines(STAGE / "steps.jsonl", 0.5), STAGE / "steps.jsonl", f"--config remake={STAGE}"),
    "a log cut in a row": (cut(STAGE / "steps.jsonl"), STAGE / "steps.jsonl", "is not the file that"),
    "a reward that is no number": (
        edited(STAGE / "steps.jsonl", '"reward":0', '"reward":NaN,"x":0', 1), STAGE / "steps.jsonl", "is not the file",
    ),
    "no log": (removed(STAGE / "steps.jsonl"), STAGE / "steps.jsonl", "is gone"),
    "a stage copied as another training seed": (
        copied(STAGE.parent, STAGE.parents[1] / "s2"), STAGE.parents[1] / "s2/stage1", "of training seed 1",
    ),
    "a log of another arm": (
        copied(STAGE, RUN / "train/zero/s1/stage1"), RUN / "train/zero/s1/stage1/steps.jsonl",
        "a row of arm 'vision-r1', where 'zero' belongs",
    ),
    # Questions and cold-start set
    "questions cut": (cut(QUESTION_FILE), QUESTION_FILE, "is not the file that"),
    "questions gone": (removed(QUESTION_FILE), QUESTION_FILE, "is gone"),
    "questions that nobody made": (
        copied(QUESTION_FILE, QUESTION_FILE.with_name("more.parquet")), QUESTION_FILE.with_name("more.parquet"),
        "take it away",
    ),
    "traces cut in a row": (cut(TRACES), TRACES, "is not the file that"),
    "half of the traces": (lines(TRACES, 0.5), TRACES, "is not the file that"),
    "no manifest of the cold-start set": (removed(RUN / "coldset" / MANIFEST), RUN / "coldset" / MANIFEST, "is gone"),
    "a manifest with another hash": (
        edited(RUN / "coldset" / MANIFEST, '"kept": 10', '"kept": 9'), RUN / "coldset" / MANIFEST, "was edited",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_job_wrote_is_refused(case: str) -> None:
    damage, path, words = REFUSED[case]
    damage()
    with pytest.raises(UserError) as error:
        open_run(CONFIG)
    named = [line for line in str(error.value).splitlines() if line.startswith((f"{path}: ", f"{path}:1: "))]
    assert named, str(error.value)
    assert words in named[0]


def test_the_untouched_run_is_read_and_lacks_nothing() -> None:
    results, _ = open_run(CONFIG)
    assert coverage(results) == []
    estimate = results.accuracy("vision-r1", BENCHMARK)
    assert estimate is not None
    assert estimate.n == 2 * QUESTIONS


NAMED: dict[str, tuple[Damage, str]] = {
    "a seed": (
        removed(E1.with_name("e2")),
        rf"Vision-R1, training seed 1: {BENCHMARK}, protocol single: no responses of evaluation seed 2",
    ),
    "a seed that was answered": (removed(E1.with_name("e2")), rf"{BENCHMARK}/single/e2 is gone, and .*responses.json"),
    "a checkpoint on the way": (
        removed(RUN / "eval/vision-r1_s1_stage1_step2"), "vision-r1_s1_stage1_step2: not evaluated",
    ),
    "a stage": (removed(STAGE), "Vision-R1, training seed 1: stage 2: no log of its steps"),
    "a step of a stage that goes on": (
        together(removed(STAGE / MANIFEST), removed(STAGE / "content.sha256"), lines(STAGE / "steps.jsonl", 0.5)),
        "Vision-R1, training seed 1: stage 2: 1 of 2 steps in its log",
    ),
    "verdicts that were never made": (
        together(removed(SUMMARY), removed(VERDICTS)),
        f"{BENCHMARK}, protocol single: no verdicts of profile rule on evaluation seed 1",
    ),
    "verdicts graded by hand": (
        copied(VERDICTS, VERDICTS.with_name("strict.jsonl")),
        r"files of verdicts without a manifest, .*: eval/.*/verdicts/strict\.jsonl",
    ),
    "a folder of vr1repro evaluate": (
        copied(E1, RUN / "eval/Foreign-7B" / BENCHMARK / "single/e1"),
        "files of responses without a manifest, .*: eval/Foreign-7B/",
    ),
    "a set without manifest": (
        together(removed(TRACES.with_name(MANIFEST)), removed(TRACES.with_name("content.sha256"))),
        "files of the cold-start set without a manifest, .*: coldset/traces.jsonl",
    ),
    "questions without manifest": (
        together(removed(QUESTION_FILE.with_name(MANIFEST)), removed(QUESTION_FILE.with_name("content.sha256"))),
        "files of questions without a manifest",
    ),
    "edited verdicts of other code": (
        together(
            with_hash(edited(VERDICTS, '"unparsable"', '"right"'), VERDICTS, SUMMARY),
            edited(SUMMARY, '"code": "', '"code": "0'),
        ),
        r"rule\.jsonl: graded by other code than today's; \d+ of 20 rows that were graded again come out otherwise",
    ),
    "edited verdicts of unknown code": (
        together(
            with_hash(edited(VERDICTS, '"unparsable"', '"right"'), VERDICTS, SUMMARY),
            edited(SUMMARY, '"code": "', '"cod": "'),
        ),
        r"rule\.jsonl: graded by code that is not on record; \d+ of 20 rows",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NAMED)
def test_what_is_missing_or_unchecked_is_named_in_the_page(case: str) -> None:
    damage, pattern = NAMED[case]
    damage()
    notes = coverage(open_run(CONFIG)[0])
    assert [note for note in notes if re.search(pattern, note)], notes


def test_a_training_seed_that_was_not_run_is_named() -> None:
    values = yaml.safe_load(CONFIG.read_text())
    values["seeds"]["training"] = [1, 2]
    CONFIG.write_text(yaml.safe_dump(values, sort_keys=False))
    assert "Vision-R1, training seed 2: not evaluated" in coverage(open_run(CONFIG)[0])


def test_questions_cut_where_nothing_covers_them() -> None:
    for path in (QUESTION_FILE.with_name(MANIFEST), QUESTION_FILE.with_name("content.sha256")):
        path.unlink()
    cut(QUESTION_FILE)()
    with pytest.raises(UserError, match=re.escape(f"{QUESTION_FILE}: not a Parquet file")):
        open_run(CONFIG)


def test_every_damaged_file_is_named_at_once() -> None:
    together(lines(VERDICTS, 0.5), lines(TRACES, 0.5))()
    with pytest.raises(UserError) as error:
        open_run(CONFIG)
    assert {line.partition(":")[0] for line in str(error.value).splitlines()} == {str(VERDICTS), str(TRACES)}


def test_summaries_of_older_versions_are_held_to_their_hashes() -> None:
    entries = json.loads(SUMMARY.read_text())
    older = {
        name.rpartition("/")[0]: {key: entry[key] for key in ("sha256", "figures")} for name, entry in entries.items()
    }
    SUMMARY.write_text(json.dumps(older))
    assert coverage(open_run(CONFIG)[0]) == []
    lines(VERDICTS, 0.5)()
    with pytest.raises(UserError, match="is not the file that"):
        open_run(CONFIG)


@pytest.mark.parametrize("job", ["tables", "figures", "report"])
def test_the_jobs_refuse(job: str, tmp_path: Path) -> None:
    lines(VERDICTS, 0.5)()
    done = CliRunner().invoke(app, ["stage", job, "--config", str(CONFIG), "--out", str(tmp_path / job)])
    assert isinstance(done.exception, UserError)
    assert str(VERDICTS) in str(done.exception)
    assert not (tmp_path / job).exists()


def test_a_kept_run_is_held_to_its_archive(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    archive.keep(RUN, kept)
    with archive.opened(kept) as folder:
        assert coverage(open_run(kept / "config.yaml", folder, kept=True)[0]) == []


@pytest.mark.parametrize("name", ["evidence.tar.xz", "config.yaml"])
def test_an_edited_kept_run_is_refused(tmp_path: Path, name: str) -> None:
    kept = tmp_path / "kept"
    archive.keep(RUN, kept)
    cut(kept / name)()
    done = CliRunner().invoke(app, ["redraw", "--reference", str(kept), "--out", str(tmp_path / "drawn")])
    assert isinstance(done.exception, UserError)
    assert f"{kept / name}: is not the file that {kept / MANIFEST} closes" in str(done.exception)
