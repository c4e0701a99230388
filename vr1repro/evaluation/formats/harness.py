"""Sample files of lm-eval and lmms-eval: a row holds the question's document, and one or more samples.

lm-eval writes a row again for each of its filters; the samples are the same, so the first filter's rows are read.
lmms-eval leaves out the document in its newer versions, and `resps` where a filter changed nothing; the id then stands
in what its metrics return (`question_id`, `sample_index`, ...), or else the row's number is all there is.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vr1repro.core.errors import BadResponses
from vr1repro.evaluation.formats.containers import Row

SAMPLES = "<samples>"  # as a column of the rows that are made here


def unpacked(path: Path, rows: Iterator[tuple[int, Row]], response: str | None = None) -> Iterator[tuple[int, Row]]:
    """Rows with the columns of document and metrics on one level, and their samples as a list of texts.

    Args:
        path: Their file.
        rows: Its rows.
        response: The column that holds the samples, where a user names one.

    Raises:
        BadResponses: A row holds no generated text.
    """
    first_filter: Any = None
    for line, row in rows:
        first_filter = first_filter or row.get("filter")
        if row.get("filter") != first_filter:
            continue
        document = row["doc"] if isinstance(row.get("doc"), dict) else {}
        metrics = [value for value in row.values() if isinstance(value, dict) and value is not row.get("doc")]
        flat: Row = {}
        for part in (row, *metrics, document):
            flat |= {name: value for name, value in part.items() if isinstance(value, str | int | float)}
        flat["target"] = row.get("target", flat.get("answer"))
        flat[SAMPLES] = _samples(path, line, row, response)
        if (n_tokens := _tokens(row)) is not None and len(flat[SAMPLES]) == 1:
            flat["n_tokens"] = n_tokens
        yield line, flat


def _tokens(row: Row) -> int | None:
    """Completion tokens of a row's first sample, as lmms-eval counts them; None where it did not."""
    counts = row.get("token_counts")
    first = counts[0] if isinstance(counts, list) and counts else None
    number = first.get("output_tokens") if isinstance(first, dict) else None
    return number if isinstance(number, int) else None


def _samples(path: Path, line: int, row: Row, response: str | None) -> list[str]:
    name = response or ("resps" if row.get("resps") is not None else "filtered_resps")
    value = row.get(name)
    listed = value if isinstance(value, list) else [value]
    samples = [text for item in listed for text in (item if isinstance(item, list) else [item])]
    texts = [text for text in samples if isinstance(text, str)]
    if not samples or len(texts) < len(samples):
        raise BadResponses(f"{path}:{line}: `{name}` holds no generated text; a task of `generate_until` writes it")
    return texts
