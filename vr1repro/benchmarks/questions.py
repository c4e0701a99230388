"""A benchmark's questions from files, for whoever reads them: graders, the report, and its pictures."""

from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

from vr1repro.benchmarks.base import Benchmark, Question, identity
from vr1repro.core.errors import BadResponses, UserError
from vr1repro.core.jsonl import read_lines
from vr1repro.core.outside import json_cell
from vr1repro.core.parquet import explained_parquet, open_parquet, parquet_rows
from vr1repro.core.variants import in_order

# Names under which a row of responses may give its question's id.
_RESPONSE_IDS = ("id", "pid", "sample_index", "question_id", "index")


def question_rows(benchmark: Benchmark, path: Path, *, pictures: bool = False) -> Iterator[tuple[str, Question]]:
    """A benchmark's questions in their order, each with its id.

    Rows may be in the benchmark's own columns or in those of `write_problems`. A row without id has its number
    (from 0) as id.

    Args:
        path: A JSONL or Parquet file, or a folder of such files.
        pictures: Whether Parquet columns that hold pictures are read too, a few rows at a time.

    Raises:
        UserError: Nothing is there, or a file is unreadable.
    """
    files = [path]
    if path.is_dir():
        files = in_order(path.glob("**/*.jsonl")) + in_order(path.glob("**/*.parquet"))
    if not files:
        raise UserError(f"{path}: no JSONL or Parquet file of questions here; make the benchmark's problems first")
    numbering = None if benchmark.numbered is None else benchmark.numbered()
    rows = ((file, row) for file in files for row in _rows(file, pictures))
    for number, (file, row) in enumerate(rows):
        question = row
        if isinstance(row.get("metadata"), str) and "source" in row:  # a row of `write_problems`
            metadata = json_cell(row["metadata"], f"{file}: question {number}: metadata")
            if not isinstance(metadata, dict):
                raise UserError(f"{file}: question {number}: metadata: must be an object; make the file again")
            question = own_columns(benchmark, row, metadata)
        if numbering is not None:
            question = numbering.numbered(question)
        key = benchmark.id_of(question)
        if key is None:
            key = str(number)
            question[benchmark.id_keys[0]] = key
        yield key, _Columns(question, f"{file}: question {key[:100]!r}")


def read_questions(benchmark: Benchmark, path: Path) -> dict[str, Question]:
    """The questions of a benchmark by id, without their pictures.

    Raises:
        UserError: Nothing is there, a file is unreadable, or an id stands twice.
    """
    questions: dict[str, Question] = {}
    for key, question in question_rows(benchmark, path):
        if key in questions:
            raise UserError(f"{path}: the question {key!r} stands twice; keep one file of each question")
        questions[key] = question
    return questions


def named_rows(
    benchmark: Benchmark, questions: dict[str, Question], rows: Iterable[tuple[int, Question]]
) -> Iterator[tuple[int, Question]]:
    """Rows of responses with their numbers, each under its question's id where it names the question otherwise."""
    if benchmark.naming is None:
        yield from rows
        return
    name = benchmark.naming(questions)
    for number, row in rows:
        yield number, name(row)


def question_of(
    questions: dict[str, Question], row: dict[str, Any], benchmark: Benchmark, file: Path, number: int
) -> Question:
    """The question that a response row answers.

    Raises:
        BadResponses: The row has no id, or there is no such question.
    """
    key = identity(row, (*_RESPONSE_IDS, *benchmark.id_keys))
    if key is None:
        names = ", ".join(dict.fromkeys((*_RESPONSE_IDS, *benchmark.id_keys)))
        raise BadResponses(f"{file}:{number}: the row has no id; name its question under one of {names}")
    if key not in questions:
        raise BadResponses(
            f"{file}:{number}: {benchmark.slug} has no question {key!r} among the {len(questions)} given"
        )
    return questions[key]


def own_columns(benchmark: Benchmark, problem: Question, metadata: Question) -> Question:
    """A problem's fields and metadata as a row in the benchmark's own columns, which its scorers read."""
    question = {**metadata, **problem, "metadata": metadata}
    if benchmark.choices_column is not None:
        question[benchmark.choices_column] = problem.get("choices") or []
    return question


def without_pictures(file: Path) -> bytes:
    """A Parquet file of questions, its pictures left out."""
    import pyarrow.parquet as pq

    buffer = BytesIO()
    source = open_parquet(file, "questions")
    with explained_parquet(file, "questions"):
        table = source.read(columns=_columns(source, pictures=False), use_threads=False)
    pq.write_table(table, buffer, compression="none")  # the archive around it compresses better
    return buffer.getvalue()


class _Columns(Question):
    """A question that names its place where a column is asked for that it does not have."""

    def __init__(self, columns: Question, place: str) -> None:
        super().__init__(columns)
        self._place = place

    def __missing__(self, name: str) -> NoReturn:
        raise UserError(f"{self._place}: has no column {name!r}; add it, or use the benchmark's own file")


def _rows(file: Path, pictures: bool) -> Iterator[Question]:
    if file.suffix != ".parquet":
        yield from (values for _, values in read_lines(file))
        return
    source = open_parquet(file, "questions")
    yield from parquet_rows(source, file, "questions", 64 if pictures else 4096, _columns(source, pictures))


def _columns(source: Any, pictures: bool) -> list[str]:
    # Pictures are the bulk of such a file and decide no verdict; a path of a picture is kept, it names a cluster.
    return [field.name for field in source.schema_arrow if pictures or not _holds_bytes(field.type)]


def _holds_bytes(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return any(_holds_bytes(kind.field(index).type) for index in range(kind.num_fields))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _holds_bytes(kind.value_type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
