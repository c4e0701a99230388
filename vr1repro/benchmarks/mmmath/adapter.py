"""Rows of MM-Math as problems."""

from vr1repro.core.images import ImageStore, encoded
from vr1repro.core.records import Problem
from vr1repro.core.rows import BadRow, Row, boxed, text


def adapt(row: Row, number: int, images: ImageStore | None) -> Problem:
    """MM-Math (THU-KEG/MM_Math, MM_Math.jsonl): rows have no id; the gold stands in the solution's boxes.

    The official scorer joins all boxes of the solution with commas (eval.py, AutoScoringJudge), so the answer is that
    string and `metadata.solution` the whole text.
    """
    solution = text(row, "solution")
    boxes = boxed(solution)
    if not boxes:
        raise BadRow("no_answer", "no box in the solution")
    # The hub's auto-converted Parquet has the picture itself in `image`; MM_Math.jsonl names a file of Image.zip.
    file_name = row.get("file_name")
    return Problem(
        id=str(row["id"]) if row.get("id") is not None else str(number),
        source="mmmath",
        question=text(row, "question"),
        answer=",".join(boxes),
        image=encoded(row.get("image") or file_name, images),
        metadata={
            "solution": solution,
            **{key: row[key] for key in ("difficult", "year", "knowledge") if key in row},
            "file_name": file_name if isinstance(file_name, str) else None,
        },
    )
