"""The prompt of a question, rebuilt from a problem's fields in the words of its benchmark (`benchmarks/*/prompts.py`).

`paper` is what the paper's evaluator sends (repo, ImageBaseDataset.build_prompt): the picture, then the `question`
column of VLMEvalKit's TSV, without system prompt or suffix; DynaMath alone has a guide after it
(Dynamath.build_prompt). `direct` and `cot` are the benchmarks' own prompts.
"""

from vr1repro.benchmarks import lookup
from vr1repro.config.evaluation import Preset, PromptStyle
from vr1repro.core.errors import UserError
from vr1repro.core.records import Problem

# The wording of Qwen2.5-Math's model card, which most open models that box their answers were trained or shown with.
BOXED_SUFFIX = "\nPlease reason step by step, and put your final answer within \\boxed{}."


def prompt(benchmark: str, problem: Problem, style: PromptStyle, preset: Preset = "think-answer") -> str:
    """The text that stands after the picture.

    Args:
        benchmark: Its slug.
        problem: A problem whose `metadata` has the benchmark's own keys (its adapter keeps them).
        style: Which of the benchmark's prompts.
        preset: `boxed` adds the request for a box.

    Returns:
        The text, empty for MathVerse's Vision Only in style `paper`.

    Raises:
        UserError: The benchmark is unknown or has no prompt of that style, or a field is missing.
    """
    styles = lookup.prompts(benchmark)
    if style not in styles:
        raise UserError(f"evaluation.prompts.{benchmark}: there is no style {style!r}; there is {', '.join(styles)}")
    try:
        text = styles[style](problem)
    except KeyError as error:
        raise UserError(f"{benchmark} {problem.id}: metadata lacks {error}, which its prompt needs") from None
    return text + BOXED_SUFFIX if preset == "boxed" else text
