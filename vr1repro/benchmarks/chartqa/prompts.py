"""ChartQA's prompts by style."""

from collections.abc import Callable, Mapping

from vr1repro.config.evaluation import PromptStyle
from vr1repro.core.records import Problem

# VLMEvalKit's form for models without one of their own (open-compass/VLMEvalKit@00b1c8d, vlmeval/dataset/image_vqa.py),
# which is lmms-eval's too; and its form for Qwen2-VL (2aa7214, vlmeval/vlm/qwen2_vl/prompt.py).
PROMPTS: Mapping[PromptStyle, Callable[[Problem], str]] = {
    "paper": lambda problem: f"{problem.question}\nAnswer the question using a single word or phrase.",
    "direct": lambda problem: (
        f"{problem.question}\nPlease try to answer the question with short words or phrases if possible."
    ),
}
