"""The arms of the experiment: what each starts from, its stages, its reward, and the seeds that all are run on."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from vr1repro.config.base import Name, Section
from vr1repro.config.evaluation import Protocol
from vr1repro.config.models import ModelSource

# Folder of a stage that holds checkpoints which go once they are graded; their manifests stay.
CANDIDATES = "candidates"
# Keys of a start and a stage that say who else trains them. They are written only where they say something, so that the
# settings of what is trained here are those of configs without these keys.
_ELSEWHERE = ("engine", "adopted", "approximate")
_ADOPTED = (
    "A model that `vr1repro adopt` made of what another engine trained, taken instead of training it here. `{seed}` in"
    " the path stands for the training seed. Ours."
)
_APPROXIMATE = "With `engine`: train there though a key has no counterpart in that engine (docs/engines.md). Ours."


class _Elsewhere(Section):
    """What a start and a stage share where somebody else trains them."""

    @property
    def elsewhere(self) -> bool:
        """Whether it is not trained by this package."""
        return getattr(self, "engine", None) is not None or getattr(self, "adopted", None) is not None

    @model_serializer(mode="wrap")
    def _without_unused(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        return {key: value for key, value in values.items() if key not in _ELSEWHERE or value}

    @model_validator(mode="after")
    def _one_trains(self) -> Self:
        engine, adopted = getattr(self, "engine", None), getattr(self, "adopted", None)
        if engine is not None and adopted is not None:
            raise ValueError(f"adopted: is trained already, and engine {engine} would train it; keep one of the two")
        if getattr(self, "approximate", False) and engine is None:
            raise ValueError("approximate: says how `engine` may train, and there is none; drop it")
        return self


class Stage(_Elsewhere):
    """One stage of an arm (PTST, paper Eq. 2): a length limit, a group size and a number of steps."""

    max_tokens: int = Field(gt=0, description="L_s, the longest completion in tokens; a longer one is cut.")
    group: int = Field(ge=2, description="G_s, completions sampled a prompt; at least 2, or no advantage exists.")
    steps: int = Field(
        gt=0,
        description="Steps, each a rollout with `rl.updates_per_rollout` updates on it. Paper: 100 a stage, 300 for"
        " Zero and Long (v1 section 4.1, v4 App. A). Not stated for v4 Tables 5 and 6, 32B and 72B: 100 a stage.",
    )
    problems: Name | None = Field(default=None, description="Another RL set than `rl.problems` (32B, 72B).")
    engine: Literal["verl", "easyr1"] | None = Field(
        default=None,
        description="Train this stage with another engine, in its own environment (docs/engines.md). null: here. Ours.",
    )
    approximate: bool = Field(default=False, description=_APPROXIMATE)
    adopted: str | None = Field(default=None, description=_ADOPTED)


class Start(_Elsewhere):
    """What an arm starts from: a model, with or without SFT on the cold-start set."""

    model: Name = Field(description="A key of `models`.")
    sft: Literal["chains", "answers"] | None = Field(
        default=None,
        description="Fine-tune first: on completions with their chains (CI), or on the answers alone ('without CoT"
        " annotations', v4 Table 6).",
    )
    released: ModelSource | None = Field(
        default=None, description="The finished checkpoint, taken where `take_released` names this start."
    )
    engine: Literal["llama-factory"] | None = Field(
        default=None,
        description="Fine-tune with another engine, in its own environment (docs/engines.md). null: here. Ours.",
    )
    approximate: bool = Field(default=False, description=_APPROXIMATE)
    adopted: str | None = Field(default=None, description=_ADOPTED)

    @model_validator(mode="after")
    def _only_a_trained_start_comes_from_elsewhere(self) -> Self:
        if self.sft is None:
            for key in ("released", "engine", "adopted"):
                if getattr(self, key) is not None:
                    raise ValueError(
                        f"{key}: this start is its model and trains nothing; name the weights under `models`"
                    )
        return self


class Arm(Section):
    """A row of the experiment: a start and a list of stages. No arm has code of its own."""

    label: str = Field(description="Name in tables and figures.")
    start: Name = Field(description="A key of `starts`.")
    stages: list[Stage] = Field(default=[], description="GRPO stages in order; empty for the start itself.")
    reward: Name | None = Field(default=None, description="A key of `rewards`; needed where there are stages.")
    system_prompt: str | None = Field(
        default=None,
        description="Paper: Zero has one (v1, v4 section 3.1, abridged there); all others have none (section 3.4). The"
        " arm is evaluated with it, too.",
    )
    evaluate_on: list[Name] | None = Field(
        default=None, description="Benchmarks other than `evaluation.benchmarks` (the Llama arm of v4 Table 2)."
    )
    further_protocols: list[Protocol] = Field(
        default=[],
        description="Protocols beside those of `evaluation.protocols`, under which this arm alone is asked; candidates"
        " of `selection` are not. Ours.",
    )
    select: Literal["last", "best_on_benchmarks"] = Field(
        default="last",
        description="Which checkpoint is reported: the last, or also the best of `selection`, beside it and never mixed"
        " with it. Paper: Tables 5 and 6 are the best checkpoint among evaluations 'every fifth step in the final 50"
        " steps' (v4 App. A), chosen on the reported benchmarks; for other tables: not stated.",
    )
    released: ModelSource | None = Field(
        default=None, description="The finished checkpoint, taken where `take_released` names this arm."
    )

    @model_validator(mode="after")
    def _stages_have_a_reward(self) -> Self:
        if self.stages and self.reward is None:
            raise ValueError("reward: an arm with stages needs one; name a key of `rewards`")
        if self.select != "last" and not self.stages:
            raise ValueError(f"select: {self.select} chooses among steps of the last stage, and there is none; drop it")
        return self


class SelectionSettings(Section):
    """Which checkpoints an arm of `select: best_on_benchmarks` is the best of.

    Each is asked once, with the first evaluation seed and protocol single; its weights go when it is graded. The score
    of the best is too high: it was chosen on the questions that it is reported on.
    """

    every: int = Field(
        default=5, gt=0, description="Steps between the candidates. Paper: 'every fifth step' (v4 App. A)."
    )
    steps: int = Field(
        default=50,
        gt=0,
        description="Candidates are of so many last steps, the very last among them. Paper: 'in the final 50 steps' (v4"
        " App. A).",
    )
    benchmarks: list[Name] = Field(
        min_length=1,
        description="The best is that of the highest mean accuracy over these, of equals the later one. By which score"
        " the best was chosen: not stated; these are the benchmarks of v4 Tables 5 and 6, and their mean is its `Avg`.",
    )


PositiveSeed = Annotated[int, Field(ge=1)]


class Seeds(Section):
    """Three kinds of seed, never mixed. The paper's seeds and number of runs: not stated."""

    data: PositiveSeed = Field(description="Generated problems, lab pretraining, bridging. Not stated.")
    training: list[PositiveSeed] = Field(
        min_length=1, description="SFT and RL; one model each. Not stated; the paper reports one run."
    )
    evaluation: list[PositiveSeed] = Field(
        min_length=1,
        description="Sampling of answers; checkpoints on the way have the first alone. Not stated; one run (repo).",
    )

    @field_validator("training", "evaluation")
    @classmethod
    def _are_different(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("a seed stands twice, and equal seeds give equal runs; keep one")
        return seeds
