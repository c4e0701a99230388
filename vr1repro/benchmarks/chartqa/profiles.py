"""ChartQA's scorers by profile; lmms-eval's rule is the official one."""

from vr1repro.benchmarks.chartqa.official import official, vlmevalkit
from vr1repro.benchmarks.chartqa.rule import rule
from vr1repro.benchmarks.scoring import Scorer

PROFILES: dict[str, Scorer] = {"official": official, "rule": rule, "vlmevalkit": vlmevalkit, "lmms-eval": official}
