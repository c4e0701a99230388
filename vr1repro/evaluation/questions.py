"""A benchmark's questions from files, and the question that a response answers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read_lines
from vr1repro.evaluation.scoring.base import Benchmark, Question, Row, identity
from vr1repro.problems.variants import Variants, in_order

_RESPONSE_IDS = ("id", "pid", "sample_index", "question_id", "index")


def read_questions(target: Benchmark, path: Path) -> dict[str, Question]:
    """The questions of a benchmark by id, without their pictures.

    Rows may be in the benchmark's own columns or in those of `write_problems`. A row without id has its number
    (from 0) as id.

    Raises:
        UserError: Nothing is there, a file is unreadable, or an id stands twice.
    """
    files = [path]
    if path.is_dir():
        files = in_order(path.glob("**/*.jsonl")) + in_order(path.glob("**/*.parquet"))
    if not files:
        raise UserError(f"{path}: no JSONL or Parquet file of questions here")
    asked: dict[str, Question] = {}
    rows = (row for file in files for row in _question_rows(file))
    variants = Variants()
    for number, row in enumerate(rows):
        question = _own_columns(target.slug, row)
        if target.worst_case:
            question = variants.numbered(question)
        key = identity(question, target.id_keys)
        if key is None:
            key = str(number)
            question[target.id_keys[0]] = key
        if key in asked:
            raise UserError(f"{path}: the question {key!r} stands twice; keep one file of each question")
        asked[key] = question
    return asked


def _question_rows(file: Path) -> Iterator[Question]:
    if file.suffix != ".parquet":
        yield from (values for _, values in read_lines(file))
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{file}: not a Parquet file of questions: {error}") from None
    # Pictures are the bulk of such a file and decide no verdict; a path of a picture is kept, it names a cluster.
    columns = [field.name for field in table.schema_arrow if not _holds_bytes(field.type)]
    for batch in table.iter_batches(batch_size=1024, columns=columns, use_threads=False):
        yield from batch.to_pylist()


def _holds_bytes(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return any(_holds_bytes(kind.field(index).type) for index in range(kind.num_fields))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _holds_bytes(kind.value_type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _own_columns(slug: str, row: Question) -> Question:
    """A row of `write_problems` in the benchmark's own columns; other rows as they are."""
    metadata = row.get("metadata")
    if not (isinstance(metadata, str) and "source" in row):
        return row
    values: dict[str, Any] = json.loads(metadata)
    question = {**values, **row, "metadata": values}
    if slug == "mathvision":
        question["options"] = row.get("choices") or []
    return question


def question_of(asked: dict[str, Question], row: Row, target: Benchmark, file: Path, number: int) -> Question:
    """The question that a response row answers.

    Raises:
        UserError: The row has no id, or there is no such question.
    """
    key = identity(row, (*_RESPONSE_IDS, *target.id_keys))
    if key is None:
        names = ", ".join(_RESPONSE_IDS)
        raise UserError(f"{file}:{number}: the row has no id; name its question under one of {names}")
    if key not in asked:
        raise UserError(f"{file}:{number}: {target.slug} has no question {key!r} among the {len(asked)} given")
    return asked[key]
