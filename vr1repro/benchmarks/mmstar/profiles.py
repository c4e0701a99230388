"""MMStar's scorers by profile; lmms-eval's rule for a row is the official one."""

from vr1repro.benchmarks.mmstar.official import official
from vr1repro.benchmarks.mmstar.peers import vlmevalkit
from vr1repro.benchmarks.mmstar.rule import rule
from vr1repro.benchmarks.scoring import Scorer

PROFILES: dict[str, Scorer] = {"official": official, "rule": rule, "vlmevalkit": vlmevalkit, "lmms-eval": official}
