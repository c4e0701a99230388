import json

import pytest

from vr1repro.answers.grade import Grader
from vr1repro.benchmarks.mathvista import BENCHMARK
from vr1repro.benchmarks.mathvista.profiles import PROFILES
from vr1repro.benchmarks.scoring import Options
from vr1repro.core.records import Outcome
from vr1repro.evaluation.scores import Tally

CHOICES = {
    "pid": "1",
    "question_type": "multi_choice",
    "answer_type": "text",
    "choices": ["6cm", "7cm"],
    "answer": "7cm",
}
INTEGER = {"pid": "2", "question_type": "free_form", "answer_type": "integer", "choices": None, "answer": "7"}
FLOAT = {"pid": "3", "question_type": "free_form", "answer_type": "float", "precision": 1.0, "answer": "1.2"}


def grade(profile, question, row, **options):
    with Grader(timeout_s=5) as grader:
        return next(grader.stream([PROFILES[profile](question, row, Options(**options))]))


@pytest.mark.parametrize(
    ("question", "extraction", "prediction", "verdict", "how"),
    [
        (CHOICES, "(b) 7cm", "7cm", "right", "letter"),
        (CHOICES, "B", "7cm", "right", "letter"),
        (CHOICES, "b", "6cm", "wrong", "edit distance"),
        (CHOICES, "seven cm", "6cm", "wrong", "edit distance"),
        (CHOICES, None, "6cm", "wrong", "edit distance"),
        (INTEGER, "7.9", "7", "right", "value"),
        (INTEGER, "seven", None, "unparsable", "value"),
        (INTEGER, "inf", None, "unparsable", "value"),
        (FLOAT, "1.24", "1.2", "right", "value"),
        (FLOAT, None, None, "unparsable", "value"),
    ],
)
def test_official(question, extraction, prediction, verdict, how):
    got = grade("official", question, {"response": "", "extraction": extraction})
    assert (got.prediction, got.verdict.value, got.model_extra["decided_by"]) == (prediction, verdict, how)


def test_legacy_int_refuses_fractions():
    row = {"response": "", "extraction": "7.0"}
    assert grade("official", INTEGER, row).verdict is Outcome.RIGHT
    assert grade("official", INTEGER, row, legacy_int=True).verdict is Outcome.UNPARSABLE


def test_official_without_extraction_takes_clean_responses_and_calls_the_rest_undecided():
    assert grade("official", INTEGER, {"response": "7"}).verdict is Outcome.RIGHT
    assert grade("official", CHOICES, {"response": "7cm"}).verdict is Outcome.RIGHT
    assert grade("official", INTEGER, {"response": "It is 7."}).verdict is Outcome.JUDGE_ERROR


def test_a_huge_extraction_is_no_hang():
    got = grade("official", CHOICES, {"response": "", "extraction": "x" * 10_000_000})
    assert got.verdict in (Outcome.TIMEOUT, Outcome.WRONG)


@pytest.mark.parametrize(
    ("question", "response", "verdict"),
    [
        (CHOICES, "So the answer is (B).", "right"),
        (CHOICES, "It must be 7cm, I think.", "right"),
        (CHOICES, "Either 6cm or 7cm.", "unparsable"),
        (CHOICES, "I cannot tell.", "unparsable"),
        (INTEGER, "We get 3 + 4 = 7.", "right"),
        (INTEGER, "The answer is 7 apples.", "right"),
        (INTEGER, "nothing", "unparsable"),
        (FLOAT, "<think>9</think><answer> Final Answer:1.21 cm </answer>", "right"),
    ],
)
def test_rule(question, response, verdict):
    assert grade("rule", question, {"response": response}).verdict.value == verdict


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def questions(shared):
    return {row["pid"]: row for row in rows_of(shared / "mathvista" / "testmini.jsonl")}


def test_every_official_verdict(shared, questions):
    files = sorted((shared / "mathvista" / "outputs").glob("*.jsonl"))
    assert len(files) == 13
    with Grader(workers=1, timeout_s=30) as grader:
        for file in files:
            rows = rows_of(file)
            for key, options in (("current", Options()), ("shipped", Options(legacy_int=True))):
                items = (PROFILES["official"](questions[row["pid"]], row, options) for row in rows)
                verdicts = list(grader.stream(items))
                assert [v.correct is True for v in verdicts] == [row[f"{key}_true_false"] for row in rows], file.name
                assert [v.prediction for v in verdicts] == [row[f"{key}_prediction"] for row in rows], file.name


# Score files made with an older edition of the metadata: six of the seven skills count other questions there.
OLD_SKILLS = {"bard", "llava_llama_2_13b", "mplugowl_7b_ft"}


def test_sub_scores_equal_the_official_files(shared, questions):
    for file in sorted((shared / "mathvista" / "outputs").glob("*.jsonl")):
        tally = Tally(BENCHMARK)
        for row in rows_of(file):
            question = questions[row["pid"]]
            tally.add(question, PROFILES["official"](question, row, Options(legacy_int=True)))
        ours = {(score.group, score.name): (score.n_right, score.n) for score in tally.scores()}
        official = json.loads((shared / "mathvista" / "scores" / file.with_suffix(".json").name).read_text())
        average = official.pop("average")
        assert ours["overall", "all"] == (average["correct"], average["total"])
        if file.stem in OLD_SKILLS:
            official.pop("skills")
        # "daily life" became "not applicable" in the published metadata.
        official["grade"]["not applicable"] = official["grade"].pop("daily life")
        cells = {(group, name): cell for group, names in official.items() for name, cell in names.items()}
        assert len(cells) >= 67
        assert {key: (cell["correct"], cell["total"]) for key, cell in cells.items()} == {
            key: ours[key] for key in cells
        }
