"""DynaMath's prompts by style."""

import json
from collections.abc import Callable, Mapping

from vr1repro.config.evaluation import PromptStyle
from vr1repro.core.records import Problem

_GUIDE = """
## Answer Instruction Please provide an answer to the question outlined above. Your response should adhere 
to the following JSON format, which includes two keys: 'solution' and 'short answer'. The 'solution' key can contain 
detailed steps needed to solve the question, and the 'short answer' key should provide a concise response. If the\
 problem is a multiple choice problem, just provide the corresponing choice option, 
such as 'A', 'B', 'C', or 'D'. If the answer is a numerical value, format it as a three-digit floating-point number.

Example of expected JSON response format:

"""  # noqa: W291 - the blanks at line ends are the official prompt's


def _direct(problem: Problem) -> str:
    """The official prompt (DynaMath/DynaMath@598c3c3, evaluation/opensource_json_eval.py), its spelling included."""
    wish = "Please answer in a floating-point number." if problem.metadata["answer_type"] == "float" else ""
    example = json.dumps(
        {"solution": "[Detailed step-by-step explanation]", "short answer": "[Concise Answer]"}, indent=4
    )
    return f"## Question\n{problem.question}{wish}{_GUIDE}{example}"


# What the paper's evaluator sends for DynaMath is not stated; `paper` follows its rule: the question only.
PROMPTS: Mapping[PromptStyle, Callable[[Problem], str]] = {"paper": lambda problem: problem.question, "direct": _direct}
