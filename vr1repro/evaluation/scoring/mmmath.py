r"""MM-Math: the official judge, a strict one without its tolerances, and our own rules.

Official: a row counts only if gold and response both hold `\boxed{`; see `mmmath_judge`. As committed, that script
prints 0.0 for every model (its arguments are misspelt); what is reproduced is what it does once they are right.
`strict` keeps the judge and drops the percentages and the joining of boxes: the last box counts, floats agree to 1e-6.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from vr1repro.answers.grade import Pair, Work
from vr1repro.core.records import Outcome, Verdict
from vr1repro.evaluation.scoring import mmmath_judge
from vr1repro.evaluation.scoring.base import (
    Benchmark,
    Options,
    Question,
    Row,
    compared,
    extraction_of,
    identity,
    text_of,
)
from vr1repro.evaluation.scoring.mmmath_judge import OFFICIAL, Rules
from vr1repro.evaluation.scoring.peers import mmmath_vlmevalkit

_ID_KEYS = ("id", "question_id", "index")
_STRICT = Rules(precision=1e-6, percent=False, all_boxes=False)
_DIFFICULTY = {"\u5bb9\u6613": "easy", "\u666e\u901a": "medium", "\u56f0\u96be": "hard"}
_GRADES = {"\u4e03": "grade 7", "\u516b": "grade 8", "\u4e5d": "grade 9"}
_KNOWLEDGE = ("Transformations of Shapes", "Properties of Shapes", "Functions")


def gold_text(question: Question) -> str:
    r"""The text with the gold's box: the solution, or the bare answer in a box of its own."""
    solution = question.get("solution")
    if isinstance(solution, str) and "\\boxed{" in solution:
        return solution
    answer = str(question["answer"])
    return answer if "\\boxed{" in answer else f"\\boxed{{{answer}}}"


def _judged(rules: Rules, question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    question_id = str(identity(question, _ID_KEYS))
    response = text_of(row)
    if "\\boxed{" not in response:
        return Verdict(id=question_id, verdict=Outcome.UNPARSABLE)
    try:
        found = mmmath_judge.boxes(response)
    except mmmath_judge.Unbalanced:
        return Verdict(id=question_id, verdict=Outcome.UNPARSABLE)
    extraction = ",".join(found) if rules.all_boxes else found[-1]
    # Only the boxes travel to the worker: with all closed and one there, nothing else of the response is read.
    prediction = "".join(f"\\boxed{{{content}}}" for content in (found if rules.all_boxes else found[-1:]))

    def verdict(outcome: Outcome) -> Verdict:
        return Verdict(id=question_id, extraction=extraction, prediction=extraction, verdict=outcome)

    return Work(
        mmmath_judge.judge,
        (gold_text(question), prediction if _flat(found) else response, rules),
        done=lambda right: verdict(Outcome.RIGHT if right else Outcome.WRONG),
        failed=verdict,
    )


def _flat(found: list[str]) -> bool:
    return any(found) and not any("\\boxed{" in content for content in found)


def _vlmevalkit(question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    # Its TSV holds the bare answer.
    gold = ",".join(_boxes_or_text(gold_text(question)))
    return mmmath_vlmevalkit(str(identity(question, _ID_KEYS)), gold, row)


def _rule(question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    found = extraction_of(row)
    text = None if found is None else found.text
    gold = ",".join(_boxes_or_text(gold_text(question)))
    return compared(str(identity(question, _ID_KEYS)), Pair(gold, text), text, rule=found.rule if found else None)


def _boxes_or_text(text: str) -> list[str]:
    try:
        return mmmath_judge.boxes(text) or [text]
    except mmmath_judge.Unbalanced:
        return [text]


def _groups(question: Question) -> Iterator[tuple[str, str]]:
    difficulty = question.get("difficult") or question.get("difficulty")
    if difficulty:
        yield "difficulty", _DIFFICULTY.get(str(difficulty), str(difficulty))
    year = str(question.get("year") or "")
    if year:
        yield "grade", _GRADES.get(year[0], year)
    knowledge: Any = question.get("knowledge") or question.get("knowledge_l1") or ""
    for name in _KNOWLEDGE:
        if name in str(knowledge):
            yield "knowledge", name


MMMATH = Benchmark(
    slug="mmmath",
    id_keys=_ID_KEYS,
    # lmms-eval has no MM-Math.
    profiles={
        "official": partial(_judged, OFFICIAL),
        "strict": partial(_judged, _STRICT),
        "rule": _rule,
        "vlmevalkit": _vlmevalkit,
    },
    groups=_groups,
    cluster=lambda question: str(question.get("file_name") or identity(question, _ID_KEYS)),
)
