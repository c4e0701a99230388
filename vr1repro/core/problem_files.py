"""Problems as Parquet, with their pictures, in the layout that the hub's viewer shows."""

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

from pydantic import ValidationError

from vr1repro.core.errors import UserError
from vr1repro.core.files import whole_file
from vr1repro.core.outside import json_cell
from vr1repro.core.parquet import explained_parquet, open_parquet, parquet_rows
from vr1repro.core.records import Problem

# A row group is closed at so many rows or bytes of images: writer and readers hold one, also a reader of single rows.
_GROUP_ROWS, _GROUP_BYTES = 64, 8 * 2**20
_STRING: dict[str, Any] = {"dtype": "string", "_type": "Value"}
HUB_FEATURES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("id", "source", "question", "answer"), _STRING),
    "choices": {"feature": _STRING, "_type": "List"},
    "image": {"_type": "Image"},
    "metadata": _STRING,
}


def write_problems(path: Path, problems: Iterable[Problem]) -> int:
    """Write problems as Parquet, images in the hub's own image struct. Returns the number of rows.

    Columns: id, source, question, answer (string), choices (list of string, nullable), image (struct bytes, path;
    nullable), metadata (JSON text). `datasets.load_dataset("parquet", ...)` decodes the image column. Problems are
    written as they come; only one row group is held.

    Raises:
        UserError: The disk is full or failing.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = problem_schema()
    held: list[dict[str, Any]] = []
    size = total = 0
    with whole_file(path) as stream, pq.ParquetWriter(stream, schema) as writer:
        for problem in problems:
            held.append(problem_row(problem))
            size += len(problem.image or b"")
            total += 1
            if len(held) >= _GROUP_ROWS or size >= _GROUP_BYTES:
                writer.write_table(pa.Table.from_pylist(held, schema=schema))
                held, size = [], 0
        if held or not total:
            writer.write_table(pa.Table.from_pylist(held, schema=schema))
    return total


def problem_schema() -> Any:
    """The Arrow schema of a problem file, with what the hub needs to show its images."""
    import pyarrow as pa

    return pa.schema(
        [
            ("id", pa.string()),
            ("source", pa.string()),
            ("question", pa.string()),
            ("answer", pa.string()),
            ("choices", pa.list_(pa.string())),
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("metadata", pa.string()),
        ],
        metadata={"huggingface": json.dumps({"info": {"features": HUB_FEATURES}})},
    )


def problem_row(problem: Problem) -> dict[str, Any]:
    """A problem as a row of a problem file."""
    return {
        "id": problem.id,
        "source": problem.source,
        "question": problem.question,
        "answer": problem.answer,
        "choices": problem.choices,
        "image": None if problem.image is None else {"bytes": problem.image, "path": None},
        "metadata": json.dumps(problem.metadata, sort_keys=True, ensure_ascii=False),
    }


def read_problems(path: Path, *, pictures: bool = True) -> Iterator[Problem]:
    """Read what `write_problems` wrote.

    Args:
        pictures: Whether they are read too; they are the bulk of a file.

    Raises:
        UserError: The file is missing or is not such a Parquet file.
    """
    table = _opened(path, {"id", "question", "answer", "image"})
    left_out = set() if pictures else {"image"}
    columns = [name for name in table.schema_arrow.names if name in Problem.model_fields.keys() - left_out]
    for row in parquet_rows(table, path, "problems", 256, columns):
        yield _problem(row, path)


class ProblemFile(Sequence[Problem]):
    """The problems of a file by their place, of which only a few row groups are in memory.

    Pictures of a whole training set do not fit beside a model, times the processes of a node. The file is mapped, so
    processes share the pages that the system keeps of it.

    Args:
        path: What `write_problems` wrote.
        held: Row groups kept decoded; training reads rows in random order.

    Raises:
        UserError: The file is missing or is not such a Parquet file.
    """

    def __init__(self, path: Path, held: int = 4) -> None:
        self.path, self._held = path, held
        self._table: Any = None
        self._groups: dict[int, Any] = {}  # the one read last stands last
        groups = self._opened().metadata
        self._starts = [0]
        for group in range(groups.num_row_groups):
            self._starts.append(self._starts[-1] + groups.row_group(group).num_rows)

    def __getstate__(self) -> dict[str, Any]:
        # A worker process opens the file anew.
        return {**self.__dict__, "_table": None, "_groups": {}}

    def __len__(self) -> int:
        return self._starts[-1]

    @overload
    def __getitem__(self, index: int) -> Problem: ...
    @overload
    def __getitem__(self, index: slice) -> list[Problem]: ...
    def __getitem__(self, index: int | slice) -> Problem | list[Problem]:
        """A problem, or some."""
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        group = bisect_right(self._starts, index) - 1
        rows = self._groups.pop(group, None)
        if rows is None:
            with explained_parquet(self.path, "problems"):
                rows = self._opened().read_row_group(group, columns=self._columns)
        self._groups[group] = rows
        while len(self._groups) > self._held:
            del self._groups[next(iter(self._groups))]
        (row,) = rows.slice(index - self._starts[group], 1).to_pylist()
        return _problem(row, self.path)

    def _opened(self) -> Any:
        if self._table is None:
            self._table = _opened(self.path, {"id", "question", "answer", "image"})
            self._columns = [name for name in self._table.schema_arrow.names if name in Problem.model_fields]
        return self._table


def _problem(row: dict[str, Any], path: Path) -> Problem:
    image = row.pop("image", None)
    where = f"{path}: problem {str(row.get('id'))[:100]!r}"
    row["metadata"] = json_cell(row.get("metadata") or "{}", f"{where}: metadata")
    try:
        return Problem(**row, image=None if image is None else image["bytes"])
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{where}: {first['loc'][0]}: {first['msg']}; make the file again") from None


def _opened(path: Path, columns: set[str]) -> Any:
    table = open_parquet(path, "problems", memory_map=True)
    missing = columns - set(table.schema_arrow.names)
    if missing:
        raise UserError(f"{path}: lacks the columns {', '.join(sorted(missing))}")
    return table
