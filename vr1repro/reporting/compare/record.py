"""`comparison.json`: what a comparison was made of, so that `vr1repro why` can read its folder again."""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from vr1repro.config.reporting import ReportSettings
from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.core.outside import json_object
from vr1repro.published import PublishedValue
from vr1repro.reporting.claims.comparison import Comparison, compare_published
from vr1repro.reporting.compare.answer_table import answer_tables
from vr1repro.reporting.compare.answers import answers_of
from vr1repro.reporting.compare.foreign import open_assembled
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.tables.table import Table, arms_table
from vr1repro.reporting.tables.why import Explained

RECORD = "comparison.json"
RUN = "run"  # the assembled run, in the folder of a comparison


class Printed(BaseModel):
    """A printed number that a model was compared with."""

    model_config = ConfigDict(extra="forbid")
    arm: str
    value: PublishedValue


class Record(BaseModel):
    """A comparison.

    Attributes:
        models: Folders below `run/eval`, in their order.
        comparable: Whether the models may be compared with printed numbers.
        same_weights: As the option of that name.
        printed: What they were compared with.
    """

    model_config = ConfigDict(extra="forbid")
    models: list[str]
    settings: ReportSettings
    comparable: bool
    same_weights: bool
    printed: list[Printed]


def write_record(out: Path, record: Record) -> None:
    """Write `comparison.json`."""
    content = record.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    write_atomically(out / RECORD, json.dumps(content, indent=1, sort_keys=True) + "\n")


def open_comparison(out: Path) -> Explained:
    """The results and tables of a comparison's folder, for `why`.

    Raises:
        UserError: The record is bad or was written by another version.
    """
    path = out / RECORD
    try:
        record = Record.model_validate(json_object(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: {place}: {first['msg']}; compare again with this version") from None
    results = open_assembled(
        out / RUN, record.models, record.settings, comparable=record.comparable, same_weights=record.same_weights
    )
    compared = compare_published([one.value for one in record.printed], results)
    rows = [(one.arm, row) for one, row in zip(record.printed, compared, strict=True)]
    return Explained(results=results, config=path, tables=comparison_tables(results, rows), written=out / "tables")


def comparison_tables(results: Results, rows: Sequence[tuple[str, Comparison]]) -> list[Table]:
    """The tables of a comparison: the paper's columns, and where a benchmark has none there, the models' scores."""
    tables = answer_tables(results, answers_of(rows))
    covered = {cell.target.benchmark for table in tables for _, _, cell in table.cells() if cell.target}
    return tables if covered >= set(results.benchmarks) else [*tables, arms_table(results)]
