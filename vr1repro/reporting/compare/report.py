"""What `vr1repro compare` writes: the assembled run, tables, figures and the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vr1repro.config.reporting import ReportSettings
from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.reporting.claims.comparison import Comparison
from vr1repro.reporting.claims.family import family_of
from vr1repro.reporting.claims.pairs import arm_pairs
from vr1repro.reporting.compare import foreign, printed
from vr1repro.reporting.compare.foreign import GradingOptions, find_responses
from vr1repro.reporting.compare.origins import origins
from vr1repro.reporting.figures.build import make_figures
from vr1repro.reporting.page.build import ReportContents, write_report
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.tables.our_tables import pairs_table, scorers_table, variance_table
from vr1repro.reporting.tables.render import markdown, write_tables
from vr1repro.reporting.tables.scores_csv import score_table, write_scores
from vr1repro.reporting.tables.table import arms_table, note

_FIGURES = ("length-accuracy", "graders")
_MOST_ROWS = 40  # on the terminal; the files hold all


@dataclass(frozen=True)
class ComparisonRequest:
    """The options `--responses`, `--against`, `--margin` and `--same-weights` of `vr1repro compare`."""

    responses: Sequence[str]
    against: Sequence[str]
    margin: float | None = None
    same_weights: bool = False


def report(request: ComparisonRequest, grading: GradingOptions, out: Path) -> str:
    """Compare and write everything below `out`.

    Returns:
        The two tables as text.

    Raises:
        UserError: A file is bad or a name unknown.
    """
    settings = ReportSettings(profile=grading.profile, protocol=grading.protocol)
    if request.margin is not None:
        settings = settings.model_copy(update={"margins": {"default": request.margin}})
    values = [value for model in _named(request.against, "published:") for value in printed.scores_printed_for(model)]
    ours = [one for argument in request.responses for one in find_responses(argument)]
    others = [one for one in request.against if not one.startswith(("published:", "scores:"))]
    theirs = [one for argument in others for one in find_responses(argument)]
    if twice := {one.model for one in ours} & {one.model for one in theirs}:
        raise UserError(f"{min(twice)}: the same name on both sides; give NAME=PATH")
    record = origins([*ours, *theirs])
    models = foreign.assemble_run(out / "run", [*ours, *theirs], grading)
    results = foreign.open_assembled(
        out / "run",
        models,
        settings,
        comparable=origins(ours).comparable,
        same_weights=request.same_weights,
    )
    our_arms = _arms(results, out, [one.model for one in ours])
    rows = [(arm, row) for arm in our_arms for row in printed.compare_arm(arm, values, results)]
    for path in map(Path, _named(request.against, "scores:")):
        for arm in our_arms:
            file = path / f"{arm}.json" if path.is_dir() else path
            scores = printed.read_score_file(file, grading.benchmark or "mathvista")
            rows += [(arm, row) for row in printed.compare_arm(arm, scores, results)]
    sides = (set(our_arms), set(_arms(results, out, [one.model for one in theirs]))) if theirs else None
    return _write(out, results, rows, sides, record.note)


def _named(targets: Sequence[str], prefix: str) -> list[str]:
    return [target.removeprefix(prefix) for target in targets if target.startswith(prefix)]


def _arms(results: Results, out: Path, models: Sequence[str]) -> list[str]:
    names = results.frame[["model", "arm"]].drop_duplicates().set_index("model")["arm"].to_dict()
    if missing := [model for model in models if model not in names]:
        raise UserError(f"{out / 'run' / 'eval' / missing[0]}: no verdict was found for it")
    return list(dict.fromkeys(names[model] for model in models))


def _write(
    out: Path,
    results: Results,
    rows: list[tuple[str, Comparison]],
    sides: tuple[set[str], set[str]] | None,
    made_of: str,
) -> str:
    pairs = arm_pairs(results, sides)
    beside_printed = printed.comparison_table(rows, f"{note(results)} {made_of}")
    beside_others = pairs_table(results, pairs)
    contents = ReportContents(
        name="compare",
        config=results.settings.model_dump_json(indent=2),
        comparisons=[row for _, row in rows],
        tables=[arms_table(results)],
        own_tables=[beside_printed, beside_others, scorers_table(results), variance_table(results)],
    )
    write_tables(out / "tables", contents.tables, contents.own_tables)
    write_scores(out / "tables" / "scores.csv", score_table(results.frame, results.settings))
    write_atomically(out / "tables" / "comparison.csv", printed.comparison_csv(rows))
    make_figures(results, out / "figures", _FIGURES)
    write_report(out / "report", results, out / "figures", contents)
    family = family_of(contents.comparisons, results.settings.confidence)
    texts = [_short(markdown(table)) for table, filled in ((beside_printed, rows), (beside_others, pairs)) if filled]
    return "\n".join([*texts, family.sentence(), f"page: {out / 'report' / 'index.html'}"])


def _short(text: str) -> str:
    lines = text.splitlines()
    head = [line for line in lines if line.startswith("|")]
    rest = [line for line in lines if not line.startswith("|")]
    more = [f"... and {len(head) - _MOST_ROWS} more rows in tables/"] if len(head) > _MOST_ROWS else []
    return "\n".join([rest[0], "", *head[:_MOST_ROWS], *more, *rest[2:]])
