"""The table for a paper: rows of published numbers, then our models, under the columns of v4's Tables 1 and 2."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vr1repro.published import PublishedValue, Target, ValueClass
from vr1repro.published.targets import target_for
from vr1repro.reporting.claims.comparison import Comparison
from vr1repro.reporting.claims.judgement import Judgement, Label
from vr1repro.reporting.compare.answers import Answer, is_third_partys, source_of
from vr1repro.reporting.run.coverage import partly_answered
from vr1repro.reporting.run.results import MICRO_NOTE, Measurement, Results
from vr1repro.reporting.statistics.rounding import percent
from vr1repro.reporting.tables.paper_tables import SPECS, Column, Spec
from vr1repro.reporting.tables.table import Cell, Line, Table

_FIRST, _SECOND = (next(spec for spec in SPECS if spec.key == key) for key in ("T1", "T2"))
_VISION_ONLY = next(spec for spec in SPECS if spec.key == "README").columns["Vision Only"]
# v4 Table 1's columns, the README's Vision Only, and Table 2's.
_COLUMNS: Mapping[str, Mapping[str, Column]] = {
    "T1": {
        **{name: column for name, column in _FIRST.columns.items() if column[0] in ("MathVista", "MathVerse")},
        "Vision Only": _VISION_ONLY,
        **{name: column for name, column in _FIRST.columns.items() if column[0] not in ("MathVista", "MathVerse")},
    },
    "T2": _SECOND.columns,
}
_GENERAL = frozenset(_SECOND.columns) - frozenset(_FIRST.columns)
_HEADS: Mapping[Column, str] = {
    _VISION_ONLY: "Vision Only",
    _FIRST.columns["MM-Math"]: "Average",
    _FIRST.columns["DynaMath"]: "Overall",
    _FIRST.columns["Avg"]: "of four",
    _SECOND.columns["MME"]: "sum",
}


def answer_tables(results: Results, answers: Sequence[Answer]) -> list[Table]:
    """Tables in the columns that our models have scores for: v4 Table 1's; Table 2's where it adds a benchmark."""
    tables = []
    for spec in (_FIRST, _SECOND):
        columns = {
            name: target for name, column in _COLUMNS[spec.key].items() if (target := _target(column)) is not None
        }
        arms = list(dict.fromkeys([*(answer.arm for answer in answers), *results.evaluated]))
        cells = {arm: {name: _cell(results, answers, arm, target) for name, target in columns.items()} for arm in arms}
        filled = [name for name in columns if any(cells[arm][name].ours is not None for arm in arms)]
        if not filled or (spec is _SECOND and not _GENERAL & set(filled)):
            continue
        lines = [
            *_published_lines(answers, {name: columns[name] for name in filled}),
            *(_our_line(results, arm, [cells[arm][name] for name in filled]) for arm in arms),
        ]
        tables.append(_table(results, spec, filled, lines))
    return tables


def _table(results: Results, spec: Spec, names: Sequence[str], lines: Sequence[Line]) -> Table:
    columns = [_COLUMNS[spec.key][name] for name in names]
    return Table(
        key=spec.key,
        title=f"Published scores and ours, in the columns of {spec.title.rpartition('(')[2].removesuffix(')')}",
        marks=(),
        columns=tuple(names),
        lines=tuple(lines),
        note=_note(results, names),
        comparable=results.comparable,
        heads=tuple((column[0], _HEADS.get(column, column[1] or "ALL")) for column in columns),
    )


def _note(results: Results, names: Sequence[str]) -> str:
    """What a caption must say, and no more."""
    settings = results.settings
    text = (
        f"Ours: mean over evaluation seeds with a {percent(settings.confidence)} interval over questions, clustered by"
        f" problem or picture (+-: half its width); graded by {settings.profile}, protocol {settings.protocol}."
        " How the published scores were graded is not stated in the paper."
    )
    if "ALG" in names:
        text += " ALG is what v1 heads ARI."
    if partly := "; ".join(partly_answered(results)):
        text += f" Not every question is answered: {partly}."
    return text if results.comparable else f"{MICRO_NOTE}. {text}"


def _target(column: Column) -> Target | None:
    """Which score stands under a column, whoever's it is."""
    benchmark, subset, metric = column
    row = {"benchmark": benchmark, "subset": subset, "metric": metric, "model": "", "table": "", "version": ""}
    return target_for(row, "")


def _of(arm: str, target: Target) -> Target:
    return target.model_copy(update={"arm": arm})


def _cell(results: Results, answers: Sequence[Answer], arm: str, target: Target) -> Cell:
    """Our score, beside the first number that was asked for: the authors' own, if there is one."""
    target = _of(arm, target)
    beside = [one.row for one in answers if one.arm == arm and one.row.published.target == target]
    beside.sort(key=lambda row: row.published.value_class is not ValueClass.CLAIM)
    measured = results.measure(target)
    if not isinstance(measured, Measurement):
        return Cell()
    return Cell(measured.estimate, target, beside[0] if beside else None, results.open_shares(target))


def _our_line(results: Results, arm: str, cells: Sequence[Cell]) -> Line:
    return Line(name=results.label(arm), arm=arm, marks=(), cells=tuple(cells))


@dataclass
class _PublishedRow:
    """Numbers of one model that the places which print them agree on."""

    model: str
    places: list[str]
    values: dict[Target, PublishedValue]

    def takes(self, model: str, place: str, values: Mapping[Target, PublishedValue]) -> bool:
        """Take another place's numbers, unless it is somebody else's, or contradicts these."""
        others = any(is_third_partys(value) for value in (*self.values.values(), *values.values()))
        agree = all(self.values.get(target, value).number == value.number for target, value in values.items())
        new = values.keys() - self.values.keys()
        if model != self.model or not agree or (new and others):
            return False
        if new:
            self.places.append(place)
            self.values |= {target: values[target] for target in new}
        return True


def _published_lines(answers: Sequence[Answer], columns: Mapping[str, Target]) -> Iterator[Line]:
    """A line for each model; several where the places that print its numbers do not agree, or are not the paper."""
    by_place: dict[tuple[str, str], dict[Target, PublishedValue]] = {}
    for answer in answers:
        for value in answer.prints:
            target = None if value.target is None else _of("", value.target)
            if target is not None and target in columns.values():
                by_place.setdefault((answer.beside, source_of(value)), {}).setdefault(target, value)
    models = list(dict.fromkeys(model for model, _ in by_place))
    rows: list[_PublishedRow] = []
    for (model, place), values in sorted(
        by_place.items(), key=lambda item: (models.index(item[0][0]), _order(item[0][1]))
    ):
        if not any(row.takes(model, place, values) for row in rows):
            rows.append(_PublishedRow(model, [place], values))
    for row in rows:
        cells = (row.values.get(target) for target in columns.values())
        yield Line(
            name=f"{row.model}, {'; '.join(row.places).removeprefix('third-party ')}",
            arm=None,
            marks=(),
            cells=tuple(Cell(comparison=_printed(value)) if value else Cell() for value in cells),
        )


def _printed(value: PublishedValue) -> Comparison:
    reason = "a published row; name a row of one of the models"
    return Comparison(published=value, judgement=Judgement(label=Label.NO_VERDICT, reason=reason))


def _order(source: str) -> tuple[int, str]:
    """v4's numbers stand first, then v1's, the README's and everybody else's."""
    kinds = ("v4", "v1", "README")
    return next((k for k, kind in enumerate(kinds) if source.startswith(kind)), len(kinds)), source
