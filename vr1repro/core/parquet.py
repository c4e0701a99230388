"""Reading Parquet files that somebody else may have written: a damaged one is a message that names it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vr1repro.core.errors import UserError
from vr1repro.core.limits import limits
from vr1repro.core.outside import refuse_pipes


@contextmanager
def explained_parquet(path: Path, holds: str) -> Iterator[None]:
    """Turn what pyarrow raises on a damaged file into one message.

    Args:
        holds: What the file should hold, for the message.
    """
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        words = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{path}: not a Parquet file of {holds} that can be read: {words[:300]}; get it again"
        ) from None


def open_parquet(path: Path, holds: str, *, memory_map: bool = False) -> Any:
    """Open a file (`pyarrow.parquet.ParquetFile`).

    Raises:
        UserError: It is missing or damaged, or a part of it is past the limits.
    """
    import pyarrow.parquet as pq

    with explained_parquet(path, holds):
        refuse_pipes(path)
        table = pq.ParquetFile(path, memory_map=memory_map)
        groups = [table.metadata.row_group(number).total_byte_size for number in range(table.num_row_groups)]
    if (largest := max(groups, default=0)) > limits().unpacked_bytes:
        raise UserError(
            f"{path}: a row group unpacks to {largest} bytes, the limit is {limits().unpacked_bytes}"
            " (limits.unpacked_bytes)"
        )
    return table


def parquet_rows(
    table: Any, path: Path, holds: str, batch_size: int, columns: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of an open file, a batch in memory at a time.

    Raises:
        UserError: A part of it is damaged.
    """
    with explained_parquet(path, holds):
        batches = table.iter_batches(batch_size, columns=columns, use_threads=False)
    while True:
        with explained_parquet(path, holds):
            batch = next(batches, None)
            rows = None if batch is None else batch.to_pylist()
        if rows is None:
            return
        yield from rows
