"""What a benchmark's own columns say about a question: its cluster, its stratum, its sub-scores and its class.

Which columns these are is the scoring package's knowledge (`vr1repro.evaluation.scoring`); here they are only read,
and never the pictures.
"""

import re
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from vr1repro.core.errors import UserError
from vr1repro.evaluation.scoring import BENCHMARKS
from vr1repro.problems.variants import Variants, in_order

EXCLUDED = "excluded"  # stratum of questions that the overall score leaves out (MathVerse's Text Only)
_IDS = ("id", "question_id", "index")  # for benchmarks that the scoring package does not know

# (benchmark, group, name) of the sub-scores that the paper prints, and their short names there.
_PRINTED: Mapping[tuple[str, str, str], str] = {
    ("mathvista", "task", "geometry problem solving"): "gps",
    ("mathvista", "task", "math word problem"): "mwp",
    ("mathvista", "skills", "geometry reasoning"): "geo",
    ("mathvista", "skills", "algebraic reasoning"): "alg",
    ("mathvista", "skills", "arithmetic reasoning"): "ari",
    ("mathverse", "version", "Vision Only"): "vision-only",
}


def read_questions(folder: Path, benchmark: str, class_of: str | None = None) -> pd.DataFrame:
    """One row a question: id, cluster, stratum, subsets (tuple of names), klass, question, answer.

    Args:
        folder: Parquet files in the benchmark's hub schema.
        benchmark: Its slug.
        class_of: What the classes of the per-class figure are: a group of the benchmark's scores (`task`,
            `difficulty`, ...), or else a column, dots entering structures.

    Raises:
        UserError: There is no Parquet file, or the same id stands twice.
    """
    frame = pd.DataFrame([_describe(key, row, benchmark, class_of) for key, row in rows(folder, benchmark)])
    if (twice := frame["id"][frame["id"].duplicated()]).size:
        raise UserError(f"{folder}: the id {twice.iloc[0]!r} stands twice; ids must be unique in a benchmark")
    return frame


def rows(folder: Path, benchmark: str, *, pictures: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
    """A benchmark's rows in their order, each with its question's id.

    Args:
        folder: Parquet files in the benchmark's hub schema.
        benchmark: Its slug.
        pictures: Read the pictures too, a few rows at a time.

    Raises:
        UserError: There is no Parquet file.
    """
    files = in_order(folder.glob("**/*.parquet"))
    if not files:
        raise UserError(f"{folder}: no Parquet file of questions; make the benchmark's problems first")
    rules = BENCHMARKS.get(benchmark)
    keys = rules.id_keys if rules else _IDS
    variants = Variants() if rules and rules.worst_case else None
    found = (row for file in files for row in _rows(file, pictures))
    for number, row in enumerate(found):
        row = variants.numbered(row) if variants else row
        yield str(next((row[name] for name in keys if row.get(name) is not None), number)), row


def without_pictures(file: Path) -> bytes:
    """A Parquet file of questions, its pictures left out."""
    import pyarrow.parquet as pq

    buffer = BytesIO()
    source = pq.ParquetFile(file)
    table = source.read(columns=_columns(source, pictures=False), use_threads=False)
    pq.write_table(table, buffer, compression="none")  # the archive around it compresses better
    return buffer.getvalue()


def _rows(file: Path, pictures: bool) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    source = pq.ParquetFile(file)
    for batch in source.iter_batches(64 if pictures else 4096, columns=_columns(source, pictures), use_threads=False):
        yield from batch.to_pylist()


def _columns(source: Any, pictures: bool) -> list[str]:
    schema = source.schema_arrow
    return [name for name in schema.names if pictures or not _is_picture(schema.field(name).type)]


def subset_name(benchmark: str, group: str, name: str) -> str:
    """The short name of a sub-score: the paper's where it prints one, else `group-name`."""
    printed = _PRINTED.get((benchmark, group, name))
    return printed or re.sub(r"[^a-z0-9]+", "-", f"{group} {name}".lower()).strip("-")


def _is_picture(kind: Any) -> bool:
    """The hub's Image feature is a struct of bytes and path; plain binary is a picture too."""
    import pyarrow.types as types

    if types.is_struct(kind):
        return any(types.is_binary(field.type) or types.is_large_binary(field.type) for field in kind)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _describe(key: str, row: Mapping[str, Any], benchmark: str, class_of: str | None) -> dict[str, Any]:
    rules = BENCHMARKS.get(benchmark)
    groups = list(rules.groups(dict(row))) if rules else []
    stratum = "all"
    if rules and rules.overall:
        own = dict(groups).get(rules.overall)
        stratum = own if own in rules.members else EXCLUDED
    klass = dict(groups).get(class_of, _dig(row, class_of)) if class_of else None
    return {
        "id": key,
        "cluster": rules.cluster(dict(row)) if rules else key,
        "stratum": stratum,
        "subsets": tuple(dict.fromkeys(subset_name(benchmark, group, name) for group, name in groups)),
        "klass": None if klass is None else str(klass),
        **stated(row),
    }


def stated(row: Mapping[str, Any]) -> dict[str, str]:
    """What a question asks and its gold answer, in the words of its row."""
    return {
        "question": str(row.get("question") or row.get("query_wo") or ""),
        "answer": str(row.get("answer") or row.get("ground_truth") or row.get("solution") or ""),
    }


def _dig(row: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(row, Mapping):
            return None
        row = row.get(part)
    return row if isinstance(row, str | int | float) else None
