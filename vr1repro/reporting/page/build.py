"""The report: a folder of pages that opens from a disk. All in it is escaped, and it loads nothing from any network."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from vr1repro.config.run import Config
from vr1repro.core.errors import UserError
from vr1repro.core.files import whole_folder, write_atomically
from vr1repro.core.outside import json_object
from vr1repro.published import ValueClass, load_values
from vr1repro.reporting.claims.comparison import Comparison, compare_published
from vr1repro.reporting.claims.family import family_of
from vr1repro.reporting.claims.judgement import Label
from vr1repro.reporting.claims.overview import ArmSummary, arm_summaries, coverage, headlines, reading
from vr1repro.reporting.claims.phenomena import phenomena
from vr1repro.reporting.claims.settings import our_settings
from vr1repro.reporting.figures.catalogue import FIGURES, FigureKind
from vr1repro.reporting.lineage.making import made_here
from vr1repro.reporting.lineage.sources import FILE, Sources
from vr1repro.reporting.page.cases import case_studies
from vr1repro.reporting.page.compared_front import ComparedFront
from vr1repro.reporting.page.embedding import write_script
from vr1repro.reporting.page.environment import page_environment
from vr1repro.reporting.page.number_sources import NumberSources, manifests
from vr1repro.reporting.page.samples import choose
from vr1repro.reporting.page.strips import strips
from vr1repro.reporting.page.traces import write_traces
from vr1repro.reporting.run.arms import coldset_yield
from vr1repro.reporting.run.results import MICRO_NOTE, Results
from vr1repro.reporting.statistics.rounding import fixed
from vr1repro.reporting.tables import render
from vr1repro.reporting.tables.elsewhere import COUNTERPARTS
from vr1repro.reporting.tables.our_tables import own_tables
from vr1repro.reporting.tables.render import TextTable
from vr1repro.reporting.tables.table import Table, all_tables

PAGES: Mapping[str, str] = {
    "index": "Overview",
    "tables": "Tables",
    "figures": "Figures",
    "traces": "Responses",
    "cases": "Case studies",
    "provenance": "Provenance",
}
# Only files beside the page: 'self' over http; on a disk browsers disagree about what that is, hence file:.
POLICY = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind}-src 'self' file:" for kind in ("script", "style", "img")),
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types vr1",
    ]
)
# A sign beside each verdict, so that none is told by its colour alone.
SIGNS: Mapping[str, str] = {
    Label.REPRODUCED.value: "✓",
    Label.NOT_REPRODUCED.value: "✗",
    Label.WEIGHTS_ONLY.value: "◐",
    Label.DEPENDS.value: "≈",
    Label.NOT_RUN.value: "○",
    Label.SHOWN.value: "✓",
    Label.REVERSED.value: "✗",
    Label.CANNOT_TELL.value: "◐",
    Label.CANNOT_BE_SHOWN.value: "○",
    Label.EQUAL.value: "=",
    Label.DIFFERS.value: "≠",
}
_PIXELS_A_POINT = 1.9  # figures are drawn for paper, at 7 points; a screen needs them larger
_DEFAULT_WIDTH = 900
_OURS = frozenset({"assets", "data", "figures", "pictures", ".snakemake_timestamp"})  # beside the pages themselves
_INPUTS = (
    "problems/*/**/*.parquet",
    "eval/*/*/*/e*/responses.jsonl",
    "eval/*/*/*/e*/verdicts/*.jsonl",
    "eval/*/selected.json",
    "lengths/*/e*/responses.jsonl",
    "train/*/s*/stage*/steps.jsonl",
    COUNTERPARTS,
    "coldset/traces.jsonl",
    "coldset/yield.json",
    "coldset/ablation.jsonl",
    "released/coldset/coldset.parquet",
    "models/*/reading.json",
)


def input_hashes(sources: Sources) -> dict[str, str]:
    """SHA-256 of every file that the report was made from, by its path below the run."""
    return {path: sources.sha(path) for path in sources.matching(_INPUTS)}


@dataclass(frozen=True, kw_only=True)
class ReportContents:
    """A report but for its responses.

    Attributes:
        comparisons: Published numbers beside ours, by the key that each has on the page.
        tables: From `tables.paper`, or `compare.answer_table`.
        own_tables: From `tables.our_tables`.
        figures: Those that it shows.
        compared: First page of a report on models that are not ours; None for a run.
    """

    name: str
    config: str
    comparisons: Mapping[str, Comparison]
    tables: Sequence[Table]
    own_tables: Sequence[TextTable] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, FigureKind] = field(default_factory=lambda: FIGURES)
    compared: ComparedFront | None = None

    @property
    def heading(self) -> str:
        """What the report is of."""
        return self.compared.title if self.compared else f"Vision-R1 reproduction, run {self.name}"

    @property
    def pages(self) -> Mapping[str, str]:
        """Its pages; the paper's printed cases are those of its own model."""
        return {name: title for name, title in PAGES.items() if self.compared is None or name != "cases"}


def make_report(
    results: Results,
    folder: Path,
    figures: Path,
    config_text: str,
    config: Config,
    links: Mapping[str, str] | None = None,
    text_tables: Sequence[TextTable] | None = None,
) -> None:
    """Write a run's report: a folder of pages that opens from a disk.

    Args:
        folder: `results/<run>/report`; replaced as a whole. Its first page is `index.html`.
    """
    contents = ReportContents(
        name=config.run,
        config=config_text,
        comparisons={
            row.published.id: row for row in compare_published(load_values(), results, our_settings(config, results))
        },
        tables=all_tables(results),
        own_tables=own_tables(results) if text_tables is None else text_tables,
        links=links or {},
    )
    write_report(folder, results, figures, contents)


def write_report(folder: Path, results: Results, figures: Path, contents: ReportContents) -> None:
    """Write the report; the folder is replaced as a whole.

    Args:
        folder: `results/<run>/report`.
        contents: All else that it shows.

    Raises:
        UserError: The folder holds files that are not of a report, and so is not replaced; or a file of the run is bad.
    """
    if foreign := sorted(_entries(folder) - _OURS - {f"{page}.html" for page in PAGES}):
        raise UserError(f"{folder}: holds {foreign[0]}, which is not of a report; give an empty or new folder")
    with whole_folder(folder) as aside:
        _fill(aside, results, figures, contents)


def _fill(aside: Path, results: Results, figures: Path, contents: ReportContents) -> None:
    sources, summaries = Sources(results), arm_summaries(results)
    write_script(aside / "data", "numbers", _numbers(sources, summaries, contents))
    responses = write_traces(results, aside)
    for file in files("vr1repro.reporting.page").joinpath("assets").iterdir():
        write_atomically(aside / "assets" / file.name, file.read_bytes())
    facts = {
        "results": results,
        "heading": contents.heading,
        "brand": "compare" if contents.compared else f"run {contents.name}",
        "pages": contents.pages,
        "arms_are": "Model" if contents.compared else "Arm",
        "compared": contents.compared,
        "micro_note": None if results.comparable else MICRO_NOTE,
        **_overview_facts(results, summaries, list(contents.comparisons.values())),
        "responses": responses,
        "tables": contents.tables,
        "own_tables": contents.own_tables,
        "figures": [(name, kind, _figure(figures, name, aside)) for name, kind in contents.figures.items()],
        "figures_made_from": _made_from(figures, aside),
        "cases": case_studies(results) if "cases" in contents.pages else [],
        "inputs": input_hashes(sources),
        "manifests": manifests(sources),
        "config_text": contents.config,
        "links": contents.links,
    }
    _render(aside, facts)


def _numbers(sources: Sources, summaries: Sequence[ArmSummary], contents: ReportContents) -> dict[str, Any]:
    """Data of the page's script: the sources of each number."""
    numbers = NumberSources(sources)
    for table in contents.tables:
        numbers.add_table(table)
    for key, row in contents.comparisons.items():
        numbers.add_comparison(key, row)
    for arm in summaries:
        numbers.add_arm(arm)
    return numbers.as_data()


def _overview_facts(
    results: Results, summaries: Sequence[ArmSummary], comparisons: Sequence[Comparison]
) -> dict[str, Any]:
    """Facts of the first page: arms, published numbers, some responses, the cold-start set, what is missing."""
    labels = {row.judgement.label for row in comparisons}
    classes = {row.published.value_class for row in comparisons}
    published = {row.published.id for row in comparisons}
    return {
        "seeds": len({seed for seed in results.headline["train_seed"] if seed}) if len(results.headline) else 0,
        "arm_summaries": summaries,
        "strips": strips([(arm.accuracy, arm.seeds) for arm in summaries]),
        "coverage": coverage(results),
        "family": family_of(comparisons, results.settings.confidence),
        "headlines": headlines(comparisons),
        "phenomena": [one for one in phenomena(results) if one.published.id in published],
        "rows": comparisons,
        "classes": [one for one in ValueClass if one in classes],
        "labels": [label for label in Label if label in labels],
        "samples": choose(results),
        "reading": reading(results.run),
        "coldset": coldset_yield(results.coldset),
    }


def _entries(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def _render(folder: Path, facts: Mapping[str, Any]) -> None:
    environment = page_environment()
    environment.filters |= {"num": render.number, "est": render.estimate, "between": render.interval, "slug": _slug}
    environment.globals |= {"signs": SIGNS, "policy": POLICY, "made": made_here()}
    for name in facts["pages"]:
        template = "compared" if name == "index" and facts["compared"] else name
        html = environment.get_template(f"{template}.html.j2").render(page=name, **facts)
        write_atomically(folder / f"{name}.html", html)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _made_from(source: Path, out: Path) -> dict[str, dict[str, Any]]:
    """Take `provenance.json` of the figures into the report: the files behind each. Empty where there is none."""
    path = source / FILE
    if not path.exists():
        return {}
    write_atomically(out / "figures" / FILE, path.read_bytes())
    made_from: dict[str, dict[str, Any]] = json_object(path).get("figures", {})
    return made_from


def _figure(source: Path, name: str, out: Path) -> tuple[int, list[str]] | None:
    """Take a figure into the report: its width in CSS pixels and the formats there are; None where it was not drawn.

    As an image an SVG's scripts cannot run, and its ids cannot clash with another's.
    """
    if not (source / f"{name}.svg").exists():
        return None
    formats = [suffix for suffix in ("svg", "pdf", "png") if (source / f"{name}.{suffix}").exists()]
    for suffix in formats:
        write_atomically(out / "figures" / f"{name}.{suffix}", (source / f"{name}.{suffix}").read_bytes())
    points = re.search(rb'width="([\d.]+)pt"', (source / f"{name}.svg").read_bytes())
    return round(float(points[1]) * _PIXELS_A_POINT) if points else _DEFAULT_WIDTH, formats


def summary(results: Results) -> str:
    """One line an arm for the terminal: accuracy with interval and mean tokens, as JSON."""
    lines = []
    for arm in results.evaluated:
        average = results.average(arm, tuple(results.benchmarks))
        length = results.length(arm)
        parts = {"accuracy_%": average, "tokens": length}
        values = {
            name: None
            if part is None
            else {key: float(fixed(getattr(part, key), 2)) for key in ("value", "low", "high")}
            for name, part in parts.items()
        }
        lines.append(json.dumps({"arm": arm, **values}))
    return "\n".join(lines)
