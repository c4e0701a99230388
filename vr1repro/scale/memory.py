"""Bytes of each phase of a run: on a GPU, on a node's host, on disk.

Weights, moments and gradients follow from how they are spread (DeepSpeed's ZeRO stages, FSDP2, or whole); activations
from `activations`; what vLLM takes from its own settings. `gpus.RESERVE` is not in these sums.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from vr1repro.config.arms import Stage
from vr1repro.config.run import Config
from vr1repro.config.samplers import VllmSampler
from vr1repro.config.training import Launch, RlSettings, SftSettings
from vr1repro.scale.activations import dense_pass, packed_pass, patches, row_within, vision_pass
from vr1repro.scale.gpus import H100
from vr1repro.scale.shapes import CHANNELS, FRAMES, PATCH, ModelShape

# deepspeed/runtime/zero/config.py: stage3_max_live_parameters and reduce_bucket_size of stage 2.
_LIVE_PARAMETERS, _BUCKET = 10**9, 5 * 10**8
_VALUES_A_PATCH = CHANNELS * FRAMES * PATCH**2
_BF16, _FP32 = 2, 4
# Python, torch, CUDA's and TRL's libraries: a process's own memory. Assumed, as measured on nodes of like jobs.
HOST_OF_A_PROCESS = 4 * 10**9
# Where no config says how large pictures are. Assumed.
USUAL_PIXELS = 512 * 1024
# vLLM's own: tokens of a profiling step of an offline engine on a GPU of 80 GB, and Qwen2.5-VL's largest picture.
_PROFILE_TOKENS, _PROFILE_SEQUENCES, _LARGEST_PICTURE = 16384, 1024, 16384
# The newest two stay, a third is being written (training/resume.py).
_RESUME_CHECKPOINTS = 3


@dataclass(frozen=True, kw_only=True)
class States:
    """What stays on a GPU over steps, in bytes.

    Attributes:
        weights: The policy's, this GPU's part, with copies in bf16 that autocast makes.
        optimizer: fp32 weights where they are apart, and both moments.
        gradients: Accumulated, with the buckets in which they travel.
        gathered: Weights of other parts, at most.
        reference: Of the KL term's model.
    """

    weights: int
    optimizer: int
    gradients: int
    gathered: int
    reference: int

    @property
    def resident(self) -> int:
        """What stands beside a sampling engine."""
        return self.weights + self.optimizer + self.gradients + self.reference

    @property
    def total(self) -> int:
        """All of it."""
        return self.resident + self.gathered


def states(shape: ModelShape, launch: Launch, *, freeze_vision: bool, reference: bool = False) -> States:
    """States of a training with AdamW."""
    everything, trained = shape.parameters, shape.trained(freeze_vision=freeze_vision)
    world, e = launch.nodes * launch.processes, _element(launch)
    layer, root = shape.layer_parameters, shape.head_parameters * (1 if shape.tied else 2)
    if launch.fsdp:  # FSDP2 keeps fp32 weights; embedding and head are gathered together
        gathered = (2 * layer + root) * e + (layer + root) * e
        return States(
            weights=everything * _FP32 // world,
            optimizer=2 * trained * _FP32 // world,
            gradients=trained * _FP32 // world,
            gathered=gathered,
            reference=everything * _FP32 // world if reference else 0,
        )
    if launch.zero_stage == 3:
        live = min(_LIVE_PARAMETERS, everything) + max(layer, shape.head_parameters)
        # hpZ: a second shard within each node, of the policy and of the reference.
        second = everything * _BF16 // launch.processes if launch.hpz and launch.nodes > 1 else 0
        return States(
            weights=everything * e // world + second,
            optimizer=0 if launch.offload else 3 * trained * _FP32 // world,
            gradients=(0 if launch.offload else trained * _FP32 // world) + 2 * shape.hidden**2 * _FP32,
            gathered=live * e if world > 1 else 0,
            reference=everything * e // world + second if reference else 0,
        )
    if launch.zero_stage == 2:
        return States(
            weights=everything * e,
            optimizer=3 * trained * _FP32 // world,
            gradients=trained * _FP32 // world + min(_BUCKET, trained) * (2 * e + _FP32),
            gathered=0,
            reference=everything * e if reference else 0,
        )
    copies = everything * _BF16 if e == _BF16 else 0
    return States(
        weights=everything * _FP32 + copies,
        optimizer=2 * trained * _FP32,
        gradients=trained * _FP32 * (1 if world == 1 else 2),
        gathered=0,
        reference=everything * _FP32 if reference else 0,
    )


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The most that a phase holds on a GPU.

    Attributes:
        phase: Its name.
        parts: Bytes by what they are.
    """

    phase: str
    parts: dict[str, int]

    @property
    def total(self) -> int:
        """Their sum."""
        return sum(self.parts.values())


def sft_peak(shape: ModelShape, settings: SftSettings) -> Peak:
    """Forward and backward over the longest legal rows, each with a picture of the largest size."""
    launch = settings.launch
    held = states(shape, launch, freeze_vision=settings.freeze_vision)
    e = _element(launch)
    pixels = min(settings.max_image_pixels or _pixels(shape, settings.cutoff), _pixels(shape, settings.cutoff))
    seen = patches(pixels) * settings.device_batch
    kept, working = vision_pass(
        shape, seen, grad=not settings.freeze_vision, checkpointing=launch.gradient_checkpointing, element=e
    )
    language = dense_pass(
        shape, settings.device_batch, settings.cutoff, checkpointing=launch.gradient_checkpointing, element=e
    )
    parts = {"states": held.resident, "gathered": held.gathered}
    parts["pictures"] = seen * _VALUES_A_PATCH * _FP32 + kept
    return Peak(phase="forward and backward", parts={**parts, "activations": max(language, working)})


def rl_peaks(
    shape: ModelShape, settings: RlSettings, stage: Stage, *, gpu_memory: int = H100.memory, pixels: int | None = None
) -> Iterator[Peak]:
    """A stage's rollout, its passes without gradients and its updates.

    Args:
        shape: The model.
        settings: GRPO's, as the model's jobs see them.
        stage: Limits.
        gpu_memory: Bytes of a GPU; vLLM takes a share.
        pixels: Of a picture of the rollout where prompts are not shared; None: usual ones within the config's limits.
    """
    launch = settings.launch
    e = _element(launch)
    held = states(shape, launch, freeze_vision=settings.freeze_vision, reference=settings.beta > 0)
    if settings.generation.engine == "vllm-colocate":
        taken = int(settings.generation.gpu_memory_utilization * gpu_memory)
        yield Peak(phase="rollout", parts={"states": held.resident, "vLLM": taken})
    elif settings.generation.engine == "transformers":
        rows = _rows(settings, stage)
        cache = rows * (settings.max_prompt_tokens + stage.max_tokens) * key_value_bytes(shape, e)
        logits = rows * shape.vocabulary * (e + _FP32)
        parts = {"states": held.resident, "gathered": held.gathered, "keys and values": cache, "activations": logits}
        yield Peak(phase="rollout", parts=parts)
    groups = row_within(settings.tokens_per_forward, settings.max_prompt_tokens, stage.max_tokens, stage.group)
    # A prompt is a picture of the largest size at most.
    largest = min(_pixels(shape, settings.max_prompt_tokens), settings.max_image_pixels or 10**12)
    seen = patches(largest) * len(groups)
    # A piece looks its patches up in the rollout's table; without one TRL keeps every completion's.
    held_patches = seen if settings.share_prefix else _rows(settings, stage) * patches(_picture(settings, pixels))
    pictures = held_patches * _VALUES_A_PATCH * _FP32
    for phase, grad in (("scoring", False), ("update", True)):
        checkpointing = launch.gradient_checkpointing
        trained = grad and not settings.freeze_vision
        kept, working = vision_pass(shape, seen, grad=trained, checkpointing=checkpointing, element=e)
        language = packed_pass(shape, groups, grad=grad, checkpointing=checkpointing, element=e)
        parts = {"states": held.resident, "gathered": held.gathered, "pictures": pictures + kept}
        yield Peak(phase=phase, parts={**parts, "activations": max(language, working)})


def engine_needs(shape: ModelShape, *, split: int, context: int, dtype_bytes: int = _BF16) -> dict[str, int]:
    """What vLLM needs on each GPU before it serves one sequence of full length.

    Args:
        shape: The model.
        split: `tensor_parallel`.
        context: Longest prompt and completion together.
        dtype_bytes: Bytes of a weight.
    """
    _, vision = vision_pass(shape, _LARGEST_PICTURE * shape.vision.merge**2, grad=False)
    tokens = _PROFILE_TOKENS * (3 * shape.intermediate // split + 4 * shape.hidden) * _BF16
    logits = _PROFILE_SEQUENCES * shape.vocabulary * (_BF16 + _FP32)
    return {
        "weights": shape.parameters * dtype_bytes // split,
        "profile": max(vision, tokens + logits),
        # Where there are more GPUs than heads of keys and values, each holds a copy of one.
        "keys and values": context * key_value_bytes(shape) // min(split, shape.kv_heads),
    }


def evaluation_peak(shape: ModelShape, sampler: VllmSampler, *, gpu_memory: int = H100.memory) -> Peak:
    """What vLLM takes, which is its share whatever the model; what weights leave is for keys and values."""
    taken = int(sampler.gpu_memory_utilization * gpu_memory)
    weights = shape.parameters * _BF16 // sampler.tensor_parallel
    return Peak(phase="evaluation", parts={"weights": weights, "keys and values, work": max(0, taken - weights)})


def key_value_bytes(shape: ModelShape, element: int = _BF16) -> int:
    """Bytes of a token's keys and values in all layers."""
    return 2 * shape.layers * shape.kv_width * element


def host_bytes(shape: ModelShape, launch: Launch, *, freeze_vision: bool) -> int:
    """Least memory of a node's processes in a training.

    Offloaded are fp32 weights, both moments and gradients. ZeRO-3 gathers the weights on the first process to save
    them; else each process holds them when it loads.
    """
    e = _element(launch)
    if launch.fsdp:  # which saves in fp32
        whole = max(launch.processes * shape.parameters * e, shape.parameters * _FP32)
    elif launch.zero_stage == 3:
        whole = shape.parameters * e
    else:
        whole = launch.processes * shape.parameters * (e if launch.zero_stage else _FP32)
    offloaded = 4 * shape.trained(freeze_vision=freeze_vision) * _FP32 // launch.nodes if launch.offload else 0
    return whole + offloaded + launch.processes * HOST_OF_A_PROCESS


def rollout_pictures_on_host(settings: RlSettings, stage: Stage, *, pixels: int | None = None) -> int:
    """Bytes of a rollout's processed pictures on a node: a prompt's once, or a completion's each."""
    rows = settings.prompts_per_step // settings.launch.nodes * (1 if settings.share_prefix else stage.group)
    return rows * patches(_picture(settings, pixels)) * _VALUES_A_PATCH * _FP32


def resume_bytes(shape: ModelShape, launch: Launch, *, freeze_vision: bool) -> int:
    """Bytes of one checkpoint that a killed job goes on from."""
    trained = shape.trained(freeze_vision=freeze_vision)
    if launch.zero_stage:  # fp32 weights and moments, the shards' weights, and those gathered
        return 3 * trained * _FP32 + 2 * shape.parameters * _element(launch)
    return 2 * trained * _FP32 + shape.parameters * _FP32


def resume_disk(shape: ModelShape, launch: Launch, *, freeze_vision: bool) -> int:
    """Most bytes of a job's resume checkpoints at once; nothing where none is written."""
    return _RESUME_CHECKPOINTS * resume_bytes(shape, launch, freeze_vision=freeze_vision) if launch.save_every else 0


def kept_bytes(shape: ModelShape, launch: Launch) -> int:
    """Bytes of a checkpoint that is kept for evaluation; FSDP2 and whole models are saved in fp32."""
    return shape.parameters * (_element(launch) if launch.zero_stage else _FP32)


def context_of(config: Config, model: str, sampler: VllmSampler) -> int:
    """Tokens that a sampler must have room for: its own limit, or the model's."""
    return sampler.max_model_len or config.models[model].context


def _element(launch: Launch) -> int:
    return _BF16 if launch.precision == "bf16" else _FP32


def _rows(settings: RlSettings, stage: Stage) -> int:
    """Completions of a rollout on one process."""
    return settings.prompts_per_step * stage.group // (settings.launch.nodes * settings.launch.processes)


def _picture(settings: RlSettings, pixels: int | None) -> int:
    usual = USUAL_PIXELS if pixels is None else pixels
    return min(max(usual, settings.min_image_pixels or 0), settings.max_image_pixels or usual)


def _pixels(shape: ModelShape, tokens: int) -> int:
    """Pixels of a picture of so many tokens."""
    return int(tokens * (PATCH * shape.vision.merge) ** 2)
