"""From verdicts to the scores that `vr1repro grade` prints."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from vr1repro.benchmarks.base import Benchmark, Question
from vr1repro.core.attempts import attempt_of, keep_last
from vr1repro.core.records import Outcome, Verdict

# What tells samples of one question apart, their attempts aside.
SAMPLES = ("model", "arm", "train_seed", "eval_seed", "protocol")
ACCURACY, WORST_CASE, SUM, MEAN = "accuracy", "worst case", "sum", "mean"


class Score(BaseModel):
    """The accuracy on one group of questions. Standard errors are the reporting package's.

    Attributes:
        group: What the questions share: `overall`, `task`, `version`, ...
        name: The value they share, as the benchmark writes it; `all` for the overall score.
        n: Responses counted; of a part (`acc+`) its units.
        n_right: Right ones.
        n_undecided: Timeouts and judge errors: no verdict.
        n_unparsable: Responses without an answer that could be read: wrong in `value`.
        value: Percent right of those with a verdict, of a sum points of `maximum`; None where none has one.
        low: Lower bound: all undecided wrong.
        high: Upper bound: all undecided and all unparsable right.
        note: What a reader of the figure must know, else empty.
        metric: `accuracy`, a part's name, or what is put together from parts: their `sum`, or their `mean`.
        maximum: What the value is out of.
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
    metric: str = ACCURACY
    maximum: float = 100.0


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
    # Of each cell: place of the part, stratum, and the unit with the sample that it is of.
    _units: dict[tuple[str, str], dict[tuple[Any, ...], _Count]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, question: Question, verdict: Verdict) -> None:
        """Count one verdict."""
        extra = verdict.model_extra or {}
        sample = tuple(extra.get(name) for name in SAMPLES)
        cluster = (self.benchmark.cluster(question), *sample)
        if extra.get("attempt") is not None:
            slim = Verdict(id=verdict.id, verdict=verdict.verdict, attempt=attempt_of(verdict))
            before = keep_last(self._counting, (verdict.id, *sample), slim)
            if before is slim:
                return
            if before is not None:
                self._count(question, before.verdict, -1, cluster)
        self._count(question, verdict.verdict, 1, cluster)

    def _count(self, question: Question, outcome: Outcome, sign: int, cluster: tuple[Any, ...]) -> None:
        cells, stratum = (("overall", "all"), *self.benchmark.groups(question)), self.benchmark.stratum(question)
        counts = [*(self._counts[cell] for cell in cells), self._strata[stratum]]
        if self.benchmark.worst_case:
            counts.append(self._clusters[cluster])
        for place, unit in enumerate(self.benchmark.units(question)):
            if unit is not None:
                key = (place, stratum, unit, *cluster[1:])
                counts += [self._units[cell].setdefault(key, _Count()) for cell in cells]
        for count in counts:
            count.add(outcome, sign)

    def scores(self) -> list[Score]:
        """The overall score, then group by group, in the order in which their questions came."""
        groups = list(dict.fromkeys(group for group, _ in self._counts))
        cells = sorted(self._counts.items(), key=lambda cell: groups.index(cell[0][0]))
        if self.benchmark.parts:
            return [score for cell, count in cells for score in self._put_together(cell, count)]
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

    def _put_together(self, cell: tuple[str, str], rows: _Count) -> Iterator[Score]:
        """The sum or mean of a cell's parts, then each part."""
        shares: dict[tuple[int, str], list[_Count]] = defaultdict(list)
        for (place, stratum, *_), count in self._units[cell].items():
            shares[place, stratum].append(count)
        parts = [
            _score(*cell, _all_right([c for key, counts in shares.items() if key[0] == place for c in counts]),
                   metric=part.name)
            for place, part in enumerate(self.benchmark.parts)
        ]  # fmt: skip
        single = [_score(*cell, _all_right(counts)) for counts in shares.values()]
        weight = 1.0 if self.benchmark.summed else 1.0 / max(len(single), 1)
        values = [share.value for share in single if share.value is not None]
        yield Score(
            group=cell[0],
            name=cell[1],
            n=rows.n,
            n_right=rows.n_right,
            n_undecided=rows.n_undecided,
            n_unparsable=rows.n_unparsable,
            value=weight * sum(values) if len(values) == len(single) else None,
            low=weight * sum(share.low for share in single),
            high=weight * sum(share.high for share in single),
            note=self._set_note(rows.n, {key[1] for key in shares}) if cell[0] == "overall" else "",
            metric=SUM if self.benchmark.summed else MEAN,
            maximum=self.benchmark.maximum(len(single)),
        )
        yield from parts

    def _set_note(self, n: int, strata: set[str]) -> str:
        """What was put together, and of which questions, where the benchmark is scored on more than one set."""
        names = ", ".join(part.name for part in self.benchmark.parts)
        known = self.benchmark.sizes.get(n)
        # A sum over subtasks is of one alone where the questions do not tell them apart.
        lacks = self.benchmark.overall is not None and "all" in strata
        unnamed = f"; WARNING the questions name no {self.benchmark.overall}" if lacks else ""
        return f"of {names}" + (f"; {known}" if known else "") + unnamed


def _all_right(units: list[_Count]) -> _Count:
    """How many units have every row right.

    One with a wrong row is wrong; else one with an unparsable row is unparsable, one with an undecided row undecided.
    """
    total = _Count()
    for unit in units:
        if not unit.n:
            continue
        if unit.n > unit.n_right + unit.n_undecided + unit.n_unparsable:
            total.add(Outcome.WRONG, 1)
        elif unit.n_unparsable:
            total.add(Outcome.UNPARSABLE, 1)
        else:
            total.add(Outcome.JUDGE_ERROR if unit.n_undecided else Outcome.RIGHT, 1)
    return total


def _score(group: str, name: str, count: _Count, note: str = "", metric: str = ACCURACY) -> Score:
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
        metric=metric,
    )


def _worst_case(clusters: list[_Count]) -> Score:
    """The share of clusters with every row right."""
    sizes = sorted({cluster.n for cluster in clusters})
    return _score(WORST_CASE, "all", _all_right(clusters), f"rows a cluster: {', '.join(map(str, sizes))}")


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
