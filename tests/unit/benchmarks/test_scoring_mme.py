"""MME: ids and pairs, the official tool's acc and acc+ on real replies, and the rules for yes and no."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vr1repro.benchmarks.mme import BENCHMARK, Pairs
from vr1repro.benchmarks.mme.profiles import PROFILES
from vr1repro.benchmarks.questions import named_rows, read_questions
from vr1repro.benchmarks.scoring import Options
from vr1repro.benchmarks.yes_no import without_punctuation
from vr1repro.cli import app
from vr1repro.core.jsonl import read_lines, write_rows
from vr1repro.core.records import Problem, Verdict
from vr1repro.evaluation.prompts import prompt

QUESTION = {"id": "OCR/1.jpg#1", "question": "Is it? Please answer yes or no.", "answer": "Yes", "category": "OCR"}


def outcomes(response: str, **row: str) -> list[str]:
    graded = [PROFILES[name](QUESTION, {"response": response, **row}, Options()) for name in PROFILES]
    return [one.verdict.value for one in graded if isinstance(one, Verdict)]


@pytest.mark.parametrize(
    ("response", "official", "rule", "vlmevalkit", "lmms_eval"),
    [
        ("Yes", "right", "right", "right", "right"),
        ("yes, it is", "right", "right", "right", "right"),
        ("No.", "wrong", "wrong", "wrong", "wrong"),
        ("  Yes", "unparsable", "right", "right", "right"),
        ("Not at all", "wrong", "unparsable", "judge_error", "wrong"),
        ("It is, yes", "unparsable", "right", "right", "unparsable"),
        ("Yes and no", "right", "right", "judge_error", "right"),
        ("Y", "unparsable", "unparsable", "judge_error", "right"),
        ("", "unparsable", "unparsable", "unparsable", "unparsable"),
        ("<think> No? Yes. </think><answer> Final Answer:Yes </answer>", "right", "right", "right", "right"),
        ("No, or yes. The answer is yes.", "wrong", "wrong", "judge_error", "wrong"),
    ],
)
def test_rules(response: str, official: str, rule: str, vlmevalkit: str, lmms_eval: str) -> None:
    assert outcomes(response) == [official, rule, vlmevalkit, lmms_eval]


@pytest.mark.parametrize(("extraction", "outcome"), [("Yes", "right"), ("No", "wrong"), ("Unknown", "unparsable")])
def test_an_llm_decides_where_both_words_stand(extraction: str, outcome: str) -> None:
    assert outcomes("yes or no", extraction=extraction)[2] == outcome


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("yes, it is.", "yes it is"),  # a blank beside a comma: it goes
        ("yes,no", "yes no"),
        ("yes,no 1,000", "yesno 1000"),  # a number with a comma: every mark goes
        ("v1.5 yes.", "v1.5 yes"),
        ("." * 33 + "yes", ".yes"),
    ],
)
def test_vlmevalkits_punctuation(text: str, cleaned: str) -> None:
    assert without_punctuation(text) == cleaned


def test_ids_are_of_the_question_id_and_the_place() -> None:
    pairs = Pairs()
    rows = [{"question_id": name} for name in ("a.jpg", "b.jpg", "a.jpg", "b.jpg")]
    assert [pairs.numbered(row)["id"] for row in rows] == ["a.jpg#1", "b.jpg#1", "a.jpg#2", "b.jpg#2"]
    assert pairs.numbered({"id": "mine"}) == {"id": "mine"}


def test_without_ids_neighbours_of_one_image_are_a_pair() -> None:
    pairs = Pairs()
    names = ["1.jpg", "1.jpg", "2.jpg", "2.jpg", "1.jpg", "1.jpg", "1.jpg", "1.jpg"]
    ids = [pairs.numbered({"image": name})["id"] for name in names]
    assert ids == ["1.jpg#1", "1.jpg#2", "2.jpg#1", "2.jpg#2", "1.jpg(2)#1", "1.jpg(2)#2", "1.jpg(3)#1", "1.jpg(3)#2"]
    assert {BENCHMARK.cluster({"id": key}) for key in ids} == {"1.jpg", "2.jpg", "1.jpg(2)", "1.jpg(3)"}
    assert Pairs().numbered({"image": "1.jpg", "category": "OCR"})["id"] == "OCR/1.jpg#1"


@pytest.mark.parametrize(
    "rows",
    [
        # The text of the question says which it is, whatever the order; else the place; else the id as it is.
        [{"question_id": "OCR/1.jpg", "question": "second"}, {"question_id": "OCR/1.jpg", "question": "first"}],
        [{"id": "OCR/1.jpg", "question": "second"}, {"id": "OCR/1.jpg", "question": "first"}],
        [{"id": "OCR/1.jpg#2"}, {"id": "OCR/1.jpg#1"}],
    ],
)
def test_a_response_finds_its_question(rows: list[dict[str, str]], tmp_path: Path) -> None:
    hub = [{"question_id": "OCR/1.jpg", "question": text, "answer": "Yes", "category": "OCR"}
           for text in ("first", "second")]  # fmt: skip
    write_rows(tmp_path / "q.jsonl", hub)
    questions = read_questions(BENCHMARK, tmp_path / "q.jsonl")
    named = [row["id"] for _, row in named_rows(BENCHMARK, questions, enumerate(rows, 1))]
    assert named == ["OCR/1.jpg#2", "OCR/1.jpg#1"]
    seeds = [{"question_id": "OCR/1.jpg", "eval_seed": seed} for seed in (1, 1, 2, 2)]
    named = [row["id"] for _, row in named_rows(BENCHMARK, questions, enumerate(seeds, 1))]
    assert named == ["OCR/1.jpg#1", "OCR/1.jpg#2"] * 2


def test_sub_scores_of_subtasks_and_abilities() -> None:
    assert list(BENCHMARK.groups(QUESTION)) == [("ability", "perception"), ("subtask", "OCR")]
    assert list(BENCHMARK.groups({"id": "code_reasoning/2.png#1"})) == [
        ("ability", "cognition"), ("subtask", "code_reasoning"),
    ]  # fmt: skip
    assert list(BENCHMARK.groups({"id": "2.png#1"})) == []


def test_both_known_prompts() -> None:
    problem = Problem(id="OCR/1.jpg#1", source="mme", question=QUESTION["question"], answer="Yes")
    assert prompt("mme", problem, "paper", "plain") == "Is it? Please answer yes or no."
    assert prompt("mme", problem, "direct", "plain") == "Is it?\nAnswer the question using a single word or phrase."


def test_a_sum_of_questions_that_name_no_subtask_says_so(tmp_path: Path) -> None:
    hub = [{"question_id": "1.jpg", "question": f"Is it {text}?", "answer": "Yes"} for text in ("a", "b")]
    for name, rows in (("named", [{**row, "category": "OCR"} for row in hub]), ("bare", hub)):
        write_rows(tmp_path / f"{name}.jsonl", rows)
        responses = [{"question_id": "1.jpg", "question": row["question"], "response": "Yes"} for row in hub]
        write_rows(tmp_path / f"{name}-responses.jsonl", responses)
        words = ["grade", "--benchmark", "mme", "--questions", str(tmp_path / f"{name}.jsonl")]
        words += ["--responses", str(tmp_path / f"{name}-responses.jsonl"), "--out", str(tmp_path / "v.jsonl")]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output or done.exception
        assert ("WARNING the questions name no subtask" in done.output) == (name == "bare")


SUBTASKS = ("OCR", "color", "count", "existence", "landmark", "position", "scene")


@pytest.mark.parametrize("subtask", SUBTASKS)
@pytest.mark.parametrize("profile", ["official", "vlmevalkit"])
def test_acc_and_acc_plus_are_the_official_tools(shared: Path, subtask: str, profile: str) -> None:
    file = shared / "mme" / f"LaVIN_{subtask}.jsonl"
    printed = json.loads((shared / "mme" / "scores.json").read_text())[subtask]
    questions = read_questions(BENCHMARK, file)
    units: tuple[dict[str, list[bool]], ...] = ({}, {})
    for _, row in named_rows(BENCHMARK, questions, read_lines(file)):
        verdict = PROFILES[profile](questions[row["id"]], {"response": row["prediction"]}, Options())
        assert isinstance(verdict, Verdict)
        for unit, key in zip(units, BENCHMARK.units(questions[row["id"]]), strict=True):
            unit.setdefault(str(key), []).append(verdict.correct is True)
    shares = [100 * sum(map(all, unit.values())) / len(unit) for unit in units]
    assert shares == pytest.approx([printed["acc"], printed["acc_plus"]], abs=1e-4)


def test_grade_reads_the_official_tools_files_as_they_are(shared: Path, tmp_path: Path) -> None:
    printed = json.loads((shared / "mme" / "scores.json").read_text())
    ours = {}
    for subtask in SUBTASKS:
        file = str(shared / "mme" / f"LaVIN_{subtask}.jsonl")
        command = ["grade", "--benchmark", "mme", "--profile", "official", "--responses", file, "--questions", file]
        done = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "v.jsonl")])
        assert done.exit_code == 0, done.output
        scores = json.loads((tmp_path / "v.jsonl.scores.json").read_text())["scores"]
        values = {score["metric"]: round(score["value"], 4) for score in scores}
        ours[subtask] = {"acc": values["acc"], "acc_plus": values["acc+"]}
    assert ours == printed
