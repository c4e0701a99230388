"""MME's prompts by style."""

from collections.abc import Callable, Mapping

from vr1repro.config.evaluation import PromptStyle
from vr1repro.core.records import Problem

_WISH = " Please answer yes or no."


def _lmms_eval(problem: Problem) -> str:
    """lmms-eval's form (EvolvingLMMs-Lab/lmms-eval@0863814, lmms_eval/tasks/mme): its ending for the question's own."""
    return f"{problem.question.strip().replace(_WISH, '')}\nAnswer the question using a single word or phrase."


# The question as it stands, which ends with `Please answer yes or no.`: the official form and VLMEvalKit's.
PROMPTS: Mapping[PromptStyle, Callable[[Problem], str]] = {
    "paper": lambda problem: problem.question,
    "direct": _lmms_eval,
}
