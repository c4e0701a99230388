"""DynaMath's prompts by style."""

import json
from collections.abc import Callable, Mapping

from vr1repro.config.evaluation import PromptStyle
from vr1repro.core.records import Problem

_EXAMPLE = json.dumps({"solution": "[Detailed step-by-step explanation]", "short answer": "[Concise Answer]"}, indent=4)
_OFFICIAL_GUIDE = """
## Answer Instruction Please provide an answer to the question outlined above. Your response should adhere 
to the following JSON format, which includes two keys: 'solution' and 'short answer'. The 'solution' key can contain 
detailed steps needed to solve the question, and the 'short answer' key should provide a concise response. If the\
 problem is a multiple choice problem, just provide the corresponing choice option, 
such as 'A', 'B', 'C', or 'D'. If the answer is a numerical value, format it as a three-digit floating-point number.

Example of expected JSON response format:

"""  # noqa: W291 - the blanks at line ends are the official prompt's
_EVALUATOR_GUIDE = """
## Answer Instruction Please provide an answer to the question outlined above. Your response should adhere \
to the following JSON format, which includes two keys: 'solution' and 'short answer'. The 'solution' key can contain \
detailed steps needed to solve the question, and the 'short answer' key should provide a concise response. {wish}

Example of expected JSON response format:

"""
_EVALUATOR_WISHES = {
    "multiple choice": "Provide the corresponing choice option in the 'short answer' key, such as 'A', 'B', 'C', or"
    " 'D'.",
    "float": "Format the answer as a three-digit floating-point number and provide it in the 'short answer' key.",
}
_EVALUATOR_TEXT_WISH = "Float numbers in the answer should be formatted as three-digit floating-point numbers."


def _direct(problem: Problem) -> str:
    """The official prompt (DynaMath/DynaMath@598c3c3, evaluation/opensource_json_eval.py), its spelling included."""
    wish = "Please answer in a floating-point number." if problem.metadata["answer_type"] == "float" else ""
    return f"## Question\n{problem.question}{wish}{_OFFICIAL_GUIDE}{_EXAMPLE}"


def _paper(problem: Problem) -> str:
    """What the paper's evaluator sends: Osilly/Vision-R1@c061681, vlmeval/dataset/dynamath.py, `Dynamath.build_prompt`.

    Its spelling included. It asks for JSON, which a model that answers in the paper's tags was never taught.
    """
    wish = _EVALUATOR_WISHES.get(str(problem.metadata["answer_type"]), _EVALUATOR_TEXT_WISH)
    return f"## Question\n {problem.question}{_EVALUATOR_GUIDE.format(wish=wish)}{_EXAMPLE}"


PROMPTS: Mapping[PromptStyle, Callable[[Problem], str]] = {"paper": _paper, "direct": _direct}
