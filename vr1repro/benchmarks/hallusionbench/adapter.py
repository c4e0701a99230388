"""Rows of HallusionBench as problems."""

from vr1repro.benchmarks.hallusionbench import composed_id
from vr1repro.core.images import ImageStore, encoded
from vr1repro.core.records import Problem
from vr1repro.core.rows import BadRow, Row, gold, text


def adapt(row: Row, _number: int, images: ImageStore | None) -> Problem:
    """HallusionBench (lmms-lab/HallusionBench, or HallusionBench.json of its repository): gold 1 is Yes, 0 is No.

    A question without a picture has none whatever its columns hold; `text_only` of a source keeps it.
    """
    identifier = composed_id(dict(row))
    if identifier is None:
        raise BadRow("no_id", "a column of category, subcategory, set_id, figure_id, question_id is empty")
    keys = ("category", "subcategory", "visual_input", "set_id", "figure_id", "question_id", "gt_answer_details")
    shown = str(row.get("visual_input")) != "0"
    return Problem(
        id=identifier,
        source="hallusionbench",
        question=text(row, "question"),
        answer={"1": "Yes", "0": "No"}[gold(row, "gt_answer")],
        image=encoded(row.get("image") or row.get("filename"), images) if shown else None,
        metadata={**{key: row.get(key) for key in keys}, "gt_answer": str(row.get("gt_answer"))},
    )
