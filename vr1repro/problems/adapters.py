"""Rows of data sets, made into problems: one small function a schema, and the benchmarks' own adapters by name.

Every key that a sub-score of the papers' tables needs is kept in `metadata` under the data set's own name.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from vr1repro.answers.completion import ANSWER_CLOSE, ANSWER_OPEN, FINAL_ANSWER
from vr1repro.benchmarks import lookup
from vr1repro.core import benchmark_folders
from vr1repro.core.errors import UserError
from vr1repro.core.images import ImageStore, encoded
from vr1repro.core.records import Problem
from vr1repro.core.rows import BadRow, Row, boxed, choices, gold, text


@dataclass(frozen=True)
class Schema:
    """How rows of one kind are known and adapted.

    Attributes:
        columns: A row that has all of these is of this kind.
        adapt: Makes the problem, from the row, its number in the file and where image paths lead.
        repeats: Ids come several times, and rows are numbered by `core.variants` before they are adapted.
    """

    columns: frozenset[str]
    adapt: Callable[[Row, int, ImageStore | None], Problem]
    repeats: bool = False


def rl_set(row: Row, number: int, images: ImageStore | None) -> Problem:
    """RL sets in the columns of hiyouga/geometry3k (images, problem, answer), which EasyR1 trains on."""
    return Problem(
        id=str(row["id"]) if row.get("id") is not None else str(number),
        source="rl",
        question=_without_placeholder(text(row, "problem")),
        answer=gold(row, "answer"),
        image=encoded(row.get("images"), images),
        metadata={key: row[key] for key in ("data_source", "source", "subject") if isinstance(row.get(key), str)},
    )


def llava_cot(row: Row, _number: int, images: ImageStore | None) -> Problem:
    """LLaVA-CoT-100k (Xkev/LLaVA-CoT-100k): id, image and a human-gpt conversation with <CONCLUSION>."""
    question, reply = _first_turn(row, "from", "value", ("human", "user"))
    return Problem(
        id=text(row, "id"),
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
        id=text(row, "id"),
        source=text(row, "source"),
        question=str(row.get("question") or ""),
        answer=gold(row, "answer"),
        choices=choices(row.get("choices")),
        image=encoded(row.get("image"), images),
        metadata=json.loads(metadata) if isinstance(metadata, str) else dict(metadata),
    )


# Sets that are no benchmark. `problems` is tried first, for it has the most telling columns, the others last.
OURS = {"problems": Schema(frozenset({"id", "source", "question", "answer", "image", "metadata"}), ours)}
TRAINING = {
    "rl": Schema(frozenset({"images", "problem", "answer"}), rl_set),
    "llava-cot": Schema(frozenset({"id", "image", "conversations"}), llava_cot),
    "mulberry": Schema(frozenset({"images", "conversations"}), mulberry),
}


def names() -> list[str]:
    """All schemas in the order in which `schema_of` tries them."""
    return [*OURS, *lookup.slugs(), *TRAINING]


def schema(name: str) -> Schema:
    """A schema by its name, which for a benchmark is its slug.

    Raises:
        UserError: There is no such schema; the message lists the known.
    """
    generic = {**OURS, **TRAINING}
    if name in generic:
        return generic[name]
    if name not in benchmark_folders.slugs():
        raise UserError(f"adapter {name!r} is not known; take one of auto, {', '.join(names())}")
    benchmark = lookup.facts(name)
    return Schema(benchmark.columns, lookup.adapter(name), repeats=benchmark.numbered)


def schema_of(columns: frozenset[str]) -> str | None:
    """The name of the first schema whose columns are all there; None where there is none."""
    if {"images", "messages"} <= columns:
        return "mulberry"
    known = {**OURS, **TRAINING}
    required = {name: known[name].columns if name in known else lookup.facts(name).columns for name in names()}
    return next((name for name in names() if required[name] <= columns), None)


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
