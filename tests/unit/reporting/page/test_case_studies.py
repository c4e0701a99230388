"""The page of case studies: ours to the paper's printed questions, or that it was not run here."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthetic_run import arm_infos

from vr1repro.config.reporting import ReportSettings
from vr1repro.config.run import Config
from vr1repro.core.jsonl import write_rows
from vr1repro.core.problem_files import write_problems
from vr1repro.core.records import Problem, Response, Trace, Verdict
from vr1repro.published.cases import printed_cases
from vr1repro.reporting.page.build import make_report
from vr1repro.reporting.page.cases import case_studies
from vr1repro.reporting.run.results import Results

RESPONSES = [case for case in printed_cases() if case.shows == "response"]
COLD = [case for case in printed_cases() if case.shows == "cold-start"]


def asked_as(case: int, extra: str = "") -> str:
    printed = RESPONSES[case]
    options = "\n".join(f"{letter}:{choice}" for letter, choice in zip("ABCD", printed.choices, strict=True))
    return f"{printed.question}{extra}\nChoices:\n{options}"


def question(key: int, problem: str | None, version: str, text: str) -> dict[str, object]:
    return {"sample_index": str(key), "problem_index": problem, "problem_version": version, "question": text}


def write_mathverse(run: Path, rows: list[dict[str, object]], keys: list[str], reply: str = "short") -> None:
    """Questions, and responses of two seeds of Vision-R1 to some of them."""
    path = run / "problems" / "mathverse" / "test.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    for seed in (1, 2):
        folder = run / "eval" / "vision-r1_s1" / "mathverse" / "single" / f"e{seed}"
        common = {"run": "test", "model": "vision-r1_s1", "arm": "vision-r1", "train_seed": 1, "eval_seed": seed,
                  "protocol": "single", "benchmark": "mathverse", "prompt_sha": "0" * 64}  # fmt: skip
        texts = {key: f"{reply} to {key}, seed {seed}" for key in keys}
        write_rows(
            folder / "responses.jsonl", [Response(**common, id=k, response=t, n_tokens=9) for k, t in texts.items()]
        )
        write_rows(folder / "verdicts" / "rule.jsonl", [Verdict(id=k, extraction="C", verdict="right") for k in keys])


def results_of(run: Path, settings: ReportSettings) -> Results:
    return Results.load(run, arm_infos(), settings, comparable=False)


def trace(key: str, text: str, rejected: str | None = None) -> Trace:
    return Trace(id=key, source="mulberry", image_sha=None, question=text, answer="yes", pseudo_cot="", description="",
                 chain=f"chain of {key}", final_answer="yes", rejected=rejected)  # fmt: skip


def test_the_version_with_the_printed_wording_is_shown(tmp_path: Path, settings: ReportSettings) -> None:
    rows = [
        question(6, "2", "Text Dominant", asked_as(0, ", angle 1 = 50.0")),
        question(9, "2", "Vision Dominant", asked_as(0)),
        question(10, "2", "Vision Only", ""),
        # No version has the printed words: all are shown.
        question(16, "4", "Text Dominant", asked_as(1).replace("tangent", "a tangent")),
        question(20, "4", "Vision Only", ""),
        # Another set's problem of that number.
        question(46, "10", "Text Dominant", "What is the range?"),
        question(101, "21", "Text Lite", asked_as(3)),
    ]
    write_mathverse(tmp_path, rows, ["6", "9", "10", "16", "20", "46"])
    studies = {study.printed.problem_index: study for study in case_studies(results_of(tmp_path, settings))}
    shown = {key: [text.question for text in studies[key].ours] for key in ("2", "4", "10", "21")}
    assert shown == {"2": ["9 (Vision Dominant)"], "4": ["16 (Text Dominant)", "20 (Vision Only)"], "10": [], "21": []}
    (text,) = studies["2"].ours
    assert (text.by, text.text, text.verdict) == ("Vision-R1", "short to 9, seed 1", "right")
    assert text.address == "vision-r1_s1/mathverse/single/e1/9"
    assert studies["10"].missing == "not run here: this run's MathVerse has no such question"
    assert studies["21"].missing == "not run here: no arm answered it"


def test_a_run_without_either_says_so(tmp_path: Path, settings: ReportSettings) -> None:
    (tmp_path / "eval").mkdir()
    missing = [study.missing for study in case_studies(results_of(tmp_path, settings))]
    assert [len(missing), len(set(missing))] == [11, 2]
    assert all(text.startswith("not run here: ") for text in missing)


@pytest.mark.parametrize("released", [False, True])
def test_chains_of_the_cold_start_set(tmp_path: Path, settings: ReportSettings, released: bool) -> None:
    cone, luggage = COLD[0], COLD[-1]
    texts = {
        "a": f"<image>Question: {cone.question}\nChoices:\nA: 2π\nB: 3π\nC: 6π\nD: 8π",
        "b": f"{cone.question} Choices: A: 1 B: 2",
        "c": luggage.question,
        "d": f"{luggage.question} Where is it?",
    }
    if released:
        completion = {"completion": "<think>chain of {}</think><answer> Final Answer:yes </answer>"}
        problems = [
            Problem(id=key, source="mulberry", question=text, answer="yes",
                    metadata={"completion": completion["completion"].format(key)})
            for key, text in texts.items()
        ]  # fmt: skip
        write_problems(tmp_path / "coldset" / "coldset.parquet", problems)
    else:
        rows = [trace(key, text) for key, text in texts.items()]
        write_rows(tmp_path / "coldset" / "traces.jsonl", [*rows, trace("e", luggage.question, "wrong_answer")])
    (tmp_path / "eval").mkdir()
    studies = {study.printed: study for study in case_studies(results_of(tmp_path, settings))}
    assert [(text.question, text.text) for text in studies[cone].ours] == [("a", "chain of a")]
    assert [(text.question, text.by) for text in studies[luggage].ours] == [("c", "mulberry")]
    assert studies[COLD[2]].missing == "not run here: this run's cold-start set has no such question"


def test_the_page_escapes_and_cuts_long_responses(tmp_path: Path, settings: ReportSettings, config: Config) -> None:
    hostile = "</pre><script>alert(1)</script>" + "x" * 9000
    write_mathverse(tmp_path / "run", [question(9, "2", "Vision Dominant", asked_as(0))], ["9"], hostile)
    make_report(results_of(tmp_path / "run", settings), tmp_path / "report", tmp_path, "", config)
    html = (tmp_path / "report" / "cases.html").read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "xxx [...]</pre>" in html
    assert html.count("Not run here") == 10
    assert [int(number) for number in re.findall(r'<h2 id="fig-(\d)"', html)] == [5, 6, 7]
