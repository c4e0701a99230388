"""MM-Math's scorers by profile."""

from vr1repro.benchmarks.mmmath.official import official, strict
from vr1repro.benchmarks.mmmath.peers import vlmevalkit
from vr1repro.benchmarks.mmmath.rule import rule
from vr1repro.benchmarks.scoring import Scorer

PROFILES: dict[str, Scorer] = {"official": official, "strict": strict, "rule": rule, "vlmevalkit": vlmevalkit}
