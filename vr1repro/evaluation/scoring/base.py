"""What a scoring profile is, and how verdicts become scores."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from vr1repro.answers.extract import Extraction, final_answer
from vr1repro.answers.grade import Pair, Work
from vr1repro.core.records import Outcome, Verdict

Question = dict[str, Any]
Row = dict[str, Any]


# What tells samples of one question apart, their attempts aside.
_SAMPLES = ("model", "arm", "train_seed", "eval_seed", "protocol")


@dataclass(frozen=True)
class Options:
    """Switches of a profile.

    Attributes:
        legacy_int: MathVista: integers by `int(x)`, as most of the shipped verdicts were made, not `int(float(x))`.
    """

    legacy_int: bool = False


Judge = Callable[[Question, Row, Options], Verdict | Work[Verdict]]


class Score(BaseModel):
    """The accuracy on one group of questions. Standard errors are the reporting package's.

    Attributes:
        group: What the questions share: `overall`, `task`, `version`, ...
        name: The value they share, as the benchmark writes it; `all` for the overall score.
        n: Responses counted.
        n_right: Right ones.
        n_undecided: Timeouts and judge errors: no verdict.
        value: Percent right, the undecided counted as wrong.
        low: Lower bound in percent: all undecided wrong.
        high: Upper bound in percent: all undecided right.
        note: What a reader of the figure must know, else empty.
    """

    group: str
    name: str
    n: int
    n_right: int
    n_undecided: int
    value: float
    low: float
    high: float
    note: str = ""


@dataclass(frozen=True)
class Benchmark:
    """How one benchmark is scored.

    Attributes:
        slug: Its name in paths and records.
        id_keys: Names of its id column, the preferred first.
        profiles: Judges by profile name.
        groups: The (group, name) pairs that a question counts in, `overall` apart.
        cluster: The id of what questions share so that their errors are not independent (a problem, an image).
        overall: Names the overall score's own rule: a group whose members are averaged, None for the mean of all rows.
        members: Those members, where `overall` is set.
        worst_case: Whether there is a second overall score: the share of clusters with every row right.
    """

    slug: str
    id_keys: tuple[str, ...]
    profiles: dict[str, Judge]
    groups: Callable[[Question], Iterator[tuple[str, str]]]
    cluster: Callable[[Question], str]
    overall: str | None = None
    members: tuple[str, ...] = ()
    worst_case: bool = False


@dataclass
class Tally:
    """Counts verdicts as they come, and makes scores of the counts. Memory grows with groups, not with rows.

    Rows with an `attempt` (the `paper` protocol asks again) count once for each question, model and seed: the last
    attempt.
    """

    benchmark: Benchmark
    _counts: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))
    _attempts: dict[tuple[Any, ...], tuple[int, Outcome]] = field(default_factory=dict)
    _clusters: dict[tuple[Any, ...], list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))

    def add(self, question: Question, verdict: Verdict) -> None:
        """Count one verdict."""
        extra = verdict.model_extra or {}
        attempt = extra.get("attempt")
        cluster = (self.benchmark.cluster(question), *map(extra.get, _SAMPLES)) if self.benchmark.worst_case else None
        if attempt is not None:
            key = (verdict.id, *map(extra.get, _SAMPLES))
            before = self._attempts.get(key)
            if before is not None and before[0] > attempt:
                return
            if before is not None:
                self._count(question, before[1], -1, cluster)
            self._attempts[key] = (attempt, verdict.verdict)
        self._count(question, verdict.verdict, 1, cluster)

    def _count(self, question: Question, outcome: Outcome, step: int, cluster: tuple[Any, ...] | None) -> None:
        counted = [self._counts[group] for group in (("overall", "all"), *self.benchmark.groups(question))]
        for counts in [*counted, *([] if cluster is None else [self._clusters[cluster]])]:
            counts[0] += step
            counts[1] += step * (outcome is Outcome.RIGHT)
            counts[2] += step * (outcome.correct is None)

    def scores(self) -> list[Score]:
        """The overall score, then group by group, in the order in which their questions came."""
        groups = list(dict.fromkeys(group for group, _ in self._counts))
        cells = sorted(self._counts.items(), key=lambda cell: groups.index(cell[0][0]))
        scores = [_score(group, name, *counts) for (group, name), counts in cells]
        if self._clusters:
            scores.insert(1, _worst_case(list(self._clusters.values())))
        if self.benchmark.overall is None:
            return scores
        members = [
            score
            for name in self.benchmark.members
            for score in scores
            if (score.group, score.name) == (self.benchmark.overall, name)
        ]
        return [_mean(members, self.benchmark), *(score for score in scores if score.group != "overall")]


def _score(group: str, name: str, n: int, n_right: int, n_undecided: int) -> Score:
    value = 100 * n_right / n if n else 0.0
    high = 100 * (n_right + n_undecided) / n if n else 0.0
    return Score(
        group=group, name=name, n=n, n_right=n_right, n_undecided=n_undecided, value=value, low=value, high=high
    )


def _worst_case(clusters: list[list[int]]) -> Score:
    """The share of clusters with every row right; one with no wrong row but an undecided one is undecided."""
    n_right = sum(n == right for n, right, _ in clusters)
    n_undecided = sum(n == right + undecided and undecided > 0 for n, right, undecided in clusters)
    sizes = sorted({n for n, _, _ in clusters})
    score = _score("worst case", "all", len(clusters), n_right, n_undecided)
    return score.model_copy(update={"note": f"rows a cluster: {', '.join(map(str, sizes))}"})


def _mean(members: list[Score], benchmark: Benchmark) -> Score:
    missing = [name for name in benchmark.members if name not in {score.name for score in members}]
    note = f"mean of {len(members)} of {len(benchmark.members)} {benchmark.overall}s"
    if missing:
        note += f"; missing: {', '.join(missing)}"
    count = max(len(members), 1)
    return Score(
        group="overall",
        name="all",
        n=sum(score.n for score in members),
        n_right=sum(score.n_right for score in members),
        n_undecided=sum(score.n_undecided for score in members),
        value=sum(score.value for score in members) / count,
        low=sum(score.low for score in members) / count,
        high=sum(score.high for score in members) / count,
        note=note,
    )


def text_of(row: Row) -> str:
    """The response of a row as text; a missing or null one is empty."""
    value = row.get("response")
    return value if isinstance(value, str) else "" if value is None else str(value)


def extraction_of(row: Row) -> Extraction | None:
    """Our own deterministic extraction from a row's response."""
    return final_answer(text_of(row))


def identity(question: Question, keys: Iterable[str]) -> str | None:
    """The id of a question or of a response row under the first of its keys that is there."""
    return next((str(question[key]) for key in keys if question.get(key) is not None), None)


def compared(verdict_id: str, pair: Pair, extraction: str | None, **extra: Any) -> Verdict | Work[Verdict]:
    """The verdict on a gold and an extracted answer: at once where it is certain, else as work for a grader."""

    def verdict(outcome: Outcome) -> Verdict:
        return Verdict(id=verdict_id, extraction=extraction, prediction=pair.pred, verdict=Outcome(outcome), **extra)

    work = pair.work()
    if isinstance(work, Work):
        return Work(work.call, work.args, done=verdict, failed=verdict)
    return verdict(work)
