"""HallusionBench's prompts by style."""

from collections.abc import Callable, Mapping

from vr1repro.config.evaluation import PromptStyle
from vr1repro.core.records import Problem

# The bare question: VLMEvalKit's form for models without one of their own, and lmms-eval's. VLMEvalKit's form for
# Qwen2-VL (open-compass/VLMEvalKit@2aa7214, vlmeval/vlm/qwen2_vl/prompt.py) asks for yes or no.
PROMPTS: Mapping[PromptStyle, Callable[[Problem], str]] = {
    "paper": lambda problem: problem.question,
    "direct": lambda problem: f"{problem.question} Please answer yes or no.",
}
