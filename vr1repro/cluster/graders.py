"""What an LLM's extractions and judgements take: jobs, requests, tokens, and the hours or the money of those."""

from collections.abc import Iterator
from typing import NamedTuple

from vr1repro.benchmarks import llm_stages, lookup
from vr1repro.cluster.costs import CHAIN_TOKENS, Cost, Input, billions
from vr1repro.config import uses
from vr1repro.config.graders import GradingLlm
from vr1repro.config.plan import Checkpoint, Plan
from vr1repro.scale.gpus import H100
from vr1repro.scale.ranges import NOTHING, Range

# Tokens of a request, assumed. A judge sees question, gold answer and a short answer; for `lmms-eval` the response.
_QUESTION, _JUDGED, _REPLY = Range(100, 400), Range(150, 500), Range(2, 30)
_STATED = 5  # tokens of an answer that protocol `paper` has cut out of its response
# Assumed: nearly all of the work is reading prompts, at this share of the card's peak, and loading the model.
_UTILISATION = Range(0.2, 0.5)
_LOADING_H = Range(0.05, 0.2)


class _Job(NamedTuple):
    """One job's requests, and the tokens of all their prompts."""

    requests: Range
    prompts: Range


def graders(plan: Plan) -> Cost:
    """Extraction and judging of all checkpoints."""
    settings = plan.config.graders
    cost = Cost("extraction, judging", 0, plan.config.resources.graders)
    if settings is None:
        return cost
    jobs = [
        job
        for checkpoint in uses.evaluated(plan)
        for slug in plan.benchmarks(checkpoint)
        for job in _jobs(plan, checkpoint, slug)
    ]
    cost.jobs = len(jobs)
    if not jobs or not isinstance(settings.llm, GradingLlm):
        return cost
    requests, prompts = _sum([job.requests for job in jobs]), _sum([job.prompts for job in jobs])
    replies = Range(requests.low * _REPLY.low, requests.high * _REPLY.high)
    cost.disk_gb = requests.times(300 / 1e9)
    cost.inputs = [
        Input("calculated", f"extraction, judging: {_thousands(requests)} thousand requests, {_millions(prompts)}"
              f" million tokens of prompts, {_millions(replies)} million of replies: for each question, seed and"
              " protocol of an arm's end, equal ones once"),
        Input("assumed", f"extraction: a question of {_QUESTION.low:.0f}-{_QUESTION.high:.0f} tokens with the response"
              f" or, under protocol `paper`, its stated answer; judging: {_JUDGED.low:.0f}-{_JUDGED.high:.0f} tokens;"
              f" replies of {_REPLY.low:.0f}-{_REPLY.high:.0f}, of which the first fits"),
    ]  # fmt: skip
    if (name := plan.grader_model()) is None:
        cost.money = _money(settings.llm, prompts, replies, cost.inputs)
        return cost
    size = billions(plan.config.models[name])
    peak = 3600 * H100.flops / (2 * size * 1e9)  # tokens that the card reads in an hour
    for job in jobs:
        reading = Range(job.prompts.low / peak / _UTILISATION.high, job.prompts.high / peak / _UTILISATION.low)
        cost.add(reading + _LOADING_H.times(max(1, cost.gpus)))
    cost.inputs.append(
        Input("assumed", f"extraction, judging: prompts are read at {_UTILISATION.low:.0%}-{_UTILISATION.high:.0%} of"
              f" the peak of {H100.name}; a job loads its {size:g}B model in {60 * _LOADING_H.low:.0f}-"
              f"{60 * _LOADING_H.high:.0f} minutes")
    )  # fmt: skip
    return cost


def _jobs(plan: Plan, checkpoint: Checkpoint, slug: str) -> Iterator[_Job]:
    """The jobs of a checkpoint and benchmark: one that extracts, one that judges for all profiles."""
    questions, seeds = lookup.facts(slug).n_questions, len(plan.evaluation_seeds(checkpoint))
    extracted, judged = llm_stages.extracted(plan, checkpoint, slug), llm_stages.judged(plan, checkpoint, slug)
    settings = plan.evaluation(checkpoint)
    chain = Range(CHAIN_TOKENS.low, min(CHAIN_TOKENS.high, settings.max_tokens))
    # Short texts repeat from seed to seed, whole responses do not.
    short, whole = Range(questions, questions * seeds), Range(questions * seeds, questions * seeds)
    texts = {"single": (whole, chain), "paper": (short, Range(_STATED, chain.high))}
    read = [texts[protocol] for protocol in settings.protocols]
    if extracted:
        yield _job([(number, tokens + _QUESTION) for number, tokens in read])
    kinds = [(short.times(1, len(read)), _JUDGED)] if set(judged) & set(extracted) else []
    if set(judged) - set(extracted):
        kinds += [(number, tokens + _JUDGED) for number, tokens in read]
    if kinds:
        yield _job(kinds)


def _job(kinds: list[tuple[Range, Range]]) -> _Job:
    prompts = [Range(number.low * tokens.low, number.high * tokens.high) for number, tokens in kinds]
    return _Job(_sum([number for number, _ in kinds]), _sum(prompts))


def _sum(ranges: list[Range]) -> Range:
    return sum(ranges, NOTHING)


def _thousands(span: Range) -> str:
    return f"{span.low / 1e3:,.0f}-{span.high / 1e3:,.0f}"


def _millions(span: Range) -> str:
    return f"{span.low / 1e6:,.1f}-{span.high / 1e6:,.0f}"


def _money(llm: GradingLlm, prompts: Range, replies: Range, inputs: list[Input]) -> Range | None:
    if llm.prices is None:
        inputs.append(
            Input("assumed", "extraction, judging: no price is assumed; set graders.llm.prices, then cost is counted")
        )
        return None
    return prompts.times(llm.prices.prompt / 1e6) + replies.times(llm.prices.completion / 1e6)
