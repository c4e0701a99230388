"""What a config will take before anything is paid: jobs, GPUs, hours, disk and API cost of each stage, as ranges.

Every range rests on inputs that are listed with it, each with where it comes from: v1 or v4 of the paper, calculated
from the config, or assumed, with the reason. Where a model's shape is known its hours are a roofline's (`scale`); the
paper's own times, which its first version alone has, for its 7B model, stand beside it, and are scaled elsewhere.
"""

from collections.abc import Iterable

from vr1repro.cluster import answers
from vr1repro.cluster.costs import (
    CHAIN_TOKENS,
    PAPER_SIZE,
    Cost,
    Input,
    billions,
    shape_of_start,
    size_of,
)
from vr1repro.cluster.graders import graders
from vr1repro.config import uses
from vr1repro.config.arms import Stage
from vr1repro.config.coldset import ModelEngine
from vr1repro.config.plan import Plan
from vr1repro.config.run import Config
from vr1repro.config.samplers import EndpointSampler
from vr1repro.config.training import RlSettings, SftSettings
from vr1repro.scale import memory, roofline
from vr1repro.scale.ranges import NOTHING, Range
from vr1repro.scale.shapes import QWEN_7B, ModelShape, shape_of

# What the paper says (v1 section 4.1); v4 removes every GPU count and time.
COLDSET_GPU_HOURS = 128 * 48
SFT_GPU_HOURS = 32 * 10
RL_GPU_HOURS = 64 * 48
PAPER_COLD_PROBLEMS = 360_000  # v1 4.1: LLaVA-CoT 100K and Mulberry 260K
PAPER_RL_STEPS = Range(200, 300)  # v1 4.1 and Table 4: Vision-R1 200, Zero and Long 300
STAGE_TOKENS = 4096 * 16  # v4 4.2: length x samples is the same in every stage

# Not stated anywhere; wide on purpose.
RL_BATCH = Range(128, 512)
BYTES_WEIGHT, BYTES_TRAINING = 2, 14
DATA_GB = Range(100, 400)


def estimate(plan: Plan) -> list[Cost]:
    """The stages of a config in order."""
    made, answered = (_prepare, _coldset, _sft, _rl), (answers.evaluation, answers.selection, answers.lengths)
    return [stage(plan) for stage in (*made, *answered, graders, _report)]


def _brought(config: Config) -> set[str]:
    """Sources of the cold set that are not generated here; the paper's figures are of such."""
    return {name for name in config.coldset.sources if config.problems[name].kind != "lab"}


def _prepare(plan: Plan) -> Cost:
    config = plan.config
    sources = plan.model_sources()
    used, sets = uses.models_used(plan), uses.sets_used(plan)
    shapes = {name: shape_of(sources[name]) for name in used}
    weights = BYTES_WEIGHT * sum(
        shape.parameters / 1e9 if shape else billions(sources[name]) for name, shape in shapes.items()
    )
    data = DATA_GB if _brought(config) & sets else NOTHING
    return Cost(
        "models, data", len(used) + len(sets), config.resources.prepare, disk_gb=data + Range(weights, weights),
        inputs=[
            Input("calculated", f"weights of {len(used)} models in bf16: {weights:.0f} GB"),
            *([Input("assumed", f"pictures of the cold set's problems: {DATA_GB.low:.0f}-{DATA_GB.high:.0f} GB; no"
                     " source states it")] if data.high else []),
        ],
    )  # fmt: skip


def _coldset(plan: Plan) -> Cost:
    config = plan.config
    if not uses.has_coldset(plan):
        return Cost("cold set")
    if not uses.builds_coldset(plan):
        return Cost("cold set", 1, inputs=[Input("calculated", "cold set: taken as released")])
    jobs = config.coldset.shards + 1 + config.coldset.overlap.drop
    cost = Cost("cold set", jobs, config.resources.bridge)
    if not _brought(config):
        return cost
    inputs, cost.disk_gb = cost.inputs, Range(5, 20)
    inputs.append(Input("v1", "cold set: 128 H800 for about 2 days, both models together: 6144 GPU-hours (4.1)"))
    here = {
        side: isinstance(engine, ModelEngine) and not isinstance(engine.sampler, EndpointSampler)
        for side, engine in (("mllm", config.coldset.mllm), ("reasoner", config.coldset.reasoner))
    }
    if all(here.values()):
        cost.gpu_hours = Range(COLDSET_GPU_HOURS, COLDSET_GPU_HOURS).times(0.5, 1.5)
        inputs.append(Input("assumed", "cold set: half to one and a half times v1's figure, for other engines"))
    elif here["mllm"]:
        cost.gpu_hours = Range(COLDSET_GPU_HOURS, COLDSET_GPU_HOURS).times(0.05, 0.5)
        inputs.append(
            Input("assumed", "cold set: the 72B model's part is 5-50 % of that; it writes far less than the reasoner")
        )
    inputs.append(Input("assumed", "cold set: requests, replies and traces take 5-20 GB"))
    cost.longest = cost.gpu_hours.times(1 / config.coldset.shards)
    cost.money = _api(plan, here, inputs)
    return cost


def _api(plan: Plan, here: dict[str, bool], inputs: list[Input]) -> Range | None:
    """Cost of the endpoints, in the config's currency; None where a price is missing."""
    settings, total = plan.config.coldset, NOTHING
    for side, engine in (("mllm", settings.mllm), ("reasoner", settings.reasoner)):
        if here[side] or not isinstance(engine, ModelEngine):
            continue
        tokens = CHAIN_TOKENS.times(PAPER_COLD_PROBLEMS / 1e6)
        inputs.append(
            Input("v1", f"{side}: {PAPER_COLD_PROBLEMS:,} problems (4.1) with chains of 1285-3566 tokens (Table 4): "
                  f"{tokens.low:.0f}-{tokens.high:.0f} million tokens")
        )  # fmt: skip
        if engine.prices is None:
            inputs.append(
                Input("assumed", f"{side}: no price is assumed; set coldset.{side}.prices, then cost is counted")
            )
            return None
        prompts = Range(0.5, 2).times(PAPER_COLD_PROBLEMS / 1000)
        inputs.append(Input("assumed", f"{side}: prompts of 500-2000 tokens; prices as in the config"))
        total = total + tokens.times(engine.prices.completion) + prompts.times(engine.prices.prompt)
    return total


def _sft(plan: Plan) -> Cost:
    config, runs = plan.config, uses.sft_runs(plan)
    cost = Cost("SFT", len(runs), config.resources.sft, config.sft.launch.nodes)
    if not (runs and cost.gpus):
        return cost
    known = [shape_of_start(plan, start) for start, _ in runs]
    for (start, _), shape in zip(runs, known, strict=True):
        chains = config.starts[start].sft == "chains"
        if shape is not None:
            sft = config.of_start(start).sft
            cost.add(roofline.sft_gpu_seconds(shape, sft, chains=chains).times(1 / 3600))
            cost.disk_gb += _disk(shape, sft, kept=1)
            continue
        size = size_of(plan, start)
        low = 1.0 if chains else 0.1
        cost.add(Range(SFT_GPU_HOURS, SFT_GPU_HOURS).times(size / PAPER_SIZE * config.sft.epochs / 2).times(low, 1.3))
        cost.disk_gb += Range(size * BYTES_WEIGHT, size * (BYTES_WEIGHT + BYTES_TRAINING))
    cost.inputs = [Input("v1", "SFT of 7B: 32 H800 for about 10 hours: 320 GPU-hours for 2 epochs (4.1)")]
    if any(known):
        ours = roofline.sft_gpu_seconds(QWEN_7B, config.sft.model_copy(update={"epochs": 2}), chains=True)
        cost.inputs += [
            Input("calculated", f"SFT: a roofline of the model's shape; of the same 7B it makes {ours.low / 3600:.0f}-"
                  f"{ours.high / 3600:.0f} GPU-hours"),
            Input("assumed", f"SFT: {roofline.SFT_CHAIN.low:.0f}-{roofline.SFT_CHAIN.high:.0f} tokens a chain; 200K"
                  " rows in the paper's text, 261K as released"),
        ]  # fmt: skip
    if not all(known):
        cost.inputs.append(
            Input("assumed", "SFT of models whose shape is not known: v1's time in proportion to their parameters; on"
                  " answers alone from a tenth")
        )  # fmt: skip
    cost.inputs.append(
        Input("calculated", "weights stay; up to three resume checkpoints (fp32 weights, moments) while it runs")
    )
    return cost


def _disk(shape: ModelShape, settings: SftSettings | RlSettings, *, kept: int, passing: int = 0) -> Range:
    """GB of kept checkpoints, and with those that a killed job goes on from and those that go once they are graded."""
    one = memory.kept_bytes(shape, settings.launch) / 1e9
    resume = memory.resume_disk(shape, settings.launch, freeze_vision=settings.freeze_vision) / 1e9
    return Range(kept * one, (kept + passing) * one + resume)


def _rl(plan: Plan) -> Cost:
    config, runs = plan.config, uses.rl_runs(plan)
    cost = Cost("RL", len(runs), config.resources.rl, config.rl.launch.nodes)
    if not (runs and cost.gpus):
        return cost
    # GPU-hours of one step of the paper, then of one of ours: the batch is not published.
    paper = Range(RL_GPU_HOURS / PAPER_RL_STEPS.high, RL_GPU_HOURS / PAPER_RL_STEPS.low)
    step = Range(
        paper.low * config.rl.prompts_per_step / RL_BATCH.high, paper.high * config.rl.prompts_per_step / RL_BATCH.low
    )
    start_of = {arm: config.arms[arm].start for arm, _, _ in runs}
    known = {arm: shape_of_start(plan, start) for arm, start in start_of.items()}
    candidates = 0
    for arm, number, _ in runs:
        stage, size = config.arms[arm].stages[number - 1], size_of(plan, config.arms[arm].start)
        kept, passing = len(plan.kept_steps(arm, number)), len(plan.passing_steps(arm, number))
        candidates += passing
        if (shape := known[arm]) is not None:
            rl = config.of_arm(arm).rl
            tuned = config.starts[start_of[arm]].sft == "chains"
            length = roofline.completion_tokens(stage, number=number, tuned=tuned)
            processes = rl.launch.nodes * rl.launch.processes
            seconds = roofline.rl_step(shape, rl, stage, length).total
            cost.add(seconds.times(stage.steps * processes / 3600))
            cost.disk_gb += _disk(shape, rl, kept=kept, passing=passing)
            continue
        # Fewer tokens than the paper's 64K a prompt cost less; more may be used or not.
        tokens = stage.max_tokens * stage.group / STAGE_TOKENS
        cost.add(step.times(stage.steps * size / PAPER_SIZE).times(min(tokens, 1.0), tokens))
        weights = size * BYTES_WEIGHT
        cost.disk_gb += Range(kept * weights, (kept + passing) * weights + size * BYTES_TRAINING)
    cost.inputs = [Input("v1", "RL of 7B: 64 H800 for about 2 days: 3072 GPU-hours a run (4.1)")]
    if any(known.values()):
        ours = _vision_r1(config)
        cost.inputs += [
            Input("calculated", "RL: a roofline of the model's shape; of Vision-R1-7B's two stages of 100 steps it"
                  f" makes {ours.low:.0f}-{ours.high:.0f} GPU-hours, with this config's steps and launch"),
            *(Input(tag, text) for tag, text in roofline.SOURCES),
        ]  # fmt: skip
    if candidates:
        cost.inputs.append(
            Input("calculated", f"RL: {candidates} further checkpoints to choose among, whose weights go once they are"
                  " graded: none of them at the least, all at the most")
        )  # fmt: skip
    if all(known.values()):
        cost.inputs.append(Input("calculated", f"a checkpoint every {config.rl.evaluate_every} steps"))
        return cost
    cost.inputs += [
        Input("v1", "a run is 200 (Vision-R1) or 300 steps (Zero, Long): 10.2-15.4 GPU-hours a step"),
        Input("assumed", f"the paper's batch is not published: {RL_BATCH.low:.0f}-{RL_BATCH.high:.0f} prompts a step"
              f" (EasyR1's example), ours is {config.rl.prompts_per_step}"),
        Input("v4", "length x samples is 64K tokens a prompt in every stage (4.2); an arm with more takes up to that"
              " much longer"),
        Input("assumed", "RL: other sizes in proportion to their parameters"),
        Input("calculated", f"a checkpoint every {config.rl.evaluate_every} steps at {BYTES_WEIGHT} bytes a parameter"),
    ]  # fmt: skip
    return cost


def _vision_r1(config: Config) -> Range:
    """GPU-hours of the run that v1 states a time of."""
    hours = NOTHING
    launch = config.rl.launch
    for number, (tokens, group) in enumerate(((4096, 16), (8192, 8)), 1):
        stage = Stage(max_tokens=tokens, group=group, steps=100)
        length = roofline.completion_tokens(stage, number=number, tuned=True)
        seconds = roofline.rl_step(QWEN_7B, config.rl, stage, length).total
        hours += seconds.times(stage.steps * launch.nodes * launch.processes / 3600)
    return hours


def _report(plan: Plan) -> Cost:
    gradings = sum(len(plan.benchmarks(checkpoint)) for checkpoint in uses.evaluated(plan))
    return Cost("grading, report", gradings + 3, plan.config.resources.report)


def total(costs: Iterable[Cost]) -> Cost:
    """The sum of the stages; no cost where one of them has none."""
    all_stages = Cost("sum", money=NOTHING)
    for cost in costs:
        all_stages.jobs += cost.jobs
        all_stages.gpu_hours += cost.gpu_hours
        all_stages.disk_gb += cost.disk_gb
        all_stages.money = None if all_stages.money is None or cost.money is None else all_stages.money + cost.money
    return all_stages
