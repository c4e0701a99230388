"""`vr1repro stage ...`: what each rule of the workflow runs.

A job finds its settings and inputs through the config and the plan, calls one function of its stage, and closes what it
made with a manifest. Heavy imports stand inside the jobs that need them.
"""

from vr1repro.jobs import coldset, evaluation, reporting, sources, training
from vr1repro.jobs.common import app

__all__ = ["app", "coldset", "evaluation", "reporting", "sources", "training"]
