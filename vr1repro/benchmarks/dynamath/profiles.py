"""DynaMath's scorers by profile."""

from vr1repro.benchmarks.dynamath.official import official
from vr1repro.benchmarks.dynamath.peers import vlmevalkit
from vr1repro.benchmarks.dynamath.rule import rule
from vr1repro.benchmarks.scoring import Scorer

PROFILES: dict[str, Scorer] = {"official": official, "rule": rule, "vlmevalkit": vlmevalkit}
