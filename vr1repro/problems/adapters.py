"""Rows of the data sets in use, made into problems: one small function a schema.

Every key that a sub-score of the papers' tables needs is kept in `metadata` under the data set's own name.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from vr1repro.answers.completion import ANSWER_CLOSE, ANSWER_OPEN, FINAL_ANSWER
from vr1repro.core.records import Problem
from vr1repro.problems.images import ImageStore, encoded

Row = Mapping[str, Any]


class BadRow(Exception):
    """A row that is no problem. `reason` is one of a few words that are counted."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


@dataclass(frozen=True)
class Schema:
    """How rows of one kind are known and adapted.

    Attributes:
        columns: A row that has all of these is of this kind.
        adapt: Makes the problem, from the row, its number in the file and where image paths lead.
        repeats: Ids come several times, and rows are numbered by `problems.variants` before they are adapted.
    """

    columns: frozenset[str]
    adapt: Callable[[Row, int, ImageStore | None], Problem]
    repeats: bool = False


def mathvista(row: Row, _number: int, images: ImageStore | None) -> Problem:
    """MathVista (AI4Math/MathVista): `choices` are texts, the gold of a choice question is the choice's text."""
    keys = ("question_type", "answer_type", "unit", "precision")
    return Problem(
        id=_text(row, "pid"),
        source="mathvista",
        question=_text(row, "question"),
        answer=_gold(row, "answer"),
        choices=_choices(row.get("choices")),
        image=encoded(row.get("decoded_image") or row.get("image"), images),
        metadata={**dict(row.get("metadata") or {}), **{key: row.get(key) for key in keys}},
    )


def mathverse(row: Row, _number: int, images: ImageStore | None) -> Problem:
    """MathVerse (AI4Math/MathVerse): one row a problem and version; Vision Only has an empty question."""
    keys = ("problem_index", "problem_version", "question_type", "question_for_eval")
    return Problem(
        id=_text(row, "sample_index"),
        source="mathverse",
        question=str(row.get("question") or ""),
        answer=_gold(row, "answer"),
        image=encoded(row.get("image"), images),
        metadata={**dict(row.get("metadata") or {}), **{key: row[key] for key in keys if key in row}},
    )


def mmmath(row: Row, number: int, images: ImageStore | None) -> Problem:
    """MM-Math (THU-KEG/MM_Math, MM_Math.jsonl): rows have no id; the gold stands in the solution's boxes.

    The official scorer joins all boxes of the solution with commas (eval.py, AutoScoringJudge), so the answer is that
    string and `metadata.solution` the whole text.
    """
    solution = _text(row, "solution")
    boxes = boxed(solution)
    if not boxes:
        raise BadRow("no_answer", "no box in the solution")
    # The hub's auto-converted Parquet has the picture itself in `image`; MM_Math.jsonl names a file of Image.zip.
    file_name = row.get("file_name")
    return Problem(
        id=str(row["id"]) if row.get("id") is not None else str(number),
        source="mmmath",
        question=_text(row, "question"),
        answer=",".join(boxes),
        image=encoded(row.get("image") or file_name, images),
        metadata={
            "solution": solution,
            **{key: row[key] for key in ("difficult", "year", "knowledge") if key in row},
            "file_name": file_name if isinstance(file_name, str) else None,
        },
    )


def mathvision(row: Row, _number: int, images: ImageStore | None) -> Problem:
    """MathVision (MathLLMs/MathVision): five options or none; options that are just A to E say nothing."""
    return Problem(
        id=_text(row, "id"),
        source="mathvision",
        question=_text(row, "question"),
        answer=_gold(row, "answer"),
        choices=_choices(row.get("options")),
        image=encoded(row.get("decoded_image") or row.get("image"), images),
        metadata={key: row.get(key) for key in ("level", "subject", "solution")},
    )


def dynamath(row: Row, _number: int, images: ImageStore | None) -> Problem:
    """DynaMath (DynaMath/DynaMath_Sample): a split a variant; a seed question has the same `id` in each.

    The row comes with `seed` and `variant`, see `Schema.repeats`. Options stand in the question's text.
    """
    return Problem(
        id=_text(row, "id"),
        source="dynamath",
        question=_text(row, "question"),
        answer=_gold(row, "ground_truth"),
        image=encoded(row.get("decoded_image") or row.get("image"), images),
        metadata={key: row.get(key) for key in ("seed", "variant", "answer_type", "subject", "knowledge_level")},
    )


def rl_set(row: Row, number: int, images: ImageStore | None) -> Problem:
    """RL sets in the columns of hiyouga/geometry3k (images, problem, answer), which EasyR1 trains on."""
    return Problem(
        id=str(row["id"]) if row.get("id") is not None else str(number),
        source="rl",
        question=_without_placeholder(_text(row, "problem")),
        answer=_gold(row, "answer"),
        image=encoded(row.get("images"), images),
        metadata={key: row[key] for key in ("data_source", "source", "subject") if isinstance(row.get(key), str)},
    )


def llava_cot(row: Row, _number: int, images: ImageStore | None) -> Problem:
    """LLaVA-CoT-100k (Xkev/LLaVA-CoT-100k): id, image and a human-gpt conversation with <CONCLUSION>."""
    question, reply = _first_turn(row, "from", "value", ("human", "user"))
    return Problem(
        id=_text(row, "id"),
        source="llava-cot",
        question=_without_placeholder(question),
        answer=final_answer(reply),
        image=encoded(row.get("image"), images),
        metadata={"reply": reply, "image_path": row["image"] if isinstance(row.get("image"), str) else None},
    )


def mulberry(row: Row, number: int, images: ImageStore | None) -> Problem:
    """Mulberry-SFT (HuanjinYao/Mulberry-SFT): images and a user-assistant conversation with a conclusion."""
    turns = row.get("conversations") or row.get("messages")
    question, reply = _first_turn({"conversations": turns}, "role", "content", ("user", "human"))
    return Problem(
        id=str(row["id"]) if row.get("id") is not None else str(number),
        source="mulberry",
        question=_without_placeholder(question),
        answer=final_answer(reply),
        image=encoded(row.get("images"), images),
        metadata={"reply": reply},
    )


def ours(row: Row, _number: int, images: ImageStore | None) -> Problem:
    """What `write_problems` wrote."""
    import json

    metadata = row.get("metadata") or {}
    return Problem(
        id=_text(row, "id"),
        source=_text(row, "source"),
        question=str(row.get("question") or ""),
        answer=_gold(row, "answer"),
        choices=_choices(row.get("choices")),
        image=encoded(row.get("image"), images),
        metadata=json.loads(metadata) if isinstance(metadata, str) else dict(metadata),
    )


# In the order in which `schema_of` tries them: the more telling columns first.
SCHEMAS: dict[str, Schema] = {
    "problems": Schema(frozenset({"id", "source", "question", "answer", "image", "metadata"}), ours),
    "mathvista": Schema(frozenset({"pid", "question", "answer", "question_type", "answer_type"}), mathvista),
    "mathverse": Schema(frozenset({"sample_index", "problem_version", "answer"}), mathverse),
    "mmmath": Schema(frozenset({"question", "solution", "file_name", "difficult"}), mmmath),
    "mathvision": Schema(frozenset({"id", "question", "options", "answer", "level", "subject"}), mathvision),
    "dynamath": Schema(
        frozenset({"id", "question", "ground_truth", "answer_type", "knowledge_level"}), dynamath, repeats=True
    ),
    "rl": Schema(frozenset({"images", "problem", "answer"}), rl_set),
    "llava-cot": Schema(frozenset({"id", "image", "conversations"}), llava_cot),
    "mulberry": Schema(frozenset({"images", "conversations"}), mulberry),
}


def schema_of(columns: frozenset[str]) -> str | None:
    """The name of the first schema whose columns are all there; None where there is none."""
    if {"images", "messages"} <= columns:
        return "mulberry"
    return next((name for name, schema in SCHEMAS.items() if schema.columns <= columns), None)


def boxed(text: str) -> list[str]:
    r"""The contents of all complete `\boxed{...}` in order, braces matched."""
    found = []
    start = text.find(r"\boxed{")
    while start >= 0:
        begin = start + len(r"\boxed{")
        depth, end = 1, begin
        while end < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        if depth:
            break
        found.append(text[begin : end - 1])
        start = text.find(r"\boxed{", end)
    return found


_CONCLUSION = re.compile(r"<CONCLUSION>(.*?)</CONCLUSION>", re.DOTALL | re.IGNORECASE)
_FINAL = re.compile(re.escape(ANSWER_OPEN) + r"\s*(?:" + re.escape(FINAL_ANSWER) + r")?(.*?)" + ANSWER_CLOSE, re.DOTALL)
# Mulberry closes its steps with "### The final answer is: X".
_SAID = re.compile(r"(?:the\s+)?final answer(?:\s+is)?\s*:?\s*(.+?)\s*\.?\s*$", re.IGNORECASE | re.MULTILINE)


def final_answer(reply: str) -> str:
    """The answer that a chain-of-thought reply of a training set ends with.

    Looked for in this order: the <CONCLUSION> of LLaVA-CoT, the <answer> of the cold-start format, the last box, the
    last "The final answer is: X" of Mulberry.

    Raises:
        BadRow: None of them is there, or it is empty.
    """
    candidates = [
        *(match.strip() for match in _CONCLUSION.findall(reply)[-1:]),
        *(match.strip() for match in _FINAL.findall(reply)[-1:]),
        *boxed(reply)[-1:],
        *(match.strip() for match in _SAID.findall(reply)[-1:]),
    ]
    for candidate in candidates:
        if candidate:
            return str(candidate)
    raise BadRow("no_answer", "the reply has no conclusion")


def _first_turn(row: Row, who: str, what: str, asking: tuple[str, ...]) -> tuple[str, str]:
    turns = [turn for turn in row.get("conversations") or [] if isinstance(turn, Mapping)]
    # Both spellings occur among re-uploads of these sets.
    spoken = [(turn.get(who) or turn.get("role") or turn.get("from"), _said(turn, what)) for turn in turns]
    for (asker, question), (answerer, reply) in pairwise(spoken):
        if asker in asking and answerer not in asking and question and reply:
            return question, reply
    raise BadRow("no_conversation", "no question followed by a reply")


def _said(turn: Row, what: str) -> str:
    value = turn.get(what) or turn.get("content") or turn.get("value") or ""
    return value if isinstance(value, str) else ""


def _without_placeholder(text: str) -> str:
    return text.replace("<image>", "").strip()


def _text(row: Row, key: str) -> str:
    value = row.get(key)
    if value is None or value == "":
        raise BadRow("no_" + ("id" if key in ("id", "pid", "sample_index") else key), f"column {key!r} is empty")
    return str(value)


def _gold(row: Row, key: str) -> str:
    value = row.get(key)
    if value is None or not str(value).strip():
        raise BadRow("no_answer", f"column {key!r} is empty")
    return str(value)


def _choices(value: Any) -> list[str] | None:
    return [str(choice) for choice in value] if value is not None and len(value) else None
