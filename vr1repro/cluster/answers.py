"""What the answers of checkpoints take: to the benchmarks, to choose the best among them, and on the RL set."""

from collections.abc import Sequence

from vr1repro.benchmarks import lookup
from vr1repro.cluster.costs import CHAIN_TOKENS, PAPER_SIZE, Cost, Input, shape_of_start, size_of
from vr1repro.config import uses
from vr1repro.config.plan import Checkpoint, Plan
from vr1repro.config.samplers import VllmSampler
from vr1repro.scale import roofline
from vr1repro.scale.ranges import Range

PAPER_RL_PROBLEMS = 10_000  # v1 4.1: about 10K
# Not stated anywhere; wide on purpose.
TOKENS_PER_GPU_S = Range(1000, 5000)  # of a 7B model
_AGAIN = 1.5  # of answers under protocol `paper`, at the most


def evaluation(plan: Plan) -> Cost:
    """Answers to the benchmarks."""
    cost = _answers(plan, "evaluation", [_batch(plan, each) for each in uses.evaluated(plan) if not each.passing])
    if cost.inputs:
        seeds = len(plan.config.seeds.evaluation)
        cost.inputs.append(Input("calculated", f"evaluation: {seeds} seeds of an arm's end and one on the way"))
    return cost


def selection(plan: Plan) -> Cost:
    """The candidates of arms that report their best checkpoint too, and the choice."""
    passing = [_batch(plan, each) for each in uses.evaluated(plan) if each.passing]
    chosen = uses.selections(plan)
    cost = _answers(plan, "choosing the best", passing) if passing else Cost("choosing the best")
    cost.jobs += len(chosen)
    if chosen:
        cost.inputs.append(
            Input(
                "v4",
                "Tables 5 and 6 are the best checkpoint among 'every fifth step in the final 50 steps' (App. A):"
                f" {len(chosen)} arms are reported twice, as their last and as their best, {len(passing)} checkpoints"
                " are asked for that alone, once, under protocol single",
            )
        )
    return cost


def lengths(plan: Plan) -> Cost:
    """Completions on the RL set."""
    config, checkpoints = plan.config, uses.lengths(plan)
    settings, source = config.lengths, config.problems[config.rl.problems]
    if settings is None or not checkpoints:
        return Cost("lengths on RL set")
    problems = source.n if source.kind == "lab" else PAPER_RL_PROBLEMS
    questions = min(problems, settings.problems or problems)
    cost = _answers(plan, "lengths on RL set", [(checkpoint, questions, 1.0) for checkpoint in checkpoints])
    if cost.inputs:
        cost.inputs.append(
            Input("v1", f"lengths on RL set: {questions:,} problems each; the paper has about 10K (4.1)")
        )
    return cost


def _batch(plan: Plan, checkpoint: Checkpoint) -> tuple[Checkpoint, int, float]:
    """A checkpoint, its questions over all seeds, and how often each is asked at the most."""
    once = sum(lookup.facts(benchmark).n_questions for benchmark in plan.benchmarks(checkpoint))
    again = _AGAIN if "paper" in plan.evaluation(checkpoint).protocols else 1.0
    return checkpoint, once * len(plan.evaluation_seeds(checkpoint)), again


def _answers(plan: Plan, name: str, batches: Sequence[tuple[Checkpoint, int, float]]) -> Cost:
    config = plan.config
    cost = Cost(name, len(batches), config.resources.evaluate)
    if not cost.gpus:
        return cost
    known = set[str]()
    for checkpoint, questions, again in batches:
        arm, settings = checkpoint.arm, plan.evaluation(checkpoint)
        tokens = Range(CHAIN_TOKENS.low, min(CHAIN_TOKENS.high, settings.max_tokens)).times(questions).times(1, again)
        sampler, shape = settings.engine, shape_of_start(plan, config.arms[arm].start)
        if shape is not None and isinstance(sampler, VllmSampler):
            known.add(arm)
            tuned = config.starts[config.arms[arm].start].sft == "chains"
            stages = len(config.arms[arm].stages)
            length = roofline.answer_tokens(settings.max_tokens, tuned=tuned, stages=stages)
            seconds = roofline.evaluation_gpu_seconds(shape, sampler, questions, length)
            cost.add(seconds.times(1 / 3600, again / 3600))
            continue
        slower = size_of(plan, config.arms[arm].start) / PAPER_SIZE / 3600
        cost.add(Range(tokens.low / TOKENS_PER_GPU_S.high, tokens.high / TOKENS_PER_GPU_S.low).times(slower))
    answers, rest = (
        sum(questions for _, questions, _ in batches),
        {checkpoint.arm for checkpoint, *_ in batches} - known,
    )
    cost.disk_gb = CHAIN_TOKENS.times(answers * 5 / 1e9)
    cost.inputs = [
        Input("calculated", f"{answers:,} first answers ({name}): questions, seeds, {len(batches)} checkpoints"),
        Input("assumed", "questions of the benchmarks as their own papers count them"),
        *([Input("v1", "answers of 1900-3100 tokens after RL from chains, 690-1290 from a base model, 3300-3600 after"
                 " SFT alone (ends of Fig. 1 D, Table 4; on the RL set); 300-500 of a base model is assumed"),
           Input("calculated", "evaluation: a roofline of decoding with the model's shape, one engine a job")]
          if known else []),
        *([Input("v1", "1285-3566 tokens an answer (Table 4, on the RL set)"),
           Input("assumed", f"{TOKENS_PER_GPU_S.low:.0f}-{TOKENS_PER_GPU_S.high:.0f} tokens a second and 80 GB GPU for"
                 " 7B, in inverse proportion to the parameters; the paper states no time")] if rest else []),
        *([Input("assumed", "protocol `paper` asks again for up to half as many answers once more")]
          if any(again > 1 for *_, again in batches) else []),
    ]  # fmt: skip
    return cost
