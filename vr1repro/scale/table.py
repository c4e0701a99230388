"""Peak bytes and seconds of each model's jobs as a table, for `vr1repro plan`."""

from collections.abc import Iterator

from vr1repro.config import uses
from vr1repro.config.plan import Plan
from vr1repro.config.run import Config
from vr1repro.config.samplers import VllmSampler
from vr1repro.scale import memory, roofline
from vr1repro.scale.gpus import H100, RESERVE
from vr1repro.scale.ranges import Range
from vr1repro.scale.shapes import ModelShape, shape_of

HEAD = ("model", "job", "GPUs", "rollout GB", "scoring GB", "update GB", "host GB", "s: rollout", "scoring", "update",
        "bound by")  # fmt: skip
NOTE = (
    f"GB: peaks on each GPU of {H100.memory / 1e9:.1f} GB, of which {RESERVE / 1e9:.0f} stay for contexts and buffers;"
    f" pictures of {memory.USUAL_PIXELS / 2**20:.1f} megapixels within the config's limits; host: of a node, weights,"
    f" processes and a rollout's pictures. s: of a step, on {H100.name}; of SFT, of a row on one GPU"
)


def memory_and_time(plan: Plan) -> list[str]:
    """A line for each model and kind of job whose shape is known; nothing where there is none."""
    rows = list(dict.fromkeys(_rows(plan)))
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (HEAD, *rows)]
    return [line.rstrip() for line in lines] + [NOTE]


def _rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    config = plan.config
    for start, _ in uses.sft_runs(plan):
        if (shape := shape_of(config.models[config.starts[start].model])) and config.resources.sft.gpu:
            yield _sft_row(config.of_start(start), shape, chains=config.starts[start].sft == "chains")
    for arm, number, _ in uses.rl_runs(plan):
        start = config.arms[arm].start
        if (shape := shape_of(config.models[config.starts[start].model])) and config.resources.rl.gpu:
            yield _rl_row(config, arm, number, shape)
    for arm in dict.fromkeys(checkpoint.arm for checkpoint in uses.evaluated(plan)):
        placed, model = config.of_arm(arm), config.starts[config.arms[arm].start].model
        sampler, shape = placed.evaluation.engine, shape_of(config.models[model])
        if shape and isinstance(sampler, VllmSampler) and placed.resources.evaluate.gpu:
            yield _evaluation_row(shape, sampler)


def _sft_row(config: Config, shape: ModelShape, *, chains: bool) -> tuple[str, ...]:
    sft = config.sft
    rows = sft.epochs * roofline.SFT_ROWS.low, sft.epochs * roofline.SFT_ROWS.high
    span = roofline.sft_gpu_seconds(shape, sft, chains=chains)
    seconds = Range(span.low / rows[0], span.high / rows[1])
    host = memory.host_bytes(shape, sft.launch, freeze_vision=sft.freeze_vision)
    what = f"SFT {sft.device_batch} x {sft.cutoff}" + ("" if chains else ", answers")
    return (
        shape.name, what, str(sft.launch.nodes * sft.launch.processes), "-", "-",
        _gb(memory.sft_peak(shape, sft).total), _gb(host), "-", "-", _span(seconds, 2), "-",
    )  # fmt: skip


def _rl_row(config: Config, arm: str, number: int, shape: ModelShape) -> tuple[str, ...]:
    rl, stage = config.of_arm(arm).rl, config.arms[arm].stages[number - 1]
    tuned = config.starts[config.arms[arm].start].sft == "chains"
    peaks = {peak.phase: _gb(peak.total) for peak in memory.rl_peaks(shape, rl, stage)}
    step = roofline.rl_step(shape, rl, stage, roofline.completion_tokens(stage, number=number, tuned=tuned))
    host = memory.host_bytes(shape, rl.launch, freeze_vision=rl.freeze_vision)
    host += memory.rollout_pictures_on_host(rl, stage)
    what = f"RL {stage.max_tokens} x {stage.group}" + ("" if tuned else ", from base")
    return (
        shape.name, what, str(rl.launch.nodes * rl.launch.processes), peaks.get("rollout", "-"), peaks["scoring"],
        peaks["update"], _gb(host), _span(step.rollout), _span(step.scoring), _span(step.update),
        ", ".join(dict.fromkeys(step.bound)),
    )  # fmt: skip


def _evaluation_row(shape: ModelShape, sampler: VllmSampler) -> tuple[str, ...]:
    peak = memory.evaluation_peak(shape, sampler)
    return (
        shape.name, "evaluation", str(sampler.tensor_parallel), _gb(peak.total), "-", "-", "-", "-", "-", "-",
        "bandwidth",
    )  # fmt: skip


def _gb(size: float) -> str:
    return f"{size / 1e9:.0f}"


def _span(span: Range, digits: int = 0) -> str:
    low, high = (f"{value:.{digits}f}" for value in span)
    return low if low == high else f"{low}-{high}"
