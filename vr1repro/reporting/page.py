"""The report: one self-contained HTML page. Everything in it is escaped, and it can load nothing from anywhere."""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vr1repro.provenance import file_sha, made
from vr1repro.published import ValueClass
from vr1repro.records import write_atomically
from vr1repro.reporting import render
from vr1repro.reporting.arms import coldset_yield
from vr1repro.reporting.comparison import MICRO_NOTE, Comparison, contradictions, tally
from vr1repro.reporting.figures import FIGURES
from vr1repro.reporting.results import Results
from vr1repro.reporting.samples import choose
from vr1repro.reporting.scores import accuracy, average_weights, eval_folders, gain
from vr1repro.reporting.statistics import Estimate
from vr1repro.reporting.tables import Table

_PIXELS_A_POINT = 1.9  # figures are drawn for paper, at 7 points; a screen needs them larger
_DEFAULT_WIDTH = 900
_INPUTS = (
    "problems/*/**/*.parquet",
    "eval/*/*/*/e*/responses.jsonl",
    "eval/*/*/*/e*/verdicts/*.jsonl",
    "train/*/s*/stage*/steps.jsonl",
    "coldset/traces.jsonl",
    "coldset/yield.json",
    "models/*/reading.json",
)


@dataclass(frozen=True)
class Gain:
    """An arm against the arm that it starts from.

    Attributes:
        arm: The trained arm's label.
        start: The label of its start.
        estimate: Difference of mean accuracy in points, paired by question, with its interval over questions.
        low_seed: Smallest difference of a training seed.
        high_seed: Largest.
        seeds: Training seeds.
        unpaired: Questions that only one of the two answered.
    """

    arm: str
    start: str
    estimate: Estimate
    low_seed: float
    high_seed: float
    seeds: int
    unpaired: int


def gains(results: Results) -> list[Gain]:
    """Every evaluated arm with stages against its start, and CI against the base model."""
    found = []
    for name in results.evaluated:
        info = results.arms.get(name)
        start = info.parent if info is not None and info.stages else "base" if name == "ci" else None
        if start is None or start == name:
            continue
        after, before = results.final(name), results.final(start)
        shared = set(after["benchmark"]) & set(before["benchmark"])
        after, before = (rows[rows["benchmark"].isin(shared)] for rows in (after, before))
        if after.empty or before.empty:
            continue
        difference = gain(after, before, results.settings)
        by_seed = [_against(part, before, results) for _, part in after.groupby("train_seed")]
        found.append(
            Gain(
                results.label(name),
                results.label(start),
                difference.estimate,
                min(by_seed),
                max(by_seed),
                len(by_seed),
                difference.unpaired,
            )
        )
    return found


def _against(after: Any, before: Any, results: Results) -> float:
    """Difference of one training seed; the start of the same seed where there is one."""
    seed = after["train_seed"].iloc[0]
    same = before[before["train_seed"] == seed]
    start = same if len(same) else before
    scores = [accuracy(rows, results.settings, average_weights(rows)).value for rows in (after, start)]
    return scores[0] - scores[1]


def reading(run: Path) -> dict[str, dict[str, Any]]:
    """How well each pretrained model reads its pictures, by model, from `models/<model>/reading.json`."""
    files = sorted((run / "models").glob("*/reading.json"))
    return {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in files}


def input_hashes(run: Path) -> dict[str, str]:
    """SHA-256 of every file that the report was made from, by its path below the run."""
    paths = sorted({path for pattern in _INPUTS for path in run.glob(pattern)})
    return {path.relative_to(run).as_posix(): file_sha(path) for path in paths}


def coverage(results: Results) -> list[str]:
    """What is missing: selected arms that were not evaluated, and models that answered less than others did."""
    notes = [
        f"{info.label}: not evaluated" + (f"; {info.command}" if info.command else "")
        for name, info in results.arms.items()
        if info.selected and name not in results.evaluated
    ]
    sizes: dict[str, dict[str, int]] = {}
    for name in results.evaluated:
        for benchmark, rows in results.final(name).groupby("benchmark"):
            per_seed = rows.groupby(["train_seed", "eval_seed"])["id"].nunique()
            sizes.setdefault(str(benchmark), {})[name] = int(per_seed.min())
    for benchmark, found in sizes.items():
        full = max(found.values())
        notes += [
            f"{results.label(name)}: {n} of {full} questions of {benchmark}" for name, n in found.items() if n < full
        ]
        notes += [f"{results.label(name)}: no {benchmark}" for name in results.evaluated if name not in found]
    if results.headline.empty and any(True for _ in eval_folders(results.run)):
        notes.append(
            f"no verdicts of protocol {results.settings.protocol} and profile {results.settings.profile}; others exist"
        )
    return notes


def write_page(
    path: Path,
    results: Results,
    comparisons: Sequence[Comparison],
    tables: Iterable[Table],
    figures: Path,
    config_text: str,
    links: Mapping[str, str] | None = None,
) -> None:
    """Write the page.

    Args:
        path: `results/<run>/report/index.html`.
        results: The run.
        comparisons: From `compare`, all published values.
        tables: From `all_tables`.
        figures: Folder with the SVGs of `write_figures`; a missing one is said to be missing.
        config_text: The resolved config, shown as text.
        links: Relative links to other artefacts, by what they are called.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Autoescape is on for everything, and no value is ever marked as safe.
    environment = Environment(
        loader=PackageLoader("vr1repro.reporting"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["num"] = render.number
    environment.filters["est"] = render.estimate
    # Hashes of exactly what `include` will write, for the page's own security policy.
    script, style = (environment.get_template(name).render() for name in ("page.js", "page.css"))
    claims = [row for row in comparisons if row.published.value_class is ValueClass.CLAIM]
    html = environment.get_template("page.html.j2").render(
        script_hash=_csp_hash(script),
        style_hash=_csp_hash(style),
        results=results,
        micro_note=None if results.comparable else MICRO_NOTE,
        tally=tally(comparisons),
        claims=len(claims),
        rows=comparisons,
        classes=list(ValueClass),
        labels=sorted({row.judgement.label.value for row in comparisons}),
        contradictions=contradictions(row.published for row in comparisons),
        gains=gains(results),
        coverage=coverage(results),
        tables=[(table, *render.grid(table)) for table in tables],
        figures=[(name, kind, _image(figures / f"{name}.svg")) for name, kind in FIGURES.items()],
        reading=reading(results.run),
        coldset=coldset_yield(results.run),
        samples=choose(results),
        made=made(),
        inputs=input_hashes(results.run),
        config_text=config_text,
        links=dict(links or {}),
    )
    write_atomically(path, html)


def _csp_hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _image(path: Path) -> tuple[str, int] | None:
    """An SVG as a data address and its width in CSS pixels; None where it was not drawn.

    As an image its scripts cannot run, and its ids cannot clash with another's.
    """
    if not path.exists():
        return None
    svg = path.read_bytes()
    points = re.search(rb'width="([\d.]+)pt"', svg)
    width = round(float(points[1]) * _PIXELS_A_POINT) if points else _DEFAULT_WIDTH
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode(), width
