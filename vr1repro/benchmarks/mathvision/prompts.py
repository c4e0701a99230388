"""MathVision's prompts by style."""

from collections.abc import Callable, Mapping

from vr1repro.config.evaluation import PromptStyle
from vr1repro.core.records import Problem
from vr1repro.core.rows import lettered


def _question(problem: Problem) -> str:
    # Options that are just A to E are printed in the picture (mathllm/MATH-V@a1f5cc3, models/GPT4V.py).
    choices = problem.choices or []
    options = "" if "".join(choices) == "ABCDE" else "".join(f"{line}\n" for line in lettered(choices).splitlines())
    return f"{problem.question}\n{options}"


def _cot(problem: Problem) -> str:
    return (
        'Please solve the problem step by step and put your answer in one "\\boxed{}". If it is a multiple choice'
        f' question, only one letter is allowed in the "\\boxed{{}}".\n{_question(problem)}'
    )


def _direct(problem: Problem) -> str:
    return f"{_question(problem)}\nAnswer the question using a single word or phrase."


# The paper does not evaluate MathVision; `paper` follows its rule (question only), which needs the options shown.
PROMPTS: Mapping[PromptStyle, Callable[[Problem], str]] = {
    "paper": lambda problem: _question(problem).rstrip("\n"),
    "direct": _direct,
    "cot": _cot,
}
