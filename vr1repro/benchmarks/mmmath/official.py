r"""MM-Math: the official judge, and a strict one without its tolerances.

Official: a row counts only if gold and response both hold `\boxed{`; see `judge`. As committed, that script
prints 0.0 for every model (its arguments are misspelt); what is reproduced is what it does once they are right.
`strict` keeps the judge and drops the percentages and the joining of boxes: the last box counts, floats agree to 1e-6.
"""

from functools import partial

from vr1repro.answers.grade import Work
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.mmmath import BENCHMARK, judge
from vr1repro.benchmarks.mmmath.judge import OFFICIAL, Rules
from vr1repro.benchmarks.scoring import Options, Row, text_of
from vr1repro.core.records import Cause, Outcome, Verdict

_STRICT = Rules(precision=1e-6, percent=False, all_boxes=False)


def gold_text(question: Question) -> str:
    r"""The text with the gold's box: the solution, or the bare answer in a box of its own."""
    solution = question.get("solution")
    if isinstance(solution, str) and "\\boxed{" in solution:
        return solution
    answer = str(question["answer"])
    return answer if "\\boxed{" in answer else f"\\boxed{{{answer}}}"


def _judged(rules: Rules, question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    question_id = str(BENCHMARK.id_of(question))
    response = text_of(row)
    if "\\boxed{" not in response:
        return Verdict(id=question_id, verdict=Outcome.UNPARSABLE)
    try:
        contents = judge.boxes(response)
    except judge.Unbalanced:
        return Verdict(id=question_id, verdict=Outcome.UNPARSABLE)
    extraction = ",".join(contents) if rules.all_boxes else contents[-1]
    # Only the boxes travel to the worker: with all closed and one there, nothing else of the response is read.
    prediction = "".join(f"\\boxed{{{content}}}" for content in (contents if rules.all_boxes else contents[-1:]))

    def verdict(outcome: Outcome, cause: Cause | None = None) -> Verdict:
        return Verdict(id=question_id, extraction=extraction, prediction=extraction, verdict=outcome, cause=cause)

    return Work(
        judge.judge,
        (gold_text(question), prediction if _flat(contents) else response, rules),
        done=lambda right: verdict(Outcome.RIGHT if right else Outcome.WRONG),
        failed=partial(verdict, Outcome.TIMEOUT),
    )


def _flat(contents: list[str]) -> bool:
    return any(contents) and not any("\\boxed{" in content for content in contents)


def boxes_or_text(text: str) -> list[str]:
    """The boxes of a text, or the text itself where it has none."""
    try:
        return judge.boxes(text) or [text]
    except judge.Unbalanced:
        return [text]


official = partial(_judged, OFFICIAL)
strict = partial(_judged, _STRICT)
