"""MathVista's scorers by profile."""

from vr1repro.benchmarks.mathvista.official import official
from vr1repro.benchmarks.mathvista.peers import lmms_eval, vlmevalkit
from vr1repro.benchmarks.mathvista.rule import rule
from vr1repro.benchmarks.scoring import Scorer

PROFILES: dict[str, Scorer] = {"official": official, "rule": rule, "vlmevalkit": vlmevalkit, "lmms-eval": lmms_eval}
