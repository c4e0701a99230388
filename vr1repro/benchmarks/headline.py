"""Whether the profile that a report is made under is one of each benchmark that is evaluated."""

from vr1repro.benchmarks import lookup
from vr1repro.config.plan import Plan
from vr1repro.core.errors import UserError


def refuse_unknown(plan: Plan) -> None:
    """Refuse a headline profile that a benchmark does not have, before anything is sampled.

    Raises:
        UserError: There is such a benchmark; the message lists its profiles.
    """
    config = plan.config
    further = (slug for arm in config.run_arms for slug in config.arms[arm].evaluate_on or ())
    for slug in dict.fromkeys([*config.evaluation.benchmarks, *further]):
        try:
            lookup.profile(slug, config.reporting.profile)
        except UserError as error:
            raise UserError(f"reporting.profile: {error}") from None
