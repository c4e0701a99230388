"""What `vr1repro compare` writes: the assembled run, tables, figures and the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vr1repro.config.reporting import ReportSettings
from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.published import PublishedValue
from vr1repro.reporting.claims.comparison import Comparison, tally
from vr1repro.reporting.claims.pairs import arm_pairs
from vr1repro.reporting.compare import foreign, versus
from vr1repro.reporting.figures.build import make_figures
from vr1repro.reporting.page.build import write_report
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.tables.ours import pairs_table, variance_table
from vr1repro.reporting.tables.paper import arms_table, note
from vr1repro.reporting.tables.render import markdown, write_tables
from vr1repro.reporting.tables.score_table import score_table, write_scores

_FIGURES = ("length-accuracy", "graders")
_MOST_ROWS = 40  # on the terminal; the files hold all


@dataclass(frozen=True)
class Question:
    """What is compared with what: the command line's own words, and the declared margin in points."""

    responses: Sequence[str]
    against: Sequence[str]
    margin: float | None = None


def report(question: Question, grading: foreign.Grading, out: Path) -> str:
    """Compare and write everything below `out`.

    Returns:
        The two tables as text.

    Raises:
        UserError: A file is bad or a name unknown.
    """
    settings = ReportSettings(profile=grading.profile, protocol=grading.protocol)
    if question.margin is not None:
        settings = settings.model_copy(update={"margins": {"default": question.margin}})
    printed = {name: versus.published(name) for name in _named(question.against, "published:")}
    ours = [source for given in question.responses for source in foreign.sources(given)]
    others = [one for one in question.against if not one.startswith(("published:", "scores:"))]
    theirs = [source for given in others for source in foreign.sources(given)]
    if twice := {source.model for source in ours} & {source.model for source in theirs}:
        raise UserError(f"{min(twice)}: the same name on both sides; give NAME=PATH")
    models = foreign.assemble(out / "run", [*ours, *theirs], grading)
    results = foreign.open_foreign(out / "run", models, settings)
    mine = _arms(results, out, [source.model for source in ours])
    rows = [(arm, row) for arm in mine for values in printed.values() for row in versus.against(values, arm, results)]
    for path in map(Path, _named(question.against, "scores:")):
        for arm in mine:
            rows += [(arm, row) for row in versus.against(_score_values(path, arm, grading), arm, results)]
    sides = (set(mine), set(_arms(results, out, [source.model for source in theirs]))) if theirs else None
    return _write(out, results, rows, sides)


def _named(targets: Sequence[str], prefix: str) -> list[str]:
    return [target.removeprefix(prefix) for target in targets if target.startswith(prefix)]


def _arms(results: Results, out: Path, models: Sequence[str]) -> list[str]:
    names = results.frame[["model", "arm"]].drop_duplicates().set_index("model")["arm"].to_dict()
    if missing := [model for model in models if model not in names]:
        raise UserError(f"{out / 'run' / 'eval' / missing[0]}: no verdict was found for it")
    return list(dict.fromkeys(names[model] for model in models))


def _score_values(path: Path, arm: str, grading: foreign.Grading) -> list[PublishedValue]:
    file = path / f"{arm}.json" if path.is_dir() else path
    return versus.score_file(file, grading.benchmark or "mathvista")


def _write(
    out: Path, results: Results, rows: list[tuple[str, Comparison]], sides: tuple[set[str], set[str]] | None
) -> str:
    pairs = arm_pairs(results, sides)
    text_tables = [versus.comparison_table(rows, note(results)), pairs_table(results, pairs), variance_table(results)]
    table = arms_table(results)
    write_tables(out / "tables", [table], text_tables)
    write_scores(out / "tables" / "scores.csv", score_table(results.frame, results.settings))
    write_atomically(out / "tables" / "comparison.csv", versus.csv_rows(rows))
    make_figures(results, out / "figures", _FIGURES)
    comparisons = [row for _, row in rows]
    config = results.settings.model_dump_json(indent=2)
    write_report(out / "report", results, comparisons, [table], out / "figures", config, "compare", text_tables)
    said = [f"{label.value}: {count}" for label, count in tally(comparisons).items()]
    texts = [_short(markdown(table)) for table, there in zip(text_tables, (rows, pairs), strict=False) if there]
    return "\n".join([*texts, f"claims: {', '.join(said) or 'none'}", f"page: {out / 'report' / 'index.html'}"])


def _short(text: str) -> str:
    lines = text.splitlines()
    head = [line for line in lines if line.startswith("|")]
    rest = [line for line in lines if not line.startswith("|")]
    more = [f"... and {len(head) - _MOST_ROWS} more rows in tables/"] if len(head) > _MOST_ROWS else []
    return "\n".join([rest[0], "", *head[:_MOST_ROWS], *more, *rest[2:]])
