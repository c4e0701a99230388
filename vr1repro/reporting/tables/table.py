"""The paper's tables with ours beside every number, as data; `render` writes them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vr1repro.published import PublishedValue, Target, table_values
from vr1repro.published.targets import ARMS, BENCHMARKS, THREE, WORD_SETS
from vr1repro.reporting.claims.comparison import Comparison, compare_published
from vr1repro.reporting.claims.judgement import Judgement, Label
from vr1repro.reporting.run.coverage import partly_answered
from vr1repro.reporting.run.results import MICRO_NOTE, Results
from vr1repro.reporting.run.scores import OpenShares
from vr1repro.reporting.statistics.estimate import Estimate
from vr1repro.reporting.statistics.rounding import percent
from vr1repro.reporting.tables.paper_tables import SPECS, Spec

KEY_FORM = "<table>:<row>:<column>"
BEST_NOTE = (
    "The paper's numbers are the best checkpoint of 'every fifth step in the final 50 steps' (v4 App. A), chosen"
    " on the benchmarks that it is reported on, and so are ours in the row of that name: asked once, with the first"
    " evaluation seed. Such a score is too high by what the choice adds by chance; the table of best checkpoints"
    " estimates how much. The last step of the same arm has a row of its own and is compared with no such number."
)


@dataclass(frozen=True)
class Cell:
    """A place of a table. All parts may be None: the paper prints a dash, or we have nothing.

    Attributes:
        ours: Our estimate.
        target: What ours was measured for; provenance asks the results again with it.
        comparison: The printed number and what can be said of it.
        shares: What the scorer left open of ours.
    """

    ours: Estimate | None = None
    target: Target | None = None
    comparison: Comparison | None = None
    shares: OpenShares | None = None

    @property
    def paper(self) -> PublishedValue | None:
        """The printed number."""
        return self.comparison.published if self.comparison else None

    @property
    def judgement(self) -> Judgement | None:
        """What can be said of the printed number."""
        return self.comparison.judgement if self.comparison else None

    @property
    def label(self) -> Label | None:
        """The judgement in one word."""
        return self.judgement.label if self.judgement else None

    @property
    def reason(self) -> str:
        """The judgement in one sentence; empty where there is none."""
        return self.judgement.reason if self.judgement else ""

    @property
    def difference(self) -> float | None:
        """Ours minus the paper's."""
        return self.comparison.difference if self.comparison else None


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row of a table: its printed name, our arm, its marks (cold start, stages, ...) and its cells."""

    name: str
    arm: str | None
    marks: tuple[str, ...]
    cells: tuple[Cell, ...]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table ready to be rendered.

    Attributes:
        heads: The benchmark and the score of each column, where the paper's numbers have lines of their own; empty
            where they stand with ours.
    """

    key: str
    title: str
    marks: tuple[str, ...]
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    note: str
    comparable: bool
    heads: tuple[tuple[str, str], ...] = ()

    def cells(self) -> Iterator[tuple[Line, str, Cell]]:
        """Every cell with its row and the name of its column, row by row."""
        for line in self.lines:
            for column, cell in zip(self.columns, line.cells, strict=True):
                yield line, column, cell

    def key_of(self, line: Line, column: str) -> str:
        """A cell's name in `vr1repro why`, in `provenance.json` and on the page, in the form of `KEY_FORM`."""
        return f"{self.key}:{line.name}:{column}"


def paper_tables(results: Results) -> list[Table]:
    """Tables 1 to 6 in v4's numbering, those of v1 under their own, the README's, and the counts of Figure 1 C."""
    return [_table(spec, results) for spec in SPECS]


def _table(spec: Spec, results: Results) -> Table:
    values = table_values(spec.table, spec.version)
    compared = {row.published.id: row for row in compare_published(values, results)}
    lines = []
    for model in dict.fromkeys(value.model for value in values):
        cells = {(v.benchmark, v.subset, v.metric): compared[v.id] for v in values if v.model == model}
        arm = _arm(model)
        lines.append(
            Line(
                name=model,
                arm=arm,
                marks=tuple(marks.get(model, "-") for marks in spec.marks.values()),
                cells=tuple(_cell(cells.get(column), results) for column in spec.columns.values()),
                note=_line_note(arm, results) or (_no_best(arm, results) if spec.best else ""),
            )
        )
        if spec.best and arm is not None and _has_stages(arm, results):
            lines.append(_last_line(lines[-1], arm, spec, results))
    if spec.new_arms:
        printed = {line.arm for line in lines}
        lines += [_new_line(arm, spec, results) for arm in results.evaluated if arm not in printed]
    return Table(
        key=spec.key,
        title=spec.title,
        marks=tuple(spec.marks),
        columns=tuple(spec.columns),
        lines=tuple(lines),
        note=f"{note(results)} {BEST_NOTE}" if spec.best else note(results),
        comparable=results.comparable,
    )


def _has_stages(arm: str, results: Results) -> bool:
    return arm in results.arms and bool(results.arms[arm].stages)


def _no_best(arm: str | None, results: Results) -> str:
    return "no best was chosen" if arm and _has_stages(arm, results) and results.best(arm).empty else ""


def _last_line(best: Line, arm: str, spec: Spec, results: Results) -> Line:
    """An arm's end beside its best checkpoint; the paper prints no number for it."""
    cells = (
        _average(results, arm, THREE) if benchmark.startswith("Avg.") else _score(results, arm, BENCHMARKS[benchmark])
        for benchmark, _, _ in spec.columns.values()
    )
    note = _line_note(arm, results)
    return Line(
        name=f"{best.name}, last step", arm=arm, marks=tuple("-" for _ in spec.marks), cells=tuple(cells), note=note
    )


def _arm(model: str) -> str | None:
    return WORD_SETS.get(model, ARMS.get(model))


def _line_note(arm: str | None, results: Results) -> str:
    if arm is None:
        return ""
    if arm in WORD_SETS.values():
        return "not run" if results.set_path(arm) is None else ""
    return "" if arm in results.evaluated else "not run"


def _cell(row: Comparison | None, results: Results) -> Cell:
    if row is None:
        return Cell()
    target = row.published.target
    return Cell(row.ours, target, row, results.open_shares(target) if row.ours else None)


def _new_line(arm: str, spec: Spec, results: Results) -> Line:
    """An arm that this table of the paper does not have: the paper's columns, our values only."""
    cells = []
    for benchmark, subset, _ in spec.columns.values():
        if benchmark == "Avg.":
            cells.append(_average(results, arm, (*THREE, "dynamath")))
        else:
            name = "overall" if subset in ("ALL", "Average", "Overall") else subset.lower()
            cells.append(_score(results, arm, BENCHMARKS[benchmark], name))
    return Line(name=results.label(arm), arm=arm, marks=tuple("-" for _ in spec.marks), cells=tuple(cells))


def _score(results: Results, arm: str, benchmark: str, subset: str = "overall") -> Cell:
    target = Target(arm=arm, benchmark=benchmark, subset=subset, quantity="accuracy")
    return Cell(ours=results.accuracy(arm, benchmark, subset), target=target, shares=results.open_shares(target))


def _average(results: Results, arm: str, benchmarks: tuple[str, ...]) -> Cell:
    target = Target(arm=arm, benchmark="average", quantity="accuracy", of=benchmarks)
    return Cell(ours=results.average(arm, benchmarks), target=target, shares=results.open_shares(target))


def arms_table(results: Results) -> Table:
    """How each arm came out: accuracy on every benchmark, their mean, and mean length of the responses."""
    benchmarks = results.benchmarks
    lines = []
    for arm in dict.fromkeys([*results.evaluated, *(name for name, info in results.arms.items() if info.selected)]):
        cells = [_score(results, arm, benchmark) for benchmark in benchmarks]
        if len(benchmarks) > 1:
            cells.append(_average(results, arm, tuple(benchmarks)))
        length = Target(arm=arm, benchmark="responses", quantity="tokens")
        cells.append(Cell(ours=results.length(arm), target=length))
        lines.append(
            Line(name=results.label(arm), arm=arm, marks=(), cells=tuple(cells), note=_line_note(arm, results))
        )
    average = ["Mean"] if len(benchmarks) > 1 else []
    columns = (*benchmarks, *average, "Tokens")
    return Table(
        key="arms",
        title="Accuracy (percent) and completion tokens",
        marks=(),
        columns=columns,
        lines=tuple(lines),
        note=note(results),
        comparable=results.comparable,
    )


def note(results: Results) -> str:
    """The note of every table of a run: how ours was measured, and at micro scale that it is no evidence."""
    settings = results.settings
    text = (
        f"Ours: mean over seeds with a {percent(settings.confidence)} interval over questions, clustered by problem"
        f" or picture; protocol {settings.protocol}, scoring profile {settings.profile}. Accuracies in percent. Left"
        " open: the percentages of answers that could not be read (wrong in ours) and of responses without a verdict"
        " (not in ours). A difference has its interval over training and sampling again, where several draws of ours"
        " give one."
    )
    if partly := "; ".join(partly_answered(results)):
        text += f" Not every question is answered: {partly}."
    return text if results.comparable else f"{MICRO_NOTE}. {text}"


def all_tables(results: Results) -> Sequence[Table]:
    """Every table of the report, ours first."""
    return [arms_table(results), *paper_tables(results)]
