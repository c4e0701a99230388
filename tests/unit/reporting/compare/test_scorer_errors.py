"""An LLM's errors that are planted by how a model states its answers: measured, and carried into another model's score.

The lab's scripted server extracts and judges; the truth is what the same server says where nothing is planted.
"""

import json
import random
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from vr1repro.cli import app
from vr1repro.config.graders import ScriptedGrader
from vr1repro.config.reporting import ReportSettings
from vr1repro.core.jsonl import read, write_rows
from vr1repro.core.records import Verdict
from vr1repro.lab import grader
from vr1repro.reporting.run.scorer_errors import as_the_other_scorer, errors_of, read_errors

STYLES = {
    "tagged": "<think>2+{n}=5</think><answer> Final Answer:{n} </answer>",
    "reflected": "<think>2+{n}=5. Wait, check: 2+{n}</think><answer> Final Answer:{n} </answer>",
    "untagged": "2 and then {n}",
}
EXACT = {"extraction_errors": dict.fromkeys(STYLES, 0.0), "judgement_misses": 0.0, "judgement_slips": 0.0}
N = 300
CONFIDENCE = ReportSettings().confidence


def command(*words: object) -> str:
    done = CliRunner().invoke(app, [*map(str, words)])
    assert done.exit_code == 0, done.output
    return done.output


def verdicts_of(folder: Path, benchmark: str, name: str, habits: ScriptedGrader, kind: str) -> Path:
    """Extract, judge where the benchmark's scorer asks, and grade."""
    questions, rows = folder / "questions.jsonl", folder / f"{name}.jsonl"
    out = folder / f"{name}-{kind}"
    with grader.serve(partial(grader.reply, habits=habits)) as url:
        for step in ("extract", "judge") if benchmark == "mathverse" else ("extract",):
            done = folder / f"{name}-{kind}-{step}.jsonl"
            command(
                step, "--benchmark", benchmark, "--responses", rows, "--questions", questions, "--out", done,
                "--cache", folder / f"cache-{kind}.jsonl", "--model", grader.MODEL, "--endpoint", url,
            )  # fmt: skip
            rows = done
    command(
        "grade", "--benchmark", benchmark, "--profile", "official", "--responses", rows, "--questions", questions,
        "--out", out,
    )  # fmt: skip
    return out


def write_model(folder: Path, name: str, shares: dict[str, float], rng: random.Random) -> None:
    """Responses of which about half are right, stated in a model's own mixture of styles."""
    rows = []
    for n in range(N):
        style = rng.choices(list(shares), list(shares.values()))[0]
        stated = n if rng.random() < 0.5 else n + 7
        # A mark that no reading sees keeps equal prompts of two models apart: equal prompts err alike.
        rows.append({"id": str(n), "response": f"({name}) " + STYLES[style].format(n=stated)})
    write_rows(folder / f"{name}.jsonl", rows)


@pytest.fixture
def questions(tmp_path: Path) -> dict[str, list[dict[str, object]]]:
    vista = [{"pid": str(n), "question": "?", "choices": None, "answer": str(n), "question_type": "free_form",
              "answer_type": "integer", "precision": None, "unit": None, "query": f"What is {n}?"}
             for n in range(N)]  # fmt: skip
    verse = [{"sample_index": str(n), "problem_index": str(n), "problem_version": "Text Lite",
              "question": f"What is {n}?", "question_for_eval": f"What is {n}?", "answer": str(n),
              "question_type": "free-form"}
             for n in range(N)]  # fmt: skip
    return {"mathvista": vista, "mathverse": verse}


@pytest.mark.slow
def test_an_extractors_errors_come_back_by_style_and_widen_anothers_score(
    tmp_path: Path, questions: dict[str, list[dict[str, object]]]
) -> None:
    rates = {"tagged": 0.02, "reflected": 0.1, "untagged": 0.3}
    planted = ScriptedGrader.model_validate({"kind": "scripted", **EXACT, "extraction_errors": rates})
    exact = ScriptedGrader.model_validate({"kind": "scripted", **EXACT})
    write_rows(tmp_path / "questions.jsonl", questions["mathvista"])
    rng = random.Random(5)
    mixtures = {style: {style: 1.0} for style in STYLES}
    mixtures |= {f"mixed-{k}": {style: rng.random() for style in STYLES} for k in range(3)}
    pairs: list[str] = []
    for name, shares in {**mixtures, "new": {"tagged": 0.4, "reflected": 0.3, "untagged": 0.3}}.items():
        write_model(tmp_path, name, shares, rng)
        ours, theirs = (
            verdicts_of(tmp_path, "mathvista", name, habits, kind)
            for kind, habits in (("planted", planted), ("exact", exact))
        )
        pairs += ["--pair", f"{name}={ours},{theirs}"] if name != "new" else []
    printed = command(
        "scorer-errors", "--benchmark", "mathvista", "--profile", "official", "--questions",
        tmp_path / "questions.jsonl", *pairs, "--out", tmp_path / "errors.json", "--llm", "scripted",
    )  # fmt: skip
    missed = {line.split()[0]: line.split()[1:] for line in printed.splitlines()[1:]}
    for style, rate in rates.items():
        low, high = (float(end.strip("[,]")) for end in missed[style][1:3])
        assert low <= 100 * rate <= high, printed

    errors = errors_of("mathvista", "official", "scripted", [read_errors(tmp_path / "errors.json")])
    assert errors is not None
    assert errors_of("mathvista", "official", "another", [errors]) is None  # an LLM that nobody measured
    rows = [row.verdict.value for row in read(tmp_path / "new-planted", Verdict)]
    frame = pd.DataFrame({"verdict": rows, "stratum": "", "subsets": [("question-type-free-form",)] * N})
    truth = 100 * sum(row.correct is True for row in read(tmp_path / "new-exact", Verdict)) / N
    seen = as_the_other_scorer(frame, errors, CONFIDENCE)
    assert seen is not None
    value = 100 * rows.count("right") / N
    assert value < truth - 3  # what the planted errors cost
    assert abs(seen.value - truth) < abs(value - truth)
    assert seen.low <= truth <= seen.high


@pytest.mark.slow
def test_a_judges_misses_and_slips_come_back(tmp_path: Path, questions: dict[str, list[dict[str, object]]]) -> None:
    planted = ScriptedGrader.model_validate(
        {"kind": "scripted", **EXACT, "judgement_misses": 0.2, "judgement_slips": 0.1}
    )
    exact = ScriptedGrader.model_validate({"kind": "scripted", **EXACT})
    write_rows(tmp_path / "questions.jsonl", questions["mathverse"])
    write_model(tmp_path, "tagged", {"tagged": 1.0}, random.Random(2))
    ours = verdicts_of(tmp_path, "mathverse", "tagged", planted, "planted")
    theirs = verdicts_of(tmp_path, "mathverse", "tagged", exact, "exact")
    printed = command(
        "scorer-errors", "--benchmark", "mathverse", "--profile", "official", "--questions",
        tmp_path / "questions.jsonl", "--pair", f"one={ours},{theirs}", "--out", tmp_path / "errors.json",
    )  # fmt: skip
    _, _, low_miss, high_miss, _, _, _, low_slip, high_slip, *_ = printed.splitlines()[1].split()
    assert float(low_miss.strip("[,")) <= 20 <= float(high_miss.strip("]")), printed
    assert float(low_slip.strip("[,")) <= 10 <= float(high_slip.strip("]")), printed


@pytest.mark.parametrize(
    ("pair", "row", "message"),
    [
        ("f=ours.jsonl", {}, "write FAMILY=OURS.jsonl,THEIRS.jsonl"),
        ("f=ours.jsonl,theirs.jsonl", {"verdict": "yes"}, "theirs.jsonl:1: needs the question's id, and the other"),
        ("f=ours.jsonl,theirs.jsonl", {"id": "1", "verdict": True}, "is not on the rows of theirs.jsonl"),
        ("f=ours.jsonl,missing.jsonl", {}, "missing.jsonl"),
    ],
)
def test_bad_pairs_are_named(
    pair: str, row: dict[str, object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    questions: dict[str, list[dict[str, object]]],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "questions.jsonl", questions["mathvista"])
    write_rows(tmp_path / "ours.jsonl", [{"id": "0", "verdict": "right"}])
    (tmp_path / "theirs.jsonl").write_text(json.dumps(row or {"id": "0", "verdict": "right"}) + "\n")
    done = CliRunner().invoke(
        app,
        ["scorer-errors", "--benchmark", "mathvista", "--profile", "rule", "--questions", "questions.jsonl",
         "--pair", pair, "--out", "errors.json"],
    )  # fmt: skip
    assert message in str(done.exception)
    assert not (tmp_path / "errors.json").exists()
