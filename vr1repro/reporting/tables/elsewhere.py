"""What of each stage that another engine trained has no exact counterpart there."""

from collections.abc import Iterator, Mapping
from typing import Any

from vr1repro.core.outside import json_object
from vr1repro.reporting.run.results import MICRO_NOTE, Results
from vr1repro.reporting.tables.render import TextTable

COUNTERPARTS = "train/*/s*/*/counterparts.json"
# Classes that no result depends on, beyond their number.
_COUNTED = ("exact", "operational")


def elsewhere_tables(results: Results) -> list[TextTable]:
    """One table where an engine trained anything; none where all was trained here."""
    rows: list[list[str]] = []
    for path in sorted(results.run.glob(COUNTERPARTS)):
        folder, seed, stage = path.relative_to(results.run / "train").parts[:3]
        rows.extend(_rows(f"{folder} {seed} {stage}", json_object(path)))
    if not rows:
        return []
    text = (
        "Stages that LLaMA-Factory, verl or EasyR1 trained (docs/engines.md), and each key of theirs that means"
        " something else there, with why and by how much. Exact: the same; operational: no effect on data or optimum."
    )
    return [
        TextTable(
            key="elsewhere",
            title="What was trained by other engines, and what differs",
            header=("Stage", "Engine", "Key", "Value", "There", "Why"),
            rows=rows,
            note=text if results.comparable else f"{MICRO_NOTE}. {text}",
            text_columns=6,
        )
    ]


def _rows(stage: str, made: Mapping[str, Any]) -> Iterator[list[str]]:
    engine = f"{made['engine']} {made['version'][:9]}"
    counts = made["counts"]
    alike = ", ".join(f"{counts.get(name, 0)} {name}" for name in _COUNTED)
    yield [stage, engine, f"{sum(counts.values())} keys", "", alike, made["support"]]
    for row in made["keys"]:
        if row["likeness"] not in _COUNTED:
            yield [stage, engine, row["key"], str(row["value"]), row["likeness"], row["why"]]
