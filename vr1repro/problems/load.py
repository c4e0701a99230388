"""Load problems from a configured source; bad rows are left out, counted by reason and kept for the reader."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vr1repro.benchmarks.base import Numbering, identity
from vr1repro.config.problems import ProblemSource
from vr1repro.core.adapter_names import AUTO
from vr1repro.core.errors import UserError
from vr1repro.core.fetch import snapshot
from vr1repro.core.images import BadImage, FolderImages, ImageStore, ZipImages, decode
from vr1repro.core.jsonl import read_lines, write_rows
from vr1repro.core.outside import json_file
from vr1repro.core.parquet import open_parquet, parquet_rows
from vr1repro.core.provenance import MANIFEST
from vr1repro.core.records import Problem
from vr1repro.core.rows import ID_COLUMNS, BadRow
from vr1repro.problems import lookup
from vr1repro.problems.schema import Schema


@dataclass
class Skips:
    """The rows that were left out. A benchmark's denominator shrinks by them, so they are always reported."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, number: int, identity: str | None, reason: str, detail: str) -> None:
        """Note one row: its number in the source (from 0), its id where it has one, why."""
        self.rows.append({"row": number, "id": identity, "reason": reason, "detail": detail[:500]})

    def counts(self) -> dict[str, int]:
        """Number of rows by reason, sorted by reason."""
        return dict(sorted(Counter(str(row["reason"]) for row in self.rows).items()))

    def write(self, path: Path) -> None:
        """Write `skipped.jsonl`."""
        write_rows(path, self.rows)


def load_problems(source: ProblemSource, skips: Skips | None = None, *, blind: bool = False) -> Iterator[Problem]:
    """Problems of a source, in its order.

    Args:
        source: Where they are, and in which schema.
        skips: Collects what was left out: no answer, image missing, unreadable, empty or over the pixel limit, id seen
            before, and whatever else an adapter refuses.
        blind: Keep a row whose image is missing or bad, without it, and count it all the same.

    Yields:
        Problems whose image can be decoded.

    Raises:
        UserError: The source cannot be read, its columns fit no schema, or not one row is a problem.
    """
    skips = Skips() if skips is None else skips
    seen: set[str] = set()
    numbering: Numbering | None = None
    schema: Schema | None = None
    rows, store = _open(source)
    for number, row in enumerate(rows):
        if schema is None:
            schema = _schema(source, row)
            numbering = None if schema.numbered is None else schema.numbered()
        if numbering is not None:
            # Before a row can be left out, so that a bad row moves no other's number.
            row = numbering.numbered(row)
        try:
            try:
                problem = _problem(source, schema, row, number, store)
            except BadImage as error:
                if not blind:
                    raise
                skips.add(number, _identity(row), error.reason, str(error))
                problem = _problem(source, schema, _without_image(row), number, None)
            if problem.id in seen:
                raise BadRow("duplicate_id", problem.id)
        except (BadRow, BadImage) as error:
            skips.add(number, _identity(row), error.reason, str(error))
            continue
        except (KeyError, TypeError, ValueError, AttributeError, ValidationError) as error:
            skips.add(number, _identity(row), "bad_row", f"{type(error).__name__}: {error}")
            continue
        seen.add(problem.id)
        yield problem
        if source.limit is not None and len(seen) >= source.limit:
            return
    if not seen:
        why = next((f"; the first: {row['detail']}" for row in skips.rows if row["detail"]), "")
        raise UserError(f"{_name(source)}: no row is a problem ({skips.counts() or 'there are none'}){why}")


def _problem(
    source: ProblemSource, schema: Schema, row: Mapping[str, Any], number: int, store: ImageStore | None
) -> Problem:
    problem = schema.adapt(row, number, store)
    if problem.image is None:
        if not source.text_only:
            raise BadImage("no_image")
    else:
        decode(problem.image, source.max_pixels)
    return problem if source.source is None else problem.model_copy(update={"source": source.source})


def _without_image(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("image", "images", "decoded_image", "file_name")}


def _schema(source: ProblemSource, row: Mapping[str, Any]) -> Schema:
    name = lookup.schema_of(frozenset(row)) if source.adapter == AUTO else source.adapter
    if name is None:
        raise UserError(
            f"{_name(source)}: the columns {', '.join(sorted(row))} fit no known schema"
            f" ({', '.join(lookup.names())}); set `adapter`"
        )
    return lookup.schema(name)


def _identity(row: Mapping[str, Any]) -> str | None:
    known = identity(row, ID_COLUMNS)
    return None if known is None else known[:200]


def _name(source: ProblemSource) -> str:
    return f"{source.id}@{source.revision or 'newest'}" if source.kind == "hub" else str(source.path)


def _open(source: ProblemSource) -> tuple[Iterator[dict[str, Any]], ImageStore | None]:
    if source.kind == "path":
        path = Path(str(source.path))
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
        return _open_local(source, path)
    if source.path is not None:
        patterns = [source.path, *([source.images, f"{source.images}/*"] if source.images else [])]
        folder, _ = snapshot(str(source.id), source.revision, "dataset", patterns)
        return _open_local(source, folder / source.path)
    folder, _ = snapshot(str(source.id), source.revision, "dataset", None)
    return _folder_rows(source, folder), None


def _open_local(source: ProblemSource, path: Path) -> tuple[Iterator[dict[str, Any]], ImageStore | None]:
    folder = path if path.is_dir() else path.parent
    store = _images(folder / source.images) if source.images else FolderImages(folder)
    if not path.is_dir():
        return _file_rows(path), store
    files = (file for pattern in ("*.jsonl", "*.json") for file in path.glob(pattern))
    lines = sorted(file for file in files if file.name != MANIFEST)  # what `core.fetch.link` closes a folder with
    if any(path.rglob("*.parquet")) or not lines:
        return _folder_rows(source, path), store
    if source.split is not None:
        lines = [file for file in lines if source.split in file.stem] or lines
    if len(lines) > 1:
        raise UserError(f"{path}: holds {', '.join(file.name for file in lines)}; name one of them as the path")
    return _file_rows(lines[0]), store


def _images(path: Path) -> ImageStore:
    if not path.exists():
        raise UserError(f"{path}: the images are not there; set `images` to a folder or a zip file")
    return FolderImages(path) if path.is_dir() else ZipImages(path)


def _file_rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.suffix == ".parquet":
        return _parquet_rows(path)
    if path.suffix == ".jsonl":
        return (values for _, values in read_lines(path))
    if path.suffix == ".json":
        return _json_rows(path)
    raise UserError(f"{path}: not a .parquet, .jsonl or .json file")


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    yield from parquet_rows(open_parquet(path, "problems"), path, "problems", 64)


def _json_rows(path: Path) -> Iterator[dict[str, Any]]:
    values = json_file(path)
    # MathVista's GitHub file is an object from id to row, the others are lists.
    rows = list(values.values()) if isinstance(values, dict) else values
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{path}: must be a list of objects, or an object of objects")
    yield from rows


def _folder_rows(source: ProblemSource, folder: Path) -> Iterator[dict[str, Any]]:
    """Rows of a data set's folder by the `datasets` library, images left encoded. No code in it is ever run."""
    import datasets

    try:
        data = datasets.load_dataset(str(folder), source.name, split=source.split)
    except Exception as error:  # the library raises dozens of kinds, from HTTP errors to failed casts
        raise UserError(f"{_name(source)}: cannot be loaded: {type(error).__name__}: {error}") from None
    if isinstance(data, datasets.DatasetDict):
        if len(data) > 1:
            raise UserError(f"{_name(source)}: has the splits {', '.join(data)}; set `split`")
        data = next(iter(data.values()))
    for column, feature in data.features.items():
        if isinstance(feature, datasets.Image):
            data = data.cast_column(column, datasets.Image(decode=False))
        elif isinstance(feature, datasets.List) and isinstance(feature.feature, datasets.Image):
            data = data.cast_column(column, datasets.List(datasets.Image(decode=False)))
    yield from data
