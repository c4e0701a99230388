"""`python -m bench.agreement measure`: how far our graders agree with other people's published verdicts, file by file.

The data are public outputs with verdicts (`python -m bench.agreement fetch`, or a folder in the same layout). Each line
of the table names the input by its SHA-256, so that a reader knows on which bytes a figure stands.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bench.agreement.explanations import explanation_of
from vr1repro.answers.compare import MatchSettings
from vr1repro.answers.grade import Grader, Pair
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.mathvision import BENCHMARK as MATHVISION
from vr1repro.benchmarks.mathvision.profiles import PROFILES as MATHVISION_PROFILES
from vr1repro.benchmarks.mathvista import BENCHMARK as MATHVISTA
from vr1repro.benchmarks.mathvista.extraction import extract_without_llm
from vr1repro.benchmarks.mathvista.profiles import PROFILES as MATHVISTA_PROFILES
from vr1repro.benchmarks.mathvista.rule import TUNED_ON
from vr1repro.benchmarks.questions import read_questions
from vr1repro.benchmarks.scoring import Options, Row
from vr1repro.core.errors import UserError
from vr1repro.core.files import write_csv
from vr1repro.core.jsonl import read_lines
from vr1repro.core.provenance import file_sha
from vr1repro.core.records import Outcome, Verdict, sha256
from vr1repro.evaluation.grading import pair_of

# Their answers are drawn or counted, not a model's.
GUESSES = ("random_guess", "frequent_guess")
_DECIDED = (Outcome.RIGHT, Outcome.WRONG)


class Agreement(BaseModel):
    """Our grader against published verdicts on one file.

    Attributes:
        check: What is compared.
        file: The input's path below the data folder.
        sha256: Hash of its bytes.
        kind: `tuned` (looked at while the rules were written), `apart` (not), `guess` (no model), or empty.
        n: Rows.
        n_agree: Rows on which right and not right are the same; an undecided or unparsable row counts as not right.
        percent: The same in percent.
        n_decided: Rows that we call right or wrong.
        n_agree_decided: Rows among these on which we agree.
        n_guessed: Rows that the official scorer decides by edit distance.
        n_guessed_right: Rows among these that it calls right.
        ceiling: What a grader that calls all guessed rows unparsable can reach at most, in percent of all rows.
        n_foreign: Rows whose response is an answer as it stands, and whose shipped extraction is another one.
    """

    check: str
    file: str
    sha256: str
    kind: str = ""
    n: int
    n_agree: int
    percent: float
    n_decided: int | None = None
    n_agree_decided: int | None = None
    n_guessed: int | None = None
    n_guessed_right: int | None = None
    ceiling: float | None = None
    n_foreign: int | None = None


class Disagreement(BaseModel):
    """A case of another grader's tests on which we differ; the case itself stays in its own repository.

    Attributes:
        suite: Whose test.
        source: Repository, commit and file.
        test: The test function.
        case: First 12 digits of the SHA-256 of gold, a line feed and prediction.
        expected: What that test expects; `none` where it expects no verdict.
        ours: Our verdict.
        explanation: Why.
    """

    suite: str
    source: str
    test: str
    case: str
    expected: str
    ours: str
    explanation: str


def measure(data: Path, *, workers: int = 1) -> tuple[list[Agreement], list[Disagreement]]:
    """Run every check whose files are there.

    Args:
        data: A folder with `mathvista/`, `mathvision/`, `r1v/`, `grader_cases/`, or some of them.
        workers: Grading processes.

    Raises:
        UserError: None of the files is there.
    """
    with Grader(workers, timeout_s=30) as grader:
        rows = [*_mathvista(data, grader), *_mathvision(data, grader), *_r1v(data, grader), *_own_cases(data, grader)]
        other, disagreements = _other_cases(data, grader)
    if not rows and not other:
        raise UserError(f"{data}: holds no published verdicts; see `python -m bench.agreement --help` for the layout")
    return [*rows, *other], disagreements


def write(rows: list[Agreement], disagreements: list[Disagreement], out: Path) -> None:
    """Write `agreement.csv` and `grader_cases.csv` into a folder."""
    write_csv(out / "agreement.csv", list(Agreement.model_fields), [row.model_dump() for row in rows])
    cases = [case.model_dump() for case in disagreements]
    write_csv(out / "grader_cases.csv", list(Disagreement.model_fields), cases)


def table(rows: list[Agreement]) -> str:
    """The agreement rows as lines of text, and means over the models that were looked at and those that were not."""
    lines = [_line(row) for row in rows]
    for kind in ("tuned", "apart"):
        chosen = [row for row in rows if row.kind == kind and row.check.endswith("rule")]
        if chosen:
            mean = sum(row.percent for row in chosen) / len(chosen)
            lines.append(f"mathvista rule, mean of {len(chosen)} models {kind}: {mean:.2f} % of all rows")
    return "\n".join(lines)


def _line(row: Agreement) -> str:
    text = f"{row.check:26} {row.file:52} {row.n_agree}/{row.n} {row.percent:6.2f} %"
    if row.n_decided is not None and row.n_agree_decided is not None:
        share = 100 * row.n_agree_decided / max(row.n_decided, 1)
        text += f"; decided {row.n_decided}, agree on {share:.1f} %"
    if row.ceiling is not None:
        text += f"; guessed {row.n_guessed}, ceiling {row.ceiling:.1f} %"
    return (
        text
        + (f"; foreign extractions {row.n_foreign}" if row.n_foreign else "")
        + (f" [{row.kind}]" if row.kind else "")
    )


def _mathvista(data: Path, grader: Grader) -> Iterator[Agreement]:
    folder = data / "mathvista"
    if not (folder / "testmini.jsonl").is_file():
        return
    asked = read_questions(MATHVISTA, folder / "testmini.jsonl")
    for file in sorted((folder / "outputs").glob("*.jsonl")):
        rows = [row for _, row in read_lines(file)]
        questions = [asked[str(row["pid"])] for row in rows]
        official = _verdicts(MATHVISTA_PROFILES["official"], questions, rows, Options(), grader)
        shipped = [row["shipped_true_false"] for row in rows]
        if all("current_true_false" in row for row in rows):
            current = [row["current_true_false"] for row in rows]
            yield _agreement("mathvista official", data, file, _right(official), current)
        else:
            # The public files hold the shipped verdicts only; today's are what the official profile makes of them.
            current = _right(official)
        legacy = _verdicts(MATHVISTA_PROFILES["official"], questions, rows, Options(legacy_int=True), grader)
        yield _agreement("mathvista official, legacy", data, file, _right(legacy), shipped)
        ours = _verdicts(MATHVISTA_PROFILES["rule"], questions, rows, Options(), grader)
        found = _agreement("mathvista rule", data, file, _right(ours), current)
        decided = [verdict.verdict in _DECIDED for verdict in ours]
        guessed = [(verdict.model_extra or {}).get("decided_by") == "edit distance" for verdict in official]
        lucky = sum(guess and right for guess, right in zip(guessed, current, strict=True))
        alike = [one == other for one, other in zip(_right(ours), current, strict=True)]
        yield found.model_copy(
            update={
                "kind": "guess" if file.stem in GUESSES else "tuned" if file.stem in TUNED_ON else "apart",
                "n_decided": sum(decided),
                "n_agree_decided": sum(same and known for same, known in zip(alike, decided, strict=True)),
                "n_guessed": sum(guessed),
                "n_guessed_right": lucky,
                "ceiling": 100 * (len(rows) - lucky) / len(rows),
                "n_foreign": sum(map(_foreign, questions, rows)),
            }
        )


def _foreign(question: Question, row: Row) -> bool:
    alone = extract_without_llm(question, str(row.get("response") or ""))
    return bool(alone) and alone != str(row.get("extraction"))


def _mathvision(data: Path, grader: Grader) -> Iterator[Agreement]:
    folder = data / "mathvision"
    if not (folder / "questions.jsonl").is_file():
        return
    asked = read_questions(MATHVISION, folder / "questions.jsonl")
    for file in sorted((folder / "outputs").glob("*.jsonl")):
        rows = [row for _, row in read_lines(file)]
        questions = [asked[str(row["id"])] for row in rows]
        verdicts = _verdicts(MATHVISION_PROFILES["official"], questions, rows, Options(), grader)
        yield _agreement("mathvision official", data, file, _right(verdicts), [bool(row["correct"]) for row in rows])


def _r1v(data: Path, grader: Grader) -> Iterator[Agreement]:
    settings = MatchSettings(matcher="math-verify")
    for file in sorted((data / "r1v").glob("*.jsonl")):
        rows = [row for _, row in read_lines(file)]
        pairs = (Pair(row["ground_truth"], row["model_output"], None, settings) for row in rows)
        right = [outcome is Outcome.RIGHT for outcome in grader.grade(pairs)]
        yield _agreement("r1v, math-verify", data, file, right, [bool(row["is_correct"]) for row in rows])


def _own_cases(data: Path, grader: Grader) -> Iterator[Agreement]:
    file = data / "grader_cases" / "math_verify_cases.json"
    if not file.is_file():
        return
    cases = _cases(file)

    def pair(case: dict[str, Any]) -> Pair:
        kinds = ("latex", "expr") if case["match_types"] == "default" else tuple(case["match_types"])
        relation = case["allow_set_relation_comp"]
        return Pair(
            case["gold"],
            case["pred"],
            None,
            MatchSettings(
                match_types=kinds,
                precision=case["precision"],
                strict=case["strict"],
                allow_set_relation_comp=relation,
                matcher="math-verify",
            ),
        )

    right = [outcome is Outcome.RIGHT for outcome in grader.grade(map(pair, cases))]
    yield _agreement("math-verify cases", data, file, right, [bool(case["expected"]) for case in cases])


def _other_cases(data: Path, grader: Grader) -> tuple[list[Agreement], list[Disagreement]]:
    """Other graders' cases, each suite a row; those for which their test expects no verdict are listed only."""
    file = data / "grader_cases" / "other_grader_cases.json"
    if not file.is_file():
        return [], []
    cases = _cases(file)
    # As `vr1repro equivalent` reads such rows: Math-Verify alone where the case says what to look for.
    known = ({key: value for key, value in case.items() if value is not None or key == "pred"} for case in cases)
    outcomes = list(grader.grade(pair_of(case, str(file)) for case in known))
    suites: dict[str, tuple[list[bool], list[bool]]] = {}
    disagreements = []
    for case, outcome in zip(cases, outcomes, strict=True):
        expected = case["expected"]
        if expected is not None:
            ours, theirs = suites.setdefault(case["suite"], ([], []))
            ours.append(outcome is Outcome.RIGHT)
            theirs.append(bool(expected))
        if expected is None or (outcome is Outcome.RIGHT) != bool(expected):
            key = sha256(f"{case['gold']}\n{case['pred']}")[:12]
            disagreements.append(
                Disagreement(
                    suite=case["suite"],
                    source=case["source"],
                    test=case["fn"],
                    case=key,
                    expected="none" if expected is None else "right" if expected else "wrong",
                    ours=outcome.value,
                    explanation=explanation_of(case["fn"], key),
                )
            )
    rows = [_agreement(f"cases of {suite}", data, file, *suites[suite]) for suite in sorted(suites)]
    return rows, disagreements


def _cases(file: Path) -> list[dict[str, Any]]:
    try:
        cases: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise UserError(f"{file}: cannot be read as JSON: {error}") from None
    return cases


def _verdicts(
    judge: Callable[..., Any], questions: list[Question], rows: list[Row], options: Options, grader: Grader
) -> list[Verdict]:
    return list(grader.stream(judge(question, row, options) for question, row in zip(questions, rows, strict=True)))


def _right(verdicts: list[Verdict]) -> list[bool]:
    return [verdict.correct is True for verdict in verdicts]


def _agreement(check: str, data: Path, file: Path, ours: list[bool], theirs: list[bool]) -> Agreement:
    agree = sum(one == other for one, other in zip(ours, theirs, strict=True))
    return Agreement(
        check=check,
        file=file.relative_to(data).as_posix(),
        sha256=file_sha(file),
        n=len(ours),
        n_agree=agree,
        percent=round(100 * agree / max(len(ours), 1), 4),
    )
