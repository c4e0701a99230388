"""What adapters of training sets share: the question and reply of a conversation, and the final answer of a reply."""

import re
from collections.abc import Mapping
from itertools import pairwise

from vr1repro.answers.completion import ANSWER_CLOSE, ANSWER_OPEN, FINAL_ANSWER
from vr1repro.core.rows import BadRow, Row, boxed

_CONCLUSION = re.compile(r"<CONCLUSION>(.*?)</CONCLUSION>", re.DOTALL | re.IGNORECASE)
_FINAL = re.compile(re.escape(ANSWER_OPEN) + r"\s*(?:" + re.escape(FINAL_ANSWER) + r")?(.*?)" + ANSWER_CLOSE, re.DOTALL)
# Mulberry closes its steps with "### The final answer is: X".
_SENTENCE = re.compile(r"(?:the\s+)?final answer(?:\s+is)?\s*:?\s*(.+?)\s*\.?\s*$", re.IGNORECASE | re.MULTILINE)


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
        *(match.strip() for match in _SENTENCE.findall(reply)[-1:]),
    ]
    for candidate in candidates:
        if candidate:
            return str(candidate)
    raise BadRow("no_answer", "the reply has no conclusion")


def first_turn(row: Row, role: str, content: str, askers: tuple[str, ...]) -> tuple[str, str]:
    """The first question of a row's `conversations`, and the reply to it.

    Args:
        row: A row; its turns are objects.
        role: A turn's key for who speaks, tried first.
        content: A turn's key for the text, tried first.
        askers: Names of the roles whose turns are questions.

    Raises:
        BadRow: No question is followed by a reply.
    """
    turns = [turn for turn in row.get("conversations") or [] if isinstance(turn, Mapping)]
    # Both spellings occur among re-uploads of these sets.
    spoken = [(turn.get(role) or turn.get("role") or turn.get("from"), _content(turn, content)) for turn in turns]
    for (asker, question), (answerer, reply) in pairwise(spoken):
        if asker in askers and answerer not in askers and question and reply:
            return question, reply
    raise BadRow("no_conversation", "no question followed by a reply")


def without_placeholder(text: str) -> str:
    """A question without the mark of its picture."""
    return text.replace("<image>", "").strip()


def _content(turn: Row, key: str) -> str:
    value = turn.get(key) or turn.get("content") or turn.get("value") or ""
    return value if isinstance(value, str) else ""
