"""MathVision's scorers by profile."""

from vr1repro.benchmarks.mathvision.official import official
from vr1repro.benchmarks.mathvision.peers import vlmevalkit
from vr1repro.benchmarks.mathvision.rule import rule
from vr1repro.benchmarks.scoring import Scorer

# lmms-eval runs a copy of the official scorer (lmms_eval/tasks/mathvision/utils.py, 01c59c1) on another prompt.
PROFILES: dict[str, Scorer] = {"official": official, "rule": rule, "vlmevalkit": vlmevalkit, "lmms-eval": official}
