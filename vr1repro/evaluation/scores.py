"""From verdicts to the scores that `vr1repro grade` prints."""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from vr1repro.benchmarks.base import Benchmark, Question
from vr1repro.core.attempts import attempt_of, keep_last
from vr1repro.core.records import Outcome, Verdict

# What tells samples of one question apart, their attempts aside.
_SAMPLES = ("model", "arm", "train_seed", "eval_seed", "protocol")


class Score(BaseModel):
    """The accuracy on one group of questions. Standard errors are the reporting package's.

    Attributes:
        group: What the questions share: `overall`, `task`, `version`, ...
        name: The value they share, as the benchmark writes it; `all` for the overall score.
        n: Responses counted.
        n_right: Right ones.
        n_undecided: Timeouts and judge errors: no verdict.
        n_unparsable: Responses without an answer that could be read: wrong in `value`.
        value: Percent right of those with a verdict; None where none has one.
        low: Lower bound in percent: all undecided wrong.
        high: Upper bound in percent: all undecided and all unparsable right.
        note: What a reader of the figure must know, else empty.
    """

    group: str
    name: str
    n: int
    n_right: int
    n_undecided: int
    n_unparsable: int = 0
    value: float | None
    low: float
    high: float
    note: str = ""


@dataclass
class _Count:
    n: int = 0
    n_right: int = 0
    n_undecided: int = 0
    n_unparsable: int = 0

    def add(self, outcome: Outcome, sign: int) -> None:
        self.n += sign
        self.n_right += sign * (outcome is Outcome.RIGHT)
        self.n_undecided += sign * (outcome.correct is None)
        self.n_unparsable += sign * (outcome is Outcome.UNPARSABLE)


@dataclass
class Tally:
    """Counts verdicts as they come, and makes scores of the counts. Of a verdict it keeps no more than what counts.

    Where rows name an attempt, a question counts once for each model, arm, seed and protocol: its last attempt
    (`core.attempts`). Rows that name none all count.
    """

    benchmark: Benchmark
    _counts: dict[tuple[str, str], _Count] = field(default_factory=lambda: defaultdict(_Count))
    _strata: dict[str, _Count] = field(default_factory=lambda: defaultdict(_Count))
    _counting: dict[Hashable, Verdict] = field(default_factory=dict)
    _clusters: dict[tuple[Any, ...], _Count] = field(default_factory=lambda: defaultdict(_Count))

    def add(self, question: Question, verdict: Verdict) -> None:
        """Count one verdict."""
        extra = verdict.model_extra or {}
        sample = tuple(extra.get(name) for name in _SAMPLES)
        cluster = (self.benchmark.cluster(question), *sample) if self.benchmark.worst_case else None
        if extra.get("attempt") is not None:
            slim = Verdict(id=verdict.id, verdict=verdict.verdict, attempt=attempt_of(verdict))
            before = keep_last(self._counting, (verdict.id, *sample), slim)
            if before is slim:
                return
            if before is not None:
                self._count(question, before.verdict, -1, cluster)
        self._count(question, verdict.verdict, 1, cluster)

    def _count(self, question: Question, outcome: Outcome, sign: int, cluster: tuple[Any, ...] | None) -> None:
        counts = [self._counts[group] for group in (("overall", "all"), *self.benchmark.groups(question))]
        counts.append(self._strata[self.benchmark.stratum(question)])
        for count in [*counts, *([] if cluster is None else [self._clusters[cluster]])]:
            count.add(outcome, sign)

    def scores(self) -> list[Score]:
        """The overall score, then group by group, in the order in which their questions came."""
        groups = list(dict.fromkeys(group for group, _ in self._counts))
        cells = sorted(self._counts.items(), key=lambda cell: groups.index(cell[0][0]))
        scores = [_score(group, name, count) for (group, name), count in cells]
        if self._clusters:
            scores.insert(1, _worst_case(list(self._clusters.values())))
        if self.benchmark.overall is None:
            return scores
        members = [
            _score(self.benchmark.overall, name, self._strata[name])
            for name in self.benchmark.members
            if name in self._strata
        ]
        return [_mean(members, self.benchmark), *(score for score in scores if score.group != "overall")]


def _score(group: str, name: str, count: _Count, note: str = "") -> Score:
    n, n_right, n_graded = count.n, count.n_right, count.n - count.n_undecided
    return Score(
        group=group,
        name=name,
        n=n,
        n_right=n_right,
        n_undecided=count.n_undecided,
        n_unparsable=count.n_unparsable,
        value=100 * n_right / n_graded if n_graded else None,
        low=100 * n_right / n if n else 0.0,
        high=100 * (n_right + count.n_undecided + count.n_unparsable) / n if n else 0.0,
        note=note,
    )


def _worst_case(clusters: list[_Count]) -> Score:
    """The share of clusters with every row right; one with no wrong row but an undecided one is undecided."""
    count = _Count(
        len(clusters),
        sum(cluster.n == cluster.n_right for cluster in clusters),
        sum(cluster.n == cluster.n_right + cluster.n_undecided and cluster.n_undecided > 0 for cluster in clusters),
    )
    sizes = sorted({cluster.n for cluster in clusters})
    return _score("worst case", "all", count, f"rows a cluster: {', '.join(map(str, sizes))}")


def _mean(members: list[Score], benchmark: Benchmark) -> Score:
    missing = [name for name in benchmark.members if name not in {score.name for score in members}]
    note = f"mean of {len(members)} of {len(benchmark.members)} {benchmark.overall}s"
    if missing:
        note += f"; missing: {', '.join(missing)}"
    count = max(len(members), 1)
    values = [score.value for score in members if score.value is not None]
    return Score(
        group="overall",
        name="all",
        n=sum(score.n for score in members),
        n_right=sum(score.n_right for score in members),
        n_undecided=sum(score.n_undecided for score in members),
        n_unparsable=sum(score.n_unparsable for score in members),
        value=sum(values) / count if values and len(values) == len(members) else None,
        low=sum(score.low for score in members) / count,
        high=sum(score.high for score in members) / count,
        note=note,
    )


def aggregate(benchmark: Benchmark, verdicts: Iterable[Verdict], questions: dict[str, Question]) -> list[Score]:
    """Overall score and sub-scores of verdicts, by the questions' own columns.

    Args:
        verdicts: Verdicts on its questions; of several attempts at one the last counts.
        questions: The questions by id, see `benchmarks.questions.read_questions`.

    Raises:
        KeyError: A verdict's question is not among the questions.
    """
    tally = Tally(benchmark)
    for verdict in verdicts:
        tally.add(questions[verdict.id], verdict)
    return tally.scores()
