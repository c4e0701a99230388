"""Where the jobs of one base model run, where that differs from the run's sections.

One run trains and evaluates models of several sizes. How a model is spread over GPUs follows its size; what is learnt
does not, so only keys that no result depends on stand here.
"""

from pydantic import Field

from vr1repro.config.base import Section
from vr1repro.config.samplers import Sampler
from vr1repro.config.training import Launch


class SftPlacement(Section):
    """Cold-start initialisation."""

    launch: Launch | None = Field(default=None, description="Instead of `sft.launch`.")
    device_batch: int | None = Field(default=None, gt=0, description="Instead of `sft.device_batch`.")


class RlPlacement(Section):
    """GRPO."""

    launch: Launch | None = Field(default=None, description="Instead of `rl.launch`.")
    tokens_per_forward: int | None = Field(default=None, gt=0, description="Instead of `rl.tokens_per_forward`.")
    tensor_parallel: int | None = Field(default=None, gt=0, description="Instead of `rl.generation.tensor_parallel`.")
    gpu_memory_utilization: float | None = Field(
        default=None, gt=0, lt=1, description="Instead of `rl.generation.gpu_memory_utilization`."
    )


class EvaluationPlacement(Section):
    """Sampling of answers."""

    engine: Sampler | None = Field(default=None, description="Instead of `evaluation.engine`.")
    gpu: int | None = Field(default=None, ge=0, description="Instead of `resources.evaluate.gpu`.")


class Placement(Section):
    """One base model's."""

    sft: SftPlacement = Field(default=SftPlacement(), description="Cold-start initialisation.")
    rl: RlPlacement = Field(default=RlPlacement(), description="GRPO.")
    evaluation: EvaluationPlacement = Field(default=EvaluationPlacement(), description="Sampling of answers.")
