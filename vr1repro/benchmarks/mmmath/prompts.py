"""MM-Math's prompts by style."""

from collections.abc import Callable, Mapping

from vr1repro.config.evaluation import PromptStyle
from vr1repro.core.records import Problem

# The official repository has no prompt; VLMEvalKit sends the bare question.
PROMPTS: Mapping[PromptStyle, Callable[[Problem], str]] = {"paper": lambda problem: problem.question}
