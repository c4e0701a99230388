"""What `vr1repro compare` writes: the assembled run, tables, figures and the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from vr1repro.config.reporting import ReportSettings
from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.reporting.claims.comparison import Comparison
from vr1repro.reporting.claims.family import family_of
from vr1repro.reporting.claims.pairs import ArmPair, arm_pairs
from vr1repro.reporting.compare import foreign, printed
from vr1repro.reporting.compare.answers import (
    Answer,
    answers_of,
    comparison_table,
    in_sentences,
    pairs_in_sentences,
    printed_scores,
    regraded,
    rows_of,
    scorers_of,
    tally,
    without,
)
from vr1repro.reporting.compare.foreign import GradingOptions, find_responses
from vr1repro.reporting.compare.origins import origins
from vr1repro.reporting.compare.record import RECORD, RUN, Printed, Record, comparison_tables, write_record
from vr1repro.reporting.compare.regrading import Regrading, response_sources
from vr1repro.reporting.figures.build import draw_compared
from vr1repro.reporting.figures.catalogue import COMPARED_FIGURES
from vr1repro.reporting.lineage.sources import Sources
from vr1repro.reporting.page.build import ReportContents, write_report
from vr1repro.reporting.page.compared_front import ComparedFront
from vr1repro.reporting.run.coverage import partly_answered
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.tables.build import write_table_sources
from vr1repro.reporting.tables.files import write_tables
from vr1repro.reporting.tables.our_tables import pairs_table, scorers_table, variance_table
from vr1repro.reporting.tables.render import TextTable
from vr1repro.reporting.tables.scores_csv import score_table, write_scores
from vr1repro.reporting.tables.table import note

_FORMATS = ("csv", "md", "tex", "html")


@dataclass(frozen=True)
class ComparisonRequest:
    """What `vr1repro compare` is asked for.

    Attributes:
        responses: `--responses`.
        against: `--against`.
        margin: Declared margin in points; None for the default.
        same_weights: Whether the models are the printed numbers' own.
        training_sd: Points by which a score differs when a recipe is trained again, and where that is from.
    """

    responses: Sequence[str]
    against: Sequence[str]
    margin: float | None = None
    same_weights: bool = False
    training_sd: tuple[float, str] | None = None


def report(request: ComparisonRequest, grading: GradingOptions, out: Path) -> str:
    """Compare and write everything below `out`.

    Returns:
        The answers in sentences.

    Raises:
        UserError: A file is bad or a name unknown.
    """
    settings = ReportSettings(profile=grading.profile, protocol=grading.protocol)
    if request.margin is not None:
        settings = settings.model_copy(update={"margins": {"default": request.margin}})
    if request.training_sd is not None:
        sd, source = request.training_sd
        settings = settings.model_copy(update={"training_sd": sd, "training_sd_source": source})
    values = [value for model in _named(request.against, "published:") for value in printed.scores_printed_for(model)]
    ours = [one for argument in request.responses for one in find_responses(argument)]
    others = [one for one in request.against if not one.startswith(("published:", "scores:"))]
    if unnamed := next((one for one in others if printed.is_score_file(Path(one))), None):
        raise UserError(f"--against {unnamed}: is a score file; name it so: --against scores:{unnamed}")
    theirs = [one for argument in others for one in find_responses(argument)]
    if twice := {one.model for one in ours} & {one.model for one in theirs}:
        raise UserError(f"{min(twice)}: the same name on both sides; give NAME=PATH")
    record = origins([*ours, *theirs])
    models = foreign.assemble_run(out / RUN, [*ours, *theirs], grading)
    regrading = Regrading(
        sources=response_sources([*ours, *theirs], grading),
        against=request.against,
        protocol=grading.protocol,
        out=out,
    )
    lacking = regrading.lacking(out / RUN, grading.profile)
    results = foreign.open_assembled(
        out / RUN,
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
    their_arms = _arms(results, out, [one.model for one in theirs])
    sides = (set(our_arms), set(their_arms)) if theirs else None
    write_record(
        out,
        Record(
            models=models,
            settings=settings,
            comparable=results.comparable,
            same_weights=request.same_weights,
            printed=[Printed(arm=arm, value=row.published) for arm, row in rows],
        ),
    )
    answers, pairs = answers_of(rows), arm_pairs(results, sides)
    commands = [*lacking, *regraded(results, answers, regrading)]
    front = _front(results, answers, pairs, their_arms, commands)
    tables = _own_tables(results, answers, pairs, record.note)
    return _write(out, results, rows, answers, front, tables, record.note)


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
    answers: Sequence[Answer],
    front: ComparedFront,
    own_tables: Sequence[TextTable],
    made_of: str,
) -> str:
    contents = ReportContents(
        name="compare",
        config=(out / RECORD).read_text(encoding="utf-8"),
        comparisons={one.key: one.row for one in front.rows},
        tables=comparison_tables(results, rows),
        own_tables=own_tables,
        figures=COMPARED_FIGURES,
        compared=front,
    )
    _forget_tables(out / "tables")
    write_tables(out / "tables", contents.tables, contents.own_tables)
    write_table_sources(out / "tables", contents.tables, Sources(results))
    write_scores(out / "tables" / "scores.csv", score_table(results.frame, results.settings))
    write_atomically(out / "tables" / "comparison.csv", printed.comparison_csv(rows))
    draw_compared(results, printed_scores(answers), out / "figures")
    write_report(out / "report", results, out / "figures", contents)
    lines = [*in_sentences(results, answers, front.regraded), *front.pairs, *partly_answered(results), *front.tally]
    if made_of:
        lines.append(made_of)
    if contents.tables:
        lines.append(f"for a paper: {out / 'tables' / contents.tables[0].key.lower()}.tex")
    return "\n".join([*lines, f"page: {out / 'report' / 'index.html'}"])


def _front(
    results: Results,
    answers: Sequence[Answer],
    pairs: Sequence[ArmPair],
    theirs: Sequence[str],
    commands: Sequence[str],
) -> ComparedFront:
    beside = dict.fromkeys([*(one.beside for one in answers), *(results.label(arm) for arm in theirs)])
    ours = [results.label(arm) for arm in results.evaluated if arm not in theirs]
    family = family_of((one.row for one in answers), results.settings.confidence)
    return ComparedFront(
        title=", ".join(ours) + (f" beside {', '.join(beside)}" if beside else ""),
        tally=tally(results, answers),
        chance=family.chance(results.settings.confidence),
        scorers=scorers_of(answers),
        regraded=commands,
        would_tell=family.would_tell,
        rows=rows_of(answers),
        without=without(answers),
        pairs=pairs_in_sentences(results, pairs),
    )


def _own_tables(results: Results, answers: Sequence[Answer], pairs: Sequence[ArmPair], made_of: str) -> list[TextTable]:
    """The long tables, those that have rows."""
    tables = [
        comparison_table(results, answers, f"{note(results)} {made_of}"),
        pairs_table(results, pairs),
        scorers_table(results),
        variance_table(results),
    ]
    return [table for table in tables if table.rows]


def _forget_tables(folder: Path) -> None:
    """Remove an earlier comparison's tables, of which this one may have fewer."""
    for key, suffix in product(("t1", "t2", "arms", "comparison", "pairs", "scorers", "variance"), _FORMATS):
        (folder / f"{key}.{suffix}").unlink(missing_ok=True)
