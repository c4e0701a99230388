"""Which scoring profiles of a benchmark are graded for a checkpoint, and what an LLM does for them before.

A profile that needs no LLM is graded always, one that does where `graders` names it. An arm's ends are graded under all
of these, checkpoints on the way under the headline profile alone.
"""

from vr1repro.benchmarks import lookup
from vr1repro.config.plan import Checkpoint, Plan
from vr1repro.core.errors import UserError


def check(plan: Plan) -> None:
    """Refuse a config whose profiles are not there or cannot be graded.

    Raises:
        UserError: The headline profile needs an LLM and there is none, or `graders` names a profile in vain.
    """
    config = plan.config
    allowed = config.graders.profiles if config.graders else []
    known = {profile for slug in config.benchmarks for profile in _reading_llm(slug)}
    for profile in allowed:
        if profile not in known:
            raise UserError(
                f"graders.profiles: {profile!r} is no profile of this config's benchmarks that needs an LLM; there"
                f" are {', '.join(sorted(known)) or 'none'}"
            )
    headline = config.reporting.profile
    for slug in config.evaluation.benchmarks:
        if headline in _reading_llm(slug) and headline not in allowed:
            raise UserError(
                f"reporting.profile: {headline} of {slug} needs an LLM's extraction or judgement; add it to"
                " graders.profiles, or take a profile that needs none"
            )


def graded(plan: Plan, checkpoint: Checkpoint, slug: str) -> list[str]:
    """The profiles that a checkpoint's responses are graded under; imports the benchmark's scorers."""
    allowed, reading = plan.llm_profiles(checkpoint), _reading_llm(slug)
    return [profile for profile in lookup.profiles(slug) if profile in allowed or profile not in reading]


def extracted(plan: Plan, checkpoint: Checkpoint, slug: str) -> list[str]:
    """Those of them that read an LLM's extraction."""
    return [profile for profile in plan.llm_profiles(checkpoint) if profile in lookup.facts(slug).llm_extracted]


def judged(plan: Plan, checkpoint: Checkpoint, slug: str) -> list[str]:
    """Those of them that read an LLM's judgement."""
    return [profile for profile in plan.llm_profiles(checkpoint) if profile in lookup.facts(slug).llm_judged]


def _reading_llm(slug: str) -> set[str]:
    facts = lookup.facts(slug)
    return {*facts.llm_extracted, *facts.llm_judged}
