"""How models are asked the benchmarks' questions. How answers are scored is in `benchmarks`."""

from typing import Literal

from pydantic import Field

from vr1repro.config.base import Name, Section
from vr1repro.config.samplers import Sampler

PromptStyle = Literal["paper", "direct", "cot"]
Protocol = Literal["single", "paper"]
Preset = Literal["think-answer", "boxed", "plain"]


class EvaluationSettings(Section):
    """Sampling of answers. The paper states no decoding settings, prompts or number of runs; its code does."""

    benchmarks: list[Name] = Field(
        min_length=1,
        description="Benchmarks by slug. Paper: MathVista, MathVerse, MM-Math (v1, v4), DynaMath (v4 Table 1).",
    )
    protocols: list[Protocol] = Field(
        min_length=1,
        description="single: one sample. paper: up to `retries` more where the reply has no </answer> (repo,"
        " vlmeval/api/gpt.py l.231-258; the paper does not mention it). Both use the same first samples. An arm may add"
        " to them (`further_protocols`).",
    )
    engine: Sampler = Field(description="Who samples. repo: a vLLM server through EvalScope's VLMEvalKit backend.")
    temperature: float = Field(
        default=0.6, ge=0, description="0 is greedy. Not stated; repo, evaluation/README.md: --temperature 0.6."
    )
    top_p: float = Field(
        default=0.95, gt=0, le=1, description="Nucleus. Not stated; repo, evaluation/README.md: --top_p 0.95."
    )
    max_tokens: int = Field(
        gt=0, description="Token limit of a reply. Not stated; repo, evaluation/README.md: --max_tokens 16000."
    )
    retries: int = Field(default=4, ge=1, description="Most extra samples of protocol paper. repo: 4.")
    prompts: dict[Name, PromptStyle] = Field(
        default_factory=dict,
        description="Prompt style by benchmark, default paper. paper: picture and the TSV's question, no system prompt"
        " and no suffix (repo, ImageBaseDataset.build_prompt), for DynaMath its JSON guide (repo,"
        " Dynamath.build_prompt); direct, cot: the benchmark's official prompts."
        " The paper itself: not stated.",
    )
    preset: Preset = Field(
        default="think-answer",
        description="What the model's replies look like. think-answer: the paper's completion, nothing is added to the"
        " prompt; boxed: the prompt asks for a \\boxed{} answer; plain: nothing is added, the whole reply is searched."
        " Not stated for other models; a tag alone would be unfair to them.",
    )
    max_image_pixels: int | None = Field(
        default=None,
        gt=0,
        description="Larger pictures are scaled down by the model's processor; null: as its checkpoint says. repo:"
        " CustomAPIModel sends the original size (img_size -1).",
    )
    accept_unhealthy: bool = Field(
        default=False,
        description="Go on to scores although questions were left out or refused, prompts held unknown tokens, or a"
        " picture's tokens did not fit its grid; such a score is of another benchmark. Ours.",
    )


class LengthSettings(Section):
    """Lengths of completions on the RL set, sampled from finished checkpoints."""

    arms: list[Name] = Field(
        min_length=1,
        description="Arms whose ends are asked, of those that are run. Paper: Zero, CI, Long and Vision-R1 (`Avg. Len.`"
        " of v4 Table 3 and v1 Table 4, on the 10K RL training set).",
    )
    problems: int | None = Field(
        default=None,
        gt=0,
        description="Of `rl.problems`, those of smallest id hash; null: all. How many of the set, how many completions"
        " each and with what decoding settings: not stated; here one each, as `evaluation` samples, first seed.",
    )
