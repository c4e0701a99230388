"""Make `numbers.json` from the list of published facts: ids, classes, targets and arithmetic by explicit rules.

`python -m vr1repro.published.build FACTS NUMBERS` rewrites the committed file; a test keeps the two in step. Facts are
JSON rows of table, version, model, benchmark, subset, metric, value and source. `further.json`, committed beside the
result, has those that the list lacks: statements of the running text and of Figure 1's caption, settings that are
words, the leaderboard's scores. Its rows may name a formula and its operands, which are ids.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.published.targets import ARMS, BASELINE_ARMS, target
from vr1repro.published.values import Arithmetic, Formula, PublishedValue, Status, ValueClass, compute

Row = Mapping[str, Any]

# Short forms of the sources' own version labels, for ids.
_VERSIONS = {
    "v1": "v1",
    "v4": "v4",
    "v1,v4": "v1-v4",
    "v1,v4,README": "v1-v4-readme",
    "README": "readme",
    "README@c43f080": "readme-c43f080",
    "repo": "repo",
    "v1,README (v4 caption the same, v4 image not seen)": "v1",
    "v1 Fig. 4, v4 Fig. 3, README": "v1-v4-readme",
    "third-party rerun": "third-party",
    "third-party count": "third-party",
    "third-party": "third-party",
}
_THIRD_PARTY = ("third-party", "third-party rerun", "third-party count")
_SUPERSEDED = "README@c43f080"

# Where the operands of a printed difference stand: the table of the delta row -> the table of the two models.
_DELTA_TABLES = {
    "Table 1 (delta row)": "Table 1",
    "README Performance (delta in brackets)": "README Performance",
    "Sec. 4.2": "Table 3",
}
_BASE_OF = {
    "Vision-R1-7B": "Qwen2.5-VL-7B",
    "Vision-R1-32B*": "Qwen2.5-VL-32B",
    "Vision-R1-72B*": "Qwen2.5-VL-72B",
}
_MEAN_TABLES = frozenset(
    {"Table 1", "figs/result_7B.png", "README Performance", "Table 5", "Table 6"}
    | {"figs/result_7B.png (first upload, superseded)"}
)
_BEST_NOTE = "the best checkpoint of every fifth step in the final 50, chosen on the benchmarks (v4 App. A)"
# Statements of the running text: (table, benchmark) -> formula and the printed numbers it is about.
_STATEMENTS: dict[tuple[str, str], tuple[Formula, tuple[str, ...]]] = {
    ("Abstract", "average over math benchmarks"): (
        Formula.DIFFERENCE,
        (
            "v1.table-1.vision-r1-7b.avg.3-benchmark-mean.accuracy-pct",
            "v1.table-1.qwen2-5-vl-7b.avg.3-benchmark-mean.accuracy-pct",
        ),
    ),
    ("Abstract", "MathVista"): (
        Formula.DIFFERENCE,
        (
            "v1.table-1.openai-o1.mathvista.all.accuracy-pct",
            "v1.table-1.vision-r1-7b.mathvista.all.accuracy-pct",
        ),
    ),
    ("Sec. 1", "average vs base"): (
        Formula.MEAN,
        (
            "v4.table-1-delta-row.vision-r1-32b-vs-qwen2-5-vl-32b.avg.4-benchmark-mean.delta-pp",
            "v4.table-1-delta-row.vision-r1-72b-vs-qwen2-5-vl-72b.avg.4-benchmark-mean.delta-pp",
        ),
    ),
}
# Points of Figure 1 E that lie under a red star: their values were taken from v1's Table 4, not off the curve.
_TABLE_4 = "v1.table-4.{}.avg-of-mathvista-mathverse-mm-math.accuracy-pct"
_CURVE_E = "v1.fig-1e.{}.rl-training-curve.step-{}.avg-benchmark-accuracy-pct"
_REPEATS = {
    _CURVE_E.format("vision-r1-long", 0): _TABLE_4.format("vision-r1-ci"),
    _CURVE_E.format("vision-r1-ours", 0): _TABLE_4.format("vision-r1-ci"),
    _CURVE_E.format("vision-r1-ours", 200): _TABLE_4.format("vision-r1-ours"),
}
# Sources that the list of facts cuts short.
_LEADERBOARD = (
    "mathvista/mathvista.github.io@855ca9b:data/results/model_scores.js (2025-04-27), the official leaderboard's file;"
    " another paper's MathVista table (two copies) agrees"
)
_SOURCES = {
    f"third-party.mathvista-reference.math-llava-13b.mathvista.{skill}.accuracy-pct": _LEADERBOARD
    for skill in ("alg", "ari")
}
FURTHER = "further.json"


def further_facts() -> list[Row]:
    """The facts that are committed here, each with its source."""
    rows: list[Row] = json.loads(files(__package__).joinpath(FURTHER).read_text(encoding="utf-8"))
    return rows


def identify(row: Row) -> str:
    """The stable id of a row: version.table.model.benchmark[.subset].metric, each in lower case and dashes."""
    parts = (row["table"], row["model"], row["benchmark"], row["subset"], row["metric"])
    return ".".join([_VERSIONS[row["version"]], *(slug for part in parts if (slug := _slug(part)))])


def _slug(text: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", text.lower().replace("%", "pct").replace("+", "-plus-"))
    return words.strip("-")


def classify(row: Row) -> ValueClass:
    """The class of a row; the first rule that fits decides.

    1. metric `setting` -> setting, `phenomenon` -> phenomenon, `answer` -> example. 2. a value of Figure 1 that was
    taken from a table -> derived. 3. marked as approximate (read off a curve) -> digitised. 4. a delta, a stated
    improvement, gap, rank or ratio, or a mean whose parts stand in the same table -> derived. 5. a third party's
    measurement, or a label that the authors replaced -> quoted baseline. 6. a count of words -> claim, whatever the
    text counted in: the authors counted. 7. a model that the paper did not train -> quoted baseline. 8. the rest ->
    claim.
    """
    if (kind := _CLASS_OF_METRIC.get(row["metric"])) is not None:
        return kind
    if identify(row) in _REPEATS:
        return ValueClass.DERIVED
    if row.get("approx"):
        return ValueClass.DIGITISED
    if row["metric"] in ("delta_pp", "pp") or row["metric"].startswith("improvement") or "formula" in row:
        return ValueClass.DERIVED
    if _is_mean(row):
        return ValueClass.DERIVED
    if row["version"] in _THIRD_PARTY or row["version"] == _SUPERSEDED:
        return ValueClass.QUOTED_BASELINE
    if row["metric"] == "count":
        return ValueClass.CLAIM
    arm = ARMS.get(row["model"])
    return ValueClass.QUOTED_BASELINE if arm is None or arm in BASELINE_ARMS else ValueClass.CLAIM


_WITHOUT_DIGITS = (ValueClass.SETTING, ValueClass.PHENOMENON)
_CLASS_OF_METRIC = {
    "setting": ValueClass.SETTING,
    "phenomenon": ValueClass.PHENOMENON,
    "answer": ValueClass.EXAMPLE,
}


def _is_mean(row: Row) -> bool:
    return row["table"] in _MEAN_TABLES and row["benchmark"].startswith("Avg.")


def build(rows: Iterable[Row]) -> list[PublishedValue]:
    """Published values of all rows, in their order.

    Raises:
        UserError: Two rows would have the same id, or a row's version label is unknown.
    """
    facts = list(rows)
    unknown = {row["version"] for row in facts} - set(_VERSIONS)
    if unknown:
        raise UserError(f"published facts: unknown version labels {sorted(unknown)}; name them in {__name__}")
    by_id: dict[str, Row] = {}
    for row in facts:
        if (key := identify(row)) in by_id:
            raise UserError(f"published facts: two rows with the id {key}; give one of them another subset")
        by_id[key] = row
    return [_value(key, row, by_id) for key, row in by_id.items()]


def _value(key: str, row: Row, by_id: Mapping[str, Row]) -> PublishedValue:
    kind = classify(row)
    keys = ("table", "version", "model", "benchmark", "subset", "metric", "value", "source")
    optional, about = ("note", "step", "ptst_stage", "stages", "relation"), target(row)
    return PublishedValue.model_validate(
        {name: row[name] for name in keys}
        | ({"note": _BEST_NOTE} if about is not None and about.checkpoint else {})
        | {name: row[name] for name in optional if name in row}
        | {
            "id": key,
            "class": kind,
            "source": _SOURCES.get(key, row["source"]),
            "rounding": _rounding_of_setting(row) if kind in _WITHOUT_DIGITS else _rounding(row),
            "target": about,
            "arithmetic": _arithmetic(row, by_id) if kind is ValueClass.DERIVED else None,
        }
    )


def _rounding_of_setting(row: Row) -> float | None:
    """Sizes of sets are printed in thousands ("200K"); other settings are exact, and phenomena are no numbers."""
    value = row["value"]
    in_thousands = row["benchmark"] == "data" and isinstance(value, int) and value >= 1000 and value % 1000 == 0
    return 500.0 if in_thousands else None


def _rounding(row: Row) -> float:
    """Half a unit of the last printed digit; the stated tolerance where a curve was digitised."""
    if "tolerance" in row:
        return float(str(row["tolerance"]).removeprefix("+-").split()[0])
    return 0.5 if isinstance(row["value"], int) else 0.05


def _arithmetic(row: Row, by_id: Mapping[str, Row]) -> Arithmetic | None:
    formula, operands = _operands(row, by_id)
    if not operands or (len(operands) < 2 and formula is not Formula.REPEAT):
        return None
    values = [float(by_id[key]["value"]) for key in operands]
    computed = compute(formula, values)
    return Arithmetic(
        formula=formula,
        operands=tuple(operands),
        computed=round(computed, 4),
        status=_status(row, computed, _slack(formula, [_rounding(by_id[key]) for key in operands])),
    )


def _slack(formula: Formula, errors: Sequence[float]) -> float:
    """How far the operands' own rounding may move what a formula gives; a rank and a ratio of sizes take none."""
    match formula:
        case Formula.MEAN:
            return sum(errors) / len(errors)
        case Formula.DIFFERENCE:
            return errors[0] + errors[1]
        case Formula.MEAN_DIFFERENCE:
            return 2 * sum(errors) / len(errors)
        case Formula.RANK | Formula.RATIO | Formula.REPEAT:
            return 0.0


def _status(row: Row, computed: float, slack: float) -> Status:
    dust = 1e-9
    if row.get("relation") == "over":
        return Status.EXACT if computed > row["value"] else Status.DISAGREES
    distance, rounding = abs(computed - row["value"]), _rounding(row)
    if distance <= rounding + dust:
        return Status.EXACT
    return Status.WITHIN_ROUNDING if distance <= rounding + slack + dust else Status.DISAGREES


def _operands(row: Row, by_id: Mapping[str, Row]) -> tuple[Formula, Sequence[str]]:
    """Formula and ids of the printed numbers that a derived row is about; no ids where they are not printed."""
    if "formula" in row:
        return Formula(row["formula"]), row["operands"]
    if (printed := _REPEATS.get(identify(row))) is not None:
        return Formula.REPEAT, [printed]
    if (statement := _STATEMENTS.get((row["table"], row["benchmark"]))) is not None:
        return statement
    if row["metric"] == "delta_pp":
        first, _, second = row["model"].partition(" vs ")
        models = (first, second or _BASE_OF[first])
        return Formula.DIFFERENCE, _find(
            by_id, row, _DELTA_TABLES[row["table"]], models, row["benchmark"], row["subset"]
        )
    parts = [
        key
        for key, other in by_id.items()
        if (other["table"], other["version"], other["model"]) == (row["table"], row["version"], row["model"])
        and not other["benchmark"].startswith("Avg.")
        and (other["subset"] in ("", "ALL", "Average", "Overall", "Overall; Avg", "mini Vision_Only"))
    ]
    if row["version"] == _SUPERSEDED:
        # The first upload differs from its successor in two cells only; its other cells are the successor's.
        kept = {by_id[key]["benchmark"] for key in parts}
        parts += [
            key
            for key, other in by_id.items()
            if (other["table"], other["model"]) == ("figs/result_7B.png", row["model"])
            and other["benchmark"] not in kept
            and other["subset"] in ("ALL", "Average")
        ]
    return Formula.MEAN, parts


def _find(
    by_id: Mapping[str, Row], row: Row, table: str, models: Sequence[str], benchmark: str, subset: str
) -> list[str]:
    keys = [(table, row["version"], model, benchmark, subset) for model in models]
    index = {(r["table"], r["version"], r["model"], r["benchmark"], r["subset"]): key for key, r in by_id.items()}
    return [index[key] for key in keys if key in index]


def dump(values: Iterable[PublishedValue]) -> str:
    """The committed file's text: one value a line, absent keys left out."""
    lines = (
        json.dumps(value.model_dump(mode="json", by_alias=True, exclude_none=True), ensure_ascii=False)
        for value in values
    )
    return "[\n" + ",\n".join(lines) + "\n]\n"


def main(facts: Path, numbers: Path) -> None:
    """Rewrite `numbers` from `facts` and those of `further.json`."""
    write_atomically(numbers, dump(build([*json.loads(facts.read_text(encoding="utf-8")), *further_facts()])))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
