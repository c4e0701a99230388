"""What of a config cannot run at its models' size: each message names the key, the number and what would fit.

Models whose shape is not known, and jobs without a GPU, are left out. Bytes are least ones wherever the config leaves
room (pictures, `gpus.RESERVE`), so what is refused is wrong; what passes is rehearsed by the jobs themselves.
"""

from collections.abc import Callable, Iterable, Iterator

from vr1repro.config import uses
from vr1repro.config.arms import Stage
from vr1repro.config.coldset import ModelEngine
from vr1repro.config.plan import Plan
from vr1repro.config.run import Config
from vr1repro.config.samplers import VllmSampler
from vr1repro.config.training import Launch, RlSettings, SftSettings
from vr1repro.scale import memory
from vr1repro.scale.activations import Group, packed_pass
from vr1repro.scale.gpus import H100, RESERVE, Gpu
from vr1repro.scale.shapes import ModelShape, shape_of

_MOST_GPUS = 8  # of a node; no model is split over more
_MEGABYTE = 10**6


def impossible(config: Config, *, gpu: Gpu = H100, disk: int | None = None) -> list[str]:
    """What cannot run.

    Args:
        config: A valid config.
        gpu: The card of its jobs.
        disk: Bytes that are free for the run, where they are known.
    """
    plan = Plan(config)
    messages = [*_evaluations(plan, gpu), *_bridging(plan, gpu), *_sft(plan, gpu), *_rl(plan, gpu)]
    if disk is not None and (needed := disk_bytes(plan)) > disk:
        messages.append(
            f"rl.evaluate_every: {config.rl.evaluate_every} keeps checkpoints of {_gb(needed)} with those to resume"
            f" from and to choose among, {_gb(disk)} are free; raise it, or raise launch.save_every to 0 where a lost"
            " job may start again, or raise selection.every"
        )
    return list(dict.fromkeys(messages))


def splits(shape: ModelShape) -> list[int]:
    """Numbers of GPUs of a node over which vLLM can split a model."""
    return [split for split in range(1, _MOST_GPUS + 1) if not list(_undivided(shape, split))]


def disk_bytes(plan: Plan) -> int:
    """Bytes of all kept checkpoints, and the most that one job has beside them: candidates, resume checkpoints."""
    kept, passing = 0, 0
    for start, _ in uses.sft_runs(plan):
        if shape := _shape(plan.config, plan.config.starts[start].model):
            sft = plan.config.of_start(start).sft
            kept += memory.kept_bytes(shape, sft.launch)
            passing = max(passing, memory.resume_disk(shape, sft.launch, freeze_vision=sft.freeze_vision))
    for arm, stage, _ in uses.rl_runs(plan):
        if shape := _shape(plan.config, plan.config.starts[plan.config.arms[arm].start].model):
            rl = plan.config.of_arm(arm).rl
            kept += len(plan.kept_steps(arm, stage)) * memory.kept_bytes(shape, rl.launch)
            candidates = len(plan.passing_steps(arm, stage)) * memory.kept_bytes(shape, rl.launch)
            resume = memory.resume_disk(shape, rl.launch, freeze_vision=rl.freeze_vision)
            passing = max(passing, candidates + resume)
    return kept + passing


def _shape(config: Config, model: str) -> ModelShape | None:
    return shape_of(config.models[model])


def _undivided(shape: ModelShape, split: int) -> Iterator[str]:
    """What vLLM cannot divide; its placement checks (config/model.py, model_executor/layers/linear.py)."""
    if shape.heads % split:
        yield f"{shape.heads} attention heads"
    if shape.kv_heads % split and split % shape.kv_heads:
        yield f"{shape.kv_heads} key-value heads"
    if shape.intermediate % split:
        yield f"a feed-forward width of {shape.intermediate}"
    if shape.vision.heads % split:
        yield f"{shape.vision.heads} heads of the vision tower"
    if shape.vision.intermediate % split:
        yield f"a vision MLP of {shape.vision.intermediate}"


def _engine(
    shape: ModelShape, key: str, *, split: int, share: float, context: int, gpu: Gpu, dtype_bytes: int = 2
) -> Iterator[str]:
    """An engine's split, and its weights and one full sequence within its share of a GPU."""
    possible = splits(shape)
    if undivided := list(_undivided(shape, split)):
        yield (
            f"{key}tensor_parallel: {shape.name} has {' and '.join(undivided)}, which {split} does not divide;"
            f" {_listed(possible)} would"
        )
        return
    needs = memory.engine_needs(shape, split=split, context=context, dtype_bytes=dtype_bytes)
    if (needed := sum(needs.values())) > (taken := int(share * gpu.memory)):
        parts = ", ".join(f"{name} {_gb(size)}" for name, size in needs.items())
        fitting = [
            other for other in possible
            if sum(memory.engine_needs(shape, split=other, context=context, dtype_bytes=dtype_bytes).values()) <= taken
        ]  # fmt: skip
        advice = f"a split over {_listed(fitting)} would fit" if fitting else "no split over a node would fit"
        yield (
            f"{key}tensor_parallel: {shape.name} over {split} needs {_gb(needed)} a GPU ({parts}; {context} tokens),"
            f" gpu_memory_utilization {share} gives {_gb(taken)}; {advice}"
        )


def _evaluations(plan: Plan, gpu: Gpu) -> Iterator[str]:
    config = plan.config
    for model in dict.fromkeys(config.starts[config.arms[arm].start].model for arm in config.run_arms):
        shape, placed = _shape(config, model), config.placed(model)
        sampler = placed.evaluation.engine
        if shape is None or not isinstance(sampler, VllmSampler) or not placed.resources.evaluate.gpu:
            continue
        moved = model in config.placements and config.placements[model].evaluation.engine is not None
        key = f"placements.{model}.evaluation.engine." if moved else "evaluation.engine."
        yield from _sampler(config, model, shape, sampler, key, gpu)


def _bridging(plan: Plan, gpu: Gpu) -> Iterator[str]:
    config = plan.config
    if not (uses.builds_coldset(plan) and config.resources.bridge.gpu):
        return
    for side in ("mllm", "reasoner"):
        engine = getattr(config.coldset, side)
        if not isinstance(engine, ModelEngine) or not isinstance(engine.sampler, VllmSampler):
            continue
        if engine.model in config.models and (shape := _shape(config, engine.model)):
            key = f"coldset.{side}.sampler."
            yield from _sampler(config, engine.model, shape, engine.sampler, key, gpu)


def _sampler(config: Config, model: str, shape: ModelShape, sampler: VllmSampler, key: str, gpu: Gpu) -> Iterator[str]:
    yield from _engine(
        shape,
        key,
        split=sampler.tensor_parallel,
        share=sampler.gpu_memory_utilization,
        context=memory.context_of(config, model, sampler),
        gpu=gpu,
        dtype_bytes=4 if sampler.dtype == "float32" else 2,
    )


def _sft(plan: Plan, gpu: Gpu) -> Iterator[str]:
    config = plan.config
    for model in dict.fromkeys(config.starts[start].model for start, _ in uses.sft_runs(plan)):
        shape, placed = _shape(config, model), config.placed(model)
        if shape is None or not placed.resources.sft.gpu:
            continue
        sft, placement = placed.sft, config.placements[model].sft if model in config.placements else None
        held = memory.states(shape, sft.launch, freeze_vision=sft.freeze_vision)
        launch = f"placements.{model}.sft.launch" if placement and placement.launch else "sft.launch"
        yield from _states(shape, launch, held.total, gpu)
        if held.total > gpu.memory - RESERVE:
            continue
        peak = memory.sft_peak(shape, sft)
        if peak.total > gpu.memory - RESERVE:

            def fits(cutoff: int, sft: SftSettings = sft, shape: ModelShape = shape) -> bool:
                shorter = sft.model_copy(update={"cutoff": cutoff})
                return memory.sft_peak(shape, shorter).total <= gpu.memory - RESERVE

            yield (
                f"sft.cutoff: {sft.device_batch} rows (sft.device_batch) of {sft.cutoff} tokens of {shape.name} need"
                f" {_gb(peak.total)} ({_parts(peak)}), one {gpu.name} has {_gb(gpu.memory - RESERVE)} for them;"
                f" {_most(fits, sft.cutoff)} tokens would fit"
            )
        yield from _host(shape, sft, "sft", placed.resources.sft.mem_mb, 0)


def _rl(plan: Plan, gpu: Gpu) -> Iterator[str]:
    config = plan.config
    for arm, number, _ in uses.rl_runs(plan):
        model = config.starts[config.arms[arm].start].model
        shape, placed = _shape(config, model), config.placed(model)
        if shape is None or not placed.resources.rl.gpu:
            continue
        placement = config.placements[model].rl if model in config.placements else None

        def key(name: str, section: str = "", placement: object = placement, model: str = model) -> str:
            moved = getattr(placement, name, None) is not None
            return f"placements.{model}.rl.{name}" if moved else f"rl.{section}{name}"

        stage = config.arms[arm].stages[number - 1]
        yield from _stage(shape, placed.rl, stage, key, gpu)
        pictures = memory.rollout_pictures_on_host(placed.rl, stage, pixels=0)
        yield from _host(shape, placed.rl, "rl", placed.resources.rl.mem_mb, pictures)


def _stage(shape: ModelShape, rl: RlSettings, stage: Stage, key: Callable[..., str], gpu: Gpu) -> Iterator[str]:
    free, generation = gpu.memory - RESERVE, rl.generation
    held = memory.states(shape, rl.launch, freeze_vision=rl.freeze_vision, reference=rl.beta > 0)
    if held.total > free:
        yield from _states(shape, key("launch"), held.total, gpu)
        return
    if generation.engine == "vllm-colocate":
        share, split = generation.gpu_memory_utilization, generation.tensor_parallel
        yield from _engine(
            shape,
            key("tensor_parallel", "generation.").removesuffix("tensor_parallel"),
            split=split,
            share=share,
            context=rl.max_prompt_tokens + stage.max_tokens,
            gpu=gpu,
        )
        if share * gpu.memory + held.resident > free:
            yield (
                f"{key('gpu_memory_utilization', 'generation.')}: {share} of one {gpu.name} is"
                f" {_gb(share * gpu.memory)}, beside {_gb(held.resident)} of the trainer's states of {shape.name} that"
                f" stay, and {_gb(RESERVE)} of contexts and buffers; at most"
                f" {int((free - held.resident) / gpu.memory * 100) / 100} would fit"
            )
    update = max(memory.rl_peaks(shape, rl, stage, gpu_memory=gpu.memory, pixels=0), key=_of_update)
    if update.total <= free:
        return
    row = Group(prompt=rl.max_prompt_tokens, completions=(stage.max_tokens,))
    alone = packed_pass(
        shape, [row], grad=True, checkpointing=rl.launch.gradient_checkpointing, element=_element(rl.launch)
    )
    if alone + held.total > free:
        yield (
            f"rl.max_prompt_tokens: one row of {rl.max_prompt_tokens} and {stage.max_tokens} tokens of {shape.name}"
            f" needs {_gb(alone)} of activations beside {_gb(held.total)} of states, one {gpu.name} has {_gb(free)} for"
            " both; checkpoint gradients, shard over more GPUs, or shorten the stage"
        )
        return

    def fits(tokens: int) -> bool:
        shorter = rl.model_copy(update={"tokens_per_forward": tokens})
        peaks = memory.rl_peaks(shape, shorter, stage, gpu_memory=gpu.memory, pixels=0)
        return max(peaks, key=_of_update).total <= free

    yield (
        f"{key('tokens_per_forward')}: {rl.tokens_per_forward} tokens of {shape.name} need {_gb(update.total)}"
        f" ({_parts(update)}), one {gpu.name} has {_gb(free)} for them; {_most(fits, rl.tokens_per_forward)} would fit"
    )


def _of_update(peak: memory.Peak) -> tuple[bool, int]:
    return peak.phase == "update", peak.total


def _states(shape: ModelShape, key: str, needed: int, gpu: Gpu) -> Iterator[str]:
    if needed > gpu.memory - RESERVE:
        yield (
            f"{key}: the states of {shape.name} take {_gb(needed)} on each GPU, one {gpu.name} has"
            f" {_gb(gpu.memory - RESERVE)} for them; zero_stage 3 or fsdp shards them, more processes make shards"
            " smaller, offload leaves the optimizer's to the host"
        )


def _host(
    shape: ModelShape, settings: SftSettings | RlSettings, kind: str, given_mb: int, pictures: int
) -> Iterator[str]:
    launch = settings.launch
    needed = memory.host_bytes(shape, launch, freeze_vision=settings.freeze_vision) + pictures
    if needed > given_mb * _MEGABYTE:
        yield (
            f"resources.{kind}.mem_mb: {given_mb}, but {launch.processes} processes with {shape.name} need"
            f" {-(-needed // _MEGABYTE)} on a node"
        )


def _element(launch: Launch) -> int:
    return 2 if launch.precision == "bf16" else 4


def _most(fits: Callable[[int], bool], most: int, step: int = 256) -> str:
    """The largest multiple of a step that fits."""
    low, high = 0, most // step
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle * step) else (low, middle - 1)
    return str(low * step) if low else "no number of"


def _parts(peak: memory.Peak) -> str:
    return ", ".join(f"{name} {_gb(size)}" for name, size in peak.parts.items() if size)


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
