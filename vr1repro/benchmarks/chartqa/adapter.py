"""Rows of ChartQA as problems."""

from vr1repro.benchmarks.chartqa import golds_of, source_of
from vr1repro.core.images import ImageStore, encoded
from vr1repro.core.records import Problem, sha256
from vr1repro.core.rows import BadRow, Row, text


def adapt(row: Row, number: int, images: ImageStore | None) -> Problem:
    """ChartQA: HuggingFaceM4/ChartQA (query, label), or lmms-lab/ChartQA (question, answer); rows have no id."""
    golds = golds_of(dict(row))
    if not golds or not golds[0].strip():
        raise BadRow("no_answer", "the label is empty")
    image = encoded(row.get("image"), images)
    return Problem(
        id=str(row["id"]) if row.get("id") is not None else str(number),
        source="chartqa",
        question=text(row, "query" if row.get("query") is not None else "question"),
        answer=golds[0],
        image=image,
        metadata={
            "label": golds,
            "type": source_of(dict(row)),
            "chart": None if image is None else sha256(image)[:16],
        },
    )
