"""MMStar's prompts by style. The form alone moved one model's score by 13.6 points (EvolvingLMMs-Lab/lmms-eval#901)."""

from collections.abc import Callable, Mapping

from vr1repro.benchmarks.mmstar.options import LETTERS, split_options
from vr1repro.config.evaluation import PromptStyle
from vr1repro.core.records import Problem

_WISH = "Please select the correct answer from the options above. \n"


def _vlmevalkit(problem: Problem) -> str:
    """VLMEvalKit's form, blanks included (open-compass/VLMEvalKit@01424f9, vlmeval/dataset/image_mcq.py).

    Its TSV has the options in columns of their own; here they are taken out of the hub's text.
    """
    stem, options = split_options(problem.question)
    if not options:
        return f"Question: {problem.question}\n"
    lines = "".join(f"{letter}. {option}\n" for letter, option in zip(LETTERS, options, strict=False))
    return f"Question: {stem}\nOptions:\n{lines}{_WISH}"


# The hub's text as it stands, as lmms-eval's task `mmstar` sends it (EvolvingLMMs-Lab/lmms-eval@2f636e7).
PROMPTS: Mapping[PromptStyle, Callable[[Problem], str]] = {
    "paper": _vlmevalkit,
    "direct": lambda problem: problem.question.strip(),
}
