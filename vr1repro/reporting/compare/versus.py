"""Anyone's model against published numbers and against other models: rows, verdicts, tables and page."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vr1repro.core.errors import UserError
from vr1repro.published import PublishedValue, Target, ValueClass, load_values
from vr1repro.published.targets import ARMS, target
from vr1repro.reporting.claims.comparison import Comparison, as_table, compare_published
from vr1repro.reporting.run.questions import subset_name
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.tables.render import DASH, TextTable, estimate, number

_STAND_IN = "Vision-R1-7B"  # a printed name with an arm; targets are made for it and then turned to the model
_KINDS = (ValueClass.CLAIM, ValueClass.QUOTED_BASELINE, ValueClass.DERIVED)


def published(name: str) -> list[PublishedValue]:
    """The scores printed for a model, under every spelling of its name.

    Raises:
        UserError: No such model; the message names close ones.
    """
    import difflib

    names = list(dict.fromkeys(value.model for value in load_values() if value.value_class in _KINDS))
    spelt = next((known for known in names if known.lower() == name.lower()), None)
    if spelt is None:
        close = ", ".join(difflib.get_close_matches(name, names, n=5, cutoff=0.3))
        raise UserError(f"published:{name}: nothing is printed for it" + (f"; close: {close}" if close else ""))
    same = {other for other in names if other == spelt or (spelt in ARMS and ARMS.get(other) == ARMS[spelt])}
    return [
        value for value in load_values() if value.model in same and value.value_class in _KINDS and value.step is None
    ]


def score_file(path: Path, benchmark: str) -> list[PublishedValue]:
    """The scores of an official MathVista score file, as its leaderboard takes them.

    Raises:
        UserError: It is not such a file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        scores = {("", ""): content["average"]}
        scores |= {(g, n): part for g, names in content.items() if g != "average" for n, part in names.items()}
        return [_scored(path, benchmark, group, name, str(part["accuracy"])) for (group, name), part in scores.items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not a score file ({error!r}); needs `average` and groups with `accuracy`") from None


def _scored(path: Path, benchmark: str, group: str, name: str, printed: str) -> PublishedValue:
    subset = subset_name(benchmark, group, name) if group else "overall"
    decimals = len(printed.partition(".")[2])
    return PublishedValue.model_validate(
        {
            "id": f"{path.stem}.{benchmark}.{subset}",
            "class": ValueClass.CLAIM,
            "table": path.name,
            "version": "score file",
            "model": path.stem,
            "benchmark": benchmark,
            "subset": f"{group}: {name}" if group else "",
            "metric": "accuracy_%",
            "value": float(printed),
            "source": path.name,
            "rounding": 0.5 * 10.0**-decimals,
            "target": Target(arm=path.stem, benchmark=benchmark, subset=subset, quantity="accuracy"),
        }
    )


def against(values: Sequence[PublishedValue], arm: str, results: Results) -> list[Comparison]:
    """Compare one of our models with printed numbers, each taken to speak about it."""
    return compare_published([_turned(value, arm) for value in values], results)


def _turned(value: PublishedValue, arm: str) -> PublishedValue:
    meant = value.target
    if meant is None:
        row: dict[str, Any] = value.model_dump() | {"model": _STAND_IN}
        meant = target(row)
    return value if meant is None else value.model_copy(update={"target": meant.model_copy(update={"arm": arm})})


def comparison_table(rows: Sequence[tuple[str, Comparison]], note: str) -> TextTable:
    """Models beside printed numbers; what several places print alike is one row, the CSV keeps all.

    Numbers without a counterpart are counted in the note, and stand in the CSV with their reason.
    """
    found: dict[tuple[object, ...], list[tuple[str, Comparison]]] = {}
    for arm, row in rows:
        if row.ours is not None:
            value = row.published
            same = (arm, value.target, value.value, value.value_class, row.judgement.label)
            found.setdefault(same, []).append((arm, row))
    cells = [_cells(*alike[0], [row.published for _, row in alike]) for alike in found.values()]
    left = sum(row.ours is None for _, row in rows)
    text = f"{note} {left} printed numbers have no counterpart here; comparison.csv lists them and why."
    header = list(cells[0]) if cells else ["Model", "Printed for"]
    table = [list(cell.values()) for cell in cells]
    return TextTable(
        key="comparison", title="Against printed numbers", header=header, rows=table, note=text, text_columns=5
    )


def _cells(arm: str, row: Comparison, alike: Sequence[PublishedValue]) -> dict[str, str]:
    value, judged = row.published, row.judgement
    expected = judged.prediction
    return {
        "Model": arm,
        "Printed for": value.model,
        "Where": "; ".join(f"{one.version.partition(' (')[0]} {one.table}" for one in alike),
        "Benchmark": " ".join(part for part in (value.benchmark, value.subset) if part),
        "Verdict": judged.label.value,
        "Printed": str(value.value),
        "Ours": estimate(row.ours),
        "Difference": number(row.difference, signed=True),
        "One new draw": DASH if expected is None else f"+-{number(expected.half_width)}",
        "Seen with 80 %": number(judged.detectable),
        "Why": re.sub(r"\s+", " ", judged.reason),
    }


def csv_rows(rows: Sequence[tuple[str, Comparison]]) -> str:
    """Every row with all that is known about it; the first column is our model."""
    table = as_table(row for _, row in rows)
    table.insert(0, "ours_model", [arm for arm, _ in rows])
    return str(table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
