"""The laptop's world: what its pictures ask, its tiny Qwen2.5-VL, how that is pretrained, its scripted reasoner.

The values stand in `config/micro.yaml` and `config/smoke.yaml`. None of them is the paper's; they mirror its experiment
on two CPU cores. They were set by looking at the pretrained and the cold-start model only, before any comparison of
arms (TRIALS.md beside the reference run).
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from vr1repro.config.base import Section

Family = Literal["digits", "bars", "polygons"]
Kind = Literal["sum", "largest", "range", "count"]
Difficulty = Literal["easy", "medium", "hard"]
Partition = Literal["pretrain", "cold", "rl", "benchmark"]
Share = Annotated[float, Field(ge=0, le=1)]


class LabWorld(Section):
    """Generated problems: a row of cells whose glyphs read as values, and one question about the values."""

    rows: dict[int, float] = Field(
        min_length=1,
        description="Cells a row, with the weight of each length. A cell is one visual token.",
    )
    families: dict[Family, float] = Field(
        min_length=1,
        description="Glyph families with their weights; a row has one family. Digits and bars read 0 to 9, polygons"
        " 3 to 8.",
    )
    kinds: dict[Kind, float] = Field(
        min_length=1,
        description="Question kinds with their weights; sums take longest to learn.",
    )
    threshold: int = Field(ge=0, le=9, description="The count question asks how many values are greater than this.")
    signed: Share = Field(
        description="Share of training problems whose question is a sign in the picture, as in MathVerse's Vision"
        " Only.",
    )
    medium_above: int = Field(
        gt=0,
        description="A problem is at least medium if its shortest correct completion, end token included and the two"
        " blanks inside the think tags left out, is longer than this many tokens.",
    )
    hard_above: int = Field(
        gt=0,
        description="A problem is hard above this; set it to stage 1's limit less the two blanks, so that hard problems"
        " are those that stage 1 cannot finish.",
    )
    partitions: dict[Partition, float] = Field(
        description="Share of all rows of values that each partition owns. A hash of the values alone decides, so the"
        " same row never stands in two partitions, whatever its glyphs or question.",
    )
    jitter: int = Field(ge=0, le=3, description="Each glyph moves by up to this many pixels, both ways.")

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if min(self.rows) < 2 or max(self.rows) > 16:
            raise ValueError("rows: a row has 2 to 16 cells")
        if set(self.partitions) != {"pretrain", "cold", "rl", "benchmark"}:
            raise ValueError("partitions: needs exactly pretrain, cold, rl and benchmark")
        for name in ("rows", "families", "kinds", "partitions"):
            weights = getattr(self, name).values()
            if min(weights) < 0 or sum(weights) <= 0:
                raise ValueError(f"{name}: weights must not be negative, and one must be positive")
        if self.hard_above < self.medium_above:
            raise ValueError("hard_above: must not be below medium_above")
        return self


class LabModel(Section):
    """Shape of the tiny Qwen2_5_VLForConditionalGeneration and its processor."""

    hidden: int = Field(gt=0, description="Width of the language model.")
    layers: int = Field(gt=0, description="Layers of the language model.")
    heads: int = Field(gt=0, description="Attention heads of the language model.")
    kv_heads: int = Field(gt=0, description="Key-value heads of the language model.")
    ffn: int = Field(gt=0, description="Width of the language model's feed-forward layers.")
    vision_hidden: int = Field(gt=0, description="Width of the vision tower.")
    vision_layers: int = Field(gt=0, description="Layers of the vision tower; the last attends in full.")
    vision_heads: int = Field(gt=0, description="Attention heads of the vision tower.")
    vision_ffn: int = Field(gt=0, description="Width of the vision tower's feed-forward layers.")
    context: int = Field(ge=4096, description="Longest prompt and completion together, in tokens.")
    rope_theta: float = Field(
        gt=0, description="Base of the rotary frequencies; 1000 reads a little faster than 10000."
    )
    mrope_section: tuple[int, int, int] = Field(
        description="Rotary dimension pairs for time, height and width; most to the width, along which rows lie.",
    )
    text_std: float = Field(
        gt=0, description="Initial standard deviation of text weights; 0.02 is too small at this width."
    )
    vision_std: float = Field(gt=0, description="Initial standard deviation of vision weights.")
    image_mean: float = Field(
        description="Image normalisation, each channel: paper near 0 and ink far from it, or it cannot read.",
    )
    image_std: float = Field(gt=0, description="Image normalisation, each channel.")
    max_visual_tokens: int = Field(
        gt=0, description="Pictures are shrunk to at most this many visual tokens (28x28 pixels each)."
    )
    merges: int = Field(ge=0, description="Byte-pair merges that the tokenizer learns above 256 bytes.")

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.hidden % self.heads or self.heads % self.kv_heads:
            raise ValueError("heads: must divide hidden, and kv_heads must divide heads")
        if self.vision_hidden % self.vision_heads or (self.vision_hidden // self.vision_heads) % 4:
            raise ValueError("vision_heads: vision_hidden / vision_heads must be a multiple of 4")
        if 2 * sum(self.mrope_section) != self.hidden // self.heads:
            raise ValueError("mrope_section: must sum to half a head's width")
        return self


class LabPhase(Section):
    """One phase of pretraining: what is mixed, how long the rows are, and when it ends."""

    rows: int = Field(ge=2, description="Longest row of this phase.")
    solve: Share = Field(description="Share of problem solving; the rest is reading and bridging.")
    bridge: Share = Field(description="Share of the Pseudo-CoT and description replies; the rest is plain reading.")
    max_steps: int = Field(gt=0, description="The phase ends after this many optimizer steps at the latest.")
    until_loss: float = Field(
        default=0.0,
        ge=0,
        description="The phase ends once the mean loss of chains (of reading, where none are solved) over `window`"
        " steps is below this. It holds the model's skill in a band whatever the seed; 0: only max_steps ends it.",
    )
    lr: float = Field(gt=0, description="Learning rate.")

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if self.solve + self.bridge > 1:
            raise ValueError("solve: solve and bridge together exceed 1")
        return self


class LabPretrain(Section):
    """Pretraining of the lab's base model, from scratch until it reads the pictures."""

    phases: list[LabPhase] = Field(
        min_length=1,
        description="Phases in order; the optimizer goes on from one to the next.",
    )
    batch: int = Field(gt=0, description="Examples a step.")
    direct: Share = Field(
        description="Share of solved problems that are answered without a chain, as base models often do."
    )
    system_prompt: str | None = Field(
        default=None,
        description="A system prompt that the base model learns to read; null: none. It is that of the arms without a"
        " cold start, which no model could follow that never saw one.",
    )
    prompted: Share = Field(
        default=0.0,
        description="Share of solved problems that come under `system_prompt`; their chains stand in its tags alone,"
        " without `Final Answer:`. `direct` holds for them too, so that the format is not always kept.",
    )
    weight_decay: float = Field(ge=0, description="AdamW weight decay.")
    betas: tuple[float, float] = Field(description="AdamW betas.")
    clip: float = Field(gt=0, description="Gradient norm limit.")
    warmup: int = Field(ge=0, description="Steps of linear warm-up, once.")
    decay: int = Field(ge=0, description="Steps of linear decay to a twentieth after the last phase has ended.")
    window: int = Field(gt=0, description="Steps over which the running mean loss is taken.")
    reading_threshold: Share = Field(
        description="Least share of held-out pictures whose every value is read, or pretraining fails. Usual are 95 to"
        " 100 %.",
    )
    reading_pictures: int = Field(gt=0, description="Held-out pictures that reading is measured on.")

    @model_validator(mode="after")
    def _prompted_by_something(self) -> Self:
        if self.prompted and self.system_prompt is None:
            raise ValueError("prompted: needs `system_prompt`; set it to 0 for none")
        return self


class LabTeacher(Section):
    """The scripted reasoner's habits. It works through the problem in passes and ends with the majority's answer."""

    misread: Share = Field(description="Chance that the first pass takes one value for another.")
    corrupt: Share = Field(description="Chance that a later pass takes one value for another.")
    keep_error: Share = Field(description="Chance that such a pass also keeps the error before it.")
    restore: Share = Field(description="Chance that a later pass without a new error returns to the true values.")
    stop: list[Share] = Field(
        min_length=1,
        description="Chance to stop after each pass; the last holds for all later ones. Below 0.5 in the first four, a"
        " trained copy never stops when decoded greedily.",
    )
    max_passes: int = Field(gt=0, description="Passes at most.")
    leak: Share = Field(description="Chance that the chain betrays a text-only reasoner ('the description says').")


class Lab(Section):
    """The laptop's world."""

    world: LabWorld = Field(description="Problems and pictures.")
    model: LabModel = Field(description="The tiny model.")
    pretrain: LabPretrain = Field(description="Its pretraining.")
    teacher: LabTeacher = Field(description="The scripted reasoner.")
