"""MathVista's prompts by style."""

from collections.abc import Callable, Mapping

from vr1repro.config.evaluation import PromptStyle
from vr1repro.core.errors import UserError
from vr1repro.core.records import Problem
from vr1repro.core.rows import lettered

_HINT = "Hint: Please answer the question{what} and provide {give}, at the end."
_HINTS: dict[tuple[str, int | None], tuple[str, str]] = {
    ("integer", None): ("an integer answer", "the final value, e.g., 1, 2, 3"),
    ("float", 1): ("a floating-point number with one decimal place", "the final value, e.g., 1.2, 1.3, 1.4"),
    ("float", 2): ("a floating-point number with two decimal places", "the final value, e.g., 1.23, 1.34, 1.45"),
    ("list", None): ("a Python list as an answer", "the final list, e.g., [1, 2, 3], [1.2, 1.3, 1.4]"),
}


def hint(problem: Problem) -> str:
    """MathVista's hint line (lupantech/MathVista@53d5258, evaluation/build_query.py, shot_type solution)."""
    if problem.metadata["question_type"] == "multi_choice":
        return _HINT.format(what="", give="the correct option letter, e.g., A, B, C, D")
    kind, precision = problem.metadata["answer_type"], problem.metadata.get("precision")
    # The hub holds the precision as a float, the GitHub file as an integer.
    key = (kind, int(precision)) if kind == "float" and precision is not None else (kind, None)
    if key not in _HINTS:
        raise UserError(f"mathvista {problem.id}: answer_type {kind!r} with precision {precision!r} has no hint")
    what, give = _HINTS[key]
    return _HINT.format(what=f" requiring {what}", give=give)


def _body(problem: Problem) -> list[str]:
    unit = problem.metadata.get("unit")
    parts = [f"Question: {problem.question}" + (f" (Unit: {unit})" if unit else "")]
    if problem.choices:
        parts.append("Choices:\n" + lettered(problem.choices))
    return parts


def _query(problem: Problem) -> str:
    return "\n".join([hint(problem), *_body(problem)]).strip()


def _solution(problem: Problem) -> str:
    # build_query.py strips the query, so that the blank after "Solution:" is gone.
    return "\n".join([*_body(problem), hint(problem), "Solution: "]).strip()


PROMPTS: Mapping[PromptStyle, Callable[[Problem], str]] = {"paper": _query, "direct": _query, "cot": _solution}
