"""The benchmarks' prompts, rebuilt from a problem's fields.

`paper` is what the paper's evaluator sends (repo, ImageBaseDataset.build_prompt): the picture, then the `question`
column of VLMEvalKit's TSV, without system prompt or suffix. `direct` and `cot` are the benchmarks' own prompts.
"""

import json
from collections.abc import Callable

from vr1repro.config.evaluation import Preset, PromptStyle
from vr1repro.core.errors import UserError
from vr1repro.core.records import Problem

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# The wording of Qwen2.5-Math's model card, which most open models that box their answers were trained or shown with.
BOXED_SUFFIX = "\nPlease reason step by step, and put your final answer within \\boxed{}."


def prompt(benchmark: str, problem: Problem, style: PromptStyle, preset: Preset = "think-answer") -> str:
    """The text that stands after the picture.

    Args:
        benchmark: Its slug.
        problem: A problem whose `metadata` has the benchmark's own keys (`vr1repro.problems.adapters`).
        style: Which of the benchmark's prompts.
        preset: `boxed` adds the request for a box.

    Returns:
        The text, empty for MathVerse's Vision Only in style `paper`.

    Raises:
        UserError: The benchmark is unknown or has no prompt of that style, or a field is missing.
    """
    styles = _PROMPTS.get(benchmark)
    if styles is None:
        raise UserError(f"{benchmark}: no prompts are known for it; known: {', '.join(_PROMPTS)}")
    if style not in styles:
        raise UserError(f"evaluation.prompts.{benchmark}: there is no style {style!r}; there is {', '.join(styles)}")
    try:
        text = styles[style](problem)
    except KeyError as error:
        raise UserError(f"{benchmark} {problem.id}: metadata lacks {error}, which its prompt needs") from None
    return text + BOXED_SUFFIX if preset == "boxed" else text


def mathvista_hint(problem: Problem) -> str:
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


_HINT = "Hint: Please answer the question{what} and provide {give}, at the end."
_HINTS: dict[tuple[str, int | None], tuple[str, str]] = {
    ("integer", None): ("an integer answer", "the final value, e.g., 1, 2, 3"),
    ("float", 1): ("a floating-point number with one decimal place", "the final value, e.g., 1.2, 1.3, 1.4"),
    ("float", 2): ("a floating-point number with two decimal places", "the final value, e.g., 1.23, 1.34, 1.45"),
    ("list", None): ("a Python list as an answer", "the final list, e.g., [1, 2, 3], [1.2, 1.3, 1.4]"),
}


def _lettered(choices: list[str], close: str = "\n") -> str:
    return close.join(f"({letter}) {choice}" for letter, choice in zip(LETTERS, choices, strict=False))


def _mathvista_body(problem: Problem) -> list[str]:
    unit = problem.metadata.get("unit")
    parts = [f"Question: {problem.question}" + (f" (Unit: {unit})" if unit else "")]
    if problem.choices:
        parts.append("Choices:\n" + _lettered(problem.choices))
    return parts


def _mathvista_query(problem: Problem) -> str:
    return "\n".join([mathvista_hint(problem), *_mathvista_body(problem)]).strip()


def _mathvista_solution(problem: Problem) -> str:
    # build_query.py strips the query, so that the blank after "Solution:" is gone.
    return "\n".join([*_mathvista_body(problem), mathvista_hint(problem), "Solution: "]).strip()


def _mathverse(instruction: str, ending: str) -> Callable[[Problem], str]:
    def build(problem: Problem) -> str:
        choice = problem.metadata["question_type"] == "multi-choice"
        what = "the correct option letter, e.g., A, B, C, D" if choice else "the final value, e.g., 1, 2.5, 300"
        line = f"{instruction} and provide {what}{ending}."
        # Vision Only: the question stands in the picture.
        return f"{line}\nQuestion: {problem.question}" if problem.question else line

    return build


def _mathvision_question(problem: Problem) -> str:
    # Options that are just A to E are printed in the picture (mathllm/MATH-V@a1f5cc3, models/GPT4V.py).
    choices = problem.choices or []
    options = "" if "".join(choices) == "ABCDE" else "".join(f"{line}\n" for line in _lettered(choices).splitlines())
    return f"{problem.question}\n{options}"


def _mathvision_cot(problem: Problem) -> str:
    return (
        'Please solve the problem step by step and put your answer in one "\\boxed{}". If it is a multiple choice'
        f' question, only one letter is allowed in the "\\boxed{{}}".\n{_mathvision_question(problem)}'
    )


def _mathvision_direct(problem: Problem) -> str:
    return f"{_mathvision_question(problem)}\nAnswer the question using a single word or phrase."


def _dynamath_direct(problem: Problem) -> str:
    """The official prompt (DynaMath/DynaMath@598c3c3, evaluation/opensource_json_eval.py), its spelling included."""
    wish = "Please answer in a floating-point number." if problem.metadata["answer_type"] == "float" else ""
    example = json.dumps(
        {"solution": "[Detailed step-by-step explanation]", "short answer": "[Concise Answer]"}, indent=4
    )
    return f"## Question\n{problem.question}{wish}{_DYNAMATH_GUIDE}{example}"


_DYNAMATH_GUIDE = """
## Answer Instruction Please provide an answer to the question outlined above. Your response should adhere 
to the following JSON format, which includes two keys: 'solution' and 'short answer'. The 'solution' key can contain 
detailed steps needed to solve the question, and the 'short answer' key should provide a concise response. If the\
 problem is a multiple choice problem, just provide the corresponing choice option, 
such as 'A', 'B', 'C', or 'D'. If the answer is a numerical value, format it as a three-digit floating-point number.

Example of expected JSON response format:

"""  # noqa: W291 - the blanks at line ends are the official prompt's


_PROMPTS: dict[str, dict[PromptStyle, Callable[[Problem], str]]] = {
    "mathvista": {"paper": _mathvista_query, "direct": _mathvista_query, "cot": _mathvista_solution},
    "mathverse": {
        "paper": lambda problem: problem.question,
        "direct": _mathverse("Please directly answer the question", ""),
        "cot": _mathverse("Please first conduct reasoning, and then answer the question", ", at the end"),
    },
    # The official repository has no prompt; VLMEvalKit sends the bare question.
    "mmmath": {"paper": lambda problem: problem.question},
    # What the paper's evaluator sends for DynaMath is not stated; `paper` follows its rule: the question only.
    "dynamath": {"paper": lambda problem: problem.question, "direct": _dynamath_direct},
    # The paper does not evaluate MathVision; `paper` follows its rule (question only), which needs the options shown.
    "mathvision": {
        "paper": lambda problem: _mathvision_question(problem).rstrip("\n"),
        "direct": _mathvision_direct,
        "cot": _mathvision_cot,
    },
}
