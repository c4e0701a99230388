"""`vr1repro compare-graders`: the same stored responses under every scoring profile, and where the profiles differ."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.questions import read_questions
from vr1repro.benchmarks.scoring import text_of
from vr1repro.config.evaluation import Protocol
from vr1repro.core.files import write_atomically, write_csv
from vr1repro.core.jsonl import read
from vr1repro.core.records import Outcome, Verdict
from vr1repro.evaluation.grading import grade_file, graded_rows, percent
from vr1repro.evaluation.saved import SavedRow
from vr1repro.evaluation.scores import Score
from vr1repro.reporting.page.environment import page_environment
from vr1repro.reporting.statistics.paired import discordant_difference
from vr1repro.reporting.statistics.rounding import fixed, interval

_SHOWN = 600
# The page stays one that a browser opens at once; the CSV beside it has every row.
_ROWS_SHOWN = 2000


class ProfilePair(BaseModel):
    """Two profiles on the same responses. Rows without a verdict under either (timeout, judge error) are left out.

    Attributes:
        first: A profile.
        second: Another one.
        n: Rows that both give a verdict on.
        both: Rows right under both.
        only_first: Rows right under the first alone.
        only_second: Rows right under the second alone.
        agreement: Share of rows with the same verdict (right, or not), in percent.
        kappa: Cohen's kappa; None where one of them calls all rows the same.
        shift: Score of the first minus that of the second, in points.
        se: Standard error of the shift, for paired rows; rows count as independent.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    first: str
    second: str
    n: int
    both: int
    only_first: int
    only_second: int
    agreement: float
    kappa: float | None
    shift: float
    se: float
    low: float
    high: float


class Difference(BaseModel):
    """One response on which profiles differ.

    Attributes:
        row: Its number among the responses, from 1.
        id: The question's id.
        gold: The gold answer.
        response: The response's end.
        reason: Why they differ.
        verdicts: Outcome by profile.
        predictions: What each profile compared with the gold.
    """

    row: int
    id: str
    gold: str
    response: str
    reason: str
    verdicts: dict[str, str]
    predictions: dict[str, str | None]


def compare(
    slug: str,
    responses: Path | Iterable[SavedRow],
    questions: Path,
    out: Path,
    *,
    workers: int = 1,
    timeout_s: float = 5.0,
    protocol: Protocol | None = None,
) -> str:
    """Score responses under every profile of a benchmark.

    Files in `out`: `verdicts/<profile>.jsonl`, `scores.csv`, `pairs.csv`, `differences.csv` and `index.html`, a page
    of its own with the rows that differ.

    Returns:
        Accuracy by profile, agreement, kappa and shift of each pair, as text.

    Raises:
        UserError: Unknown benchmark, an unreadable file, or a response without question.
    """
    profiles = list(lookup.profiles(slug))
    files = {name: out / "verdicts" / f"{name}.jsonl" for name in profiles}
    scores = {
        name: grade_file(
            slug, name, responses, questions, file, workers=workers, timeout_s=timeout_s, protocol=protocol
        )[0]
        for name, file in files.items()
    }
    by_id = read_questions(lookup.facts(slug), questions)
    counts: Counter[tuple[str, str, bool, bool]] = Counter()
    differences = []
    for number, (row, verdicts) in enumerate(_side_by_side(graded_rows(slug, responses, by_id, protocol), files), 1):
        correct = {name: verdict.correct for name, verdict in verdicts.items()}
        for first, second in combinations(profiles, 2):
            one, other = correct[first], correct[second]
            if one is not None and other is not None:
                counts[first, second, one, other] += 1
        if len(set(correct.values())) > 1:
            identifier = next(iter(verdicts.values())).id
            differences.append(_difference(number, identifier, _gold(by_id[identifier]), row, verdicts))
    pairs = [_pair(first, second, counts) for first, second in combinations(profiles, 2)]
    rows = [{"profile": name, **score.model_dump()} for name, score in scores.items()]
    write_csv(out / "scores.csv", ["profile", *Score.model_fields], rows)
    write_csv(out / "pairs.csv", list(ProfilePair.model_fields), [pair.model_dump() for pair in pairs])
    write_csv(out / "differences.csv", _columns(profiles), [_flat(item, profiles) for item in differences])
    text = _text(slug, scores, pairs, differences)
    page = (
        page_environment()
        .get_template("graders.html.j2")
        .render(
            title=f"{slug}: where the profiles differ",
            summary=text,
            profiles=profiles,
            rows=[item.model_dump() for item in differences],
            most=_ROWS_SHOWN,
        )
    )
    write_atomically(out / "index.html", page)
    return text


def kappa(both: int, only_first: int, only_second: int, neither: int) -> float | None:
    """Cohen's kappa of a two-by-two table; None where chance agreement is certain."""
    n = both + only_first + only_second + neither
    if n == 0:
        return None
    first, second = (both + only_first) / n, (both + only_second) / n
    chance = first * second + (1 - first) * (1 - second)
    return None if math.isclose(chance, 1) else ((both + neither) / n - chance) / (1 - chance)


def reason(verdicts: dict[str, Verdict]) -> str:
    """Why profiles differ on a response, as far as their verdicts say."""
    parts = []
    groups: dict[str, list[str]] = {}
    for name, verdict in verdicts.items():
        groups.setdefault(verdict.verdict.value, []).append(name)
    extra = {name: verdict.model_extra or {} for name, verdict in verdicts.items()}
    guessed = [name for name in verdicts if extra[name].get("decided_by") == "edit distance"]
    if guessed:
        parts.append(f"{', '.join(guessed)}: nearest choice by edit distance, a guess")
    if nothing := groups.get(Outcome.UNPARSABLE.value):
        parts.append(f"{', '.join(nothing)}: no answer that fits the question")
    if missing := groups.get(Outcome.JUDGE_ERROR.value):
        parts.append(f"{', '.join(missing)}: needs an LLM's extraction or judgement that is not there")
    if late := groups.get(Outcome.TIMEOUT.value):
        reasons = sorted({verdicts[name].cause or "time" for name in late})
        parts.append(f"{', '.join(late)}: the comparison came to no end ({', '.join(reasons)})")
    decided = {name: v for name, v in verdicts.items() if v.verdict in (Outcome.RIGHT, Outcome.WRONG)}
    if len({verdict.verdict for verdict in decided.values()}) > 1:
        predictions = {str(verdict.prediction) for verdict in decided.values()}
        same = "the same answer, compared by other rules" if len(predictions) == 1 else "they read different answers"
        parts.append(same)
    return "; ".join(parts)


def visible(text: str) -> str:
    """A text whose control, direction and surrogate characters are written out, so that a page shows them."""
    return re.sub(
        r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]",
        lambda match: f"\\u{ord(match[0]):04x}",
        text,
    )


def _gold(question: Question) -> str:
    return str(question.get("answer") or question.get("solution") or "")


def _side_by_side(
    answers: Iterator[tuple[Question, dict[str, Any]]], files: dict[str, Path]
) -> Iterator[tuple[dict[str, Any], dict[str, Verdict]]]:
    streams = [read(file, Verdict) for file in files.values()]
    for (_, row), *verdicts in zip(answers, *streams, strict=True):
        yield row, dict(zip(files, verdicts, strict=True))


def _difference(
    number: int, identifier: str, gold: str, row: dict[str, Any], verdicts: dict[str, Verdict]
) -> Difference:
    return Difference(
        row=number,
        id=identifier,
        gold=visible(gold[-_SHOWN:]),
        response=visible(text_of(row)[-_SHOWN:]),
        reason=reason(verdicts),
        verdicts={name: verdict.verdict.value for name, verdict in verdicts.items()},
        predictions={
            name: None if verdict.prediction is None else visible(verdict.prediction[:_SHOWN])
            for name, verdict in verdicts.items()
        },
    )


def _pair(first: str, second: str, counts: Counter[tuple[str, str, bool, bool]]) -> ProfilePair:
    both, only_first, only_second, neither = (
        counts[first, second, *cell] for cell in ((True, True), (True, False), (False, True), (False, False))
    )
    n = both + only_first + only_second + neither
    shift = discordant_difference(only_first, only_second, n)
    return ProfilePair(
        first=first,
        second=second,
        n=n,
        both=both,
        only_first=only_first,
        only_second=only_second,
        agreement=100 * (both + neither) / n if n else 0.0,
        kappa=kappa(both, only_first, only_second, neither),
        shift=shift.points,
        se=shift.se,
        low=shift.low,
        high=shift.high,
    )


def _text(slug: str, scores: dict[str, Score], pairs: list[ProfilePair], differences: list[Difference]) -> str:
    lines = [f"{slug}: accuracy by profile, in percent of the rows with a verdict, bounds in brackets"]
    for name, score in scores.items():
        bounds = (
            f"  [{fixed(score.low, 2)}, {fixed(score.high, 2)}], {score.n_undecided} undecided"
            if score.n_undecided
            else ""
        )
        lines.append(f"  {name:12} {percent(score):>6}  {score.n_right}/{score.n}{bounds}")
    lines.append("pairs, on the rows that both decide: agreement, kappa, shift in points with its 95 % interval")
    for pair in pairs:
        number = "   -  " if pair.kappa is None else f"{fixed(pair.kappa, 3):>6}"
        lines.append(
            f"  {pair.first:12} {pair.second:12} {fixed(pair.agreement, 2):>6} % {number}"
            f" {fixed(pair.shift, 2, signed=True):>7} {interval(pair.low, pair.high, 2)}  n {pair.n}"
        )
    lines.append(f"{len(differences)} rows on which the profiles differ")
    for why, count in Counter(item.reason for item in differences).most_common(8):
        lines.append(f"  {count:6} {why}")
    return "\n".join(lines)


def _columns(profiles: list[str]) -> list[str]:
    return ["row", "id", "gold", "response", "reason", *profiles, *(f"{name}: prediction" for name in profiles)]


def _flat(item: Difference, profiles: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {"row": item.row, "id": item.id, "reason": item.reason}
    values |= {"gold": _no_formula(item.gold), "response": _no_formula(item.response)}
    values |= {name: item.verdicts[name] for name in profiles}
    return values | {f"{name}: prediction": _no_formula(item.predictions[name] or "") for name in profiles}


def _no_formula(text: str) -> str:
    """A cell that a spreadsheet takes as text, not as a formula that a model wrote."""
    return f"'{text}" if re.match(r"\s*(?:[=@]|[-+](?![\d.]))", text) else text
