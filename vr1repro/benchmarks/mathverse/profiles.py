"""MathVerse's scorers by profile."""

from vr1repro.benchmarks.mathverse.official import official
from vr1repro.benchmarks.mathverse.peers import lmms_eval, vlmevalkit
from vr1repro.benchmarks.mathverse.rule import rule
from vr1repro.benchmarks.scoring import Scorer

PROFILES: dict[str, Scorer] = {"official": official, "rule": rule, "vlmevalkit": vlmevalkit, "lmms-eval": lmms_eval}
