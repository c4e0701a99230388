"""MathVerse's prompts by style."""

from collections.abc import Callable, Mapping

from vr1repro.config.evaluation import PromptStyle
from vr1repro.core.records import Problem


def _instructed(instruction: str, ending: str) -> Callable[[Problem], str]:
    def build(problem: Problem) -> str:
        choice = problem.metadata["question_type"] == "multi-choice"
        what = "the correct option letter, e.g., A, B, C, D" if choice else "the final value, e.g., 1, 2.5, 300"
        line = f"{instruction} and provide {what}{ending}."
        # Vision Only: the question stands in the picture.
        return f"{line}\nQuestion: {problem.question}" if problem.question else line

    return build


PROMPTS: Mapping[PromptStyle, Callable[[Problem], str]] = {
    "paper": lambda problem: problem.question,
    "direct": _instructed("Please directly answer the question", ""),
    "cot": _instructed("Please first conduct reasoning, and then answer the question", ", at the end"),
}
