"""MME's scorers by profile.

VLMEvalKit: open-compass/VLMEvalKit, vlmeval/dataset/image_yorn.py (145bdaf) and utils/yorn.py (0c7163c).
"""

from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.mme import BENCHMARK
from vr1repro.benchmarks.mme.official import lmms_eval, official
from vr1repro.benchmarks.scoring import Options, Row, Scorer
from vr1repro.benchmarks.yes_no import is_yes, rule_verdict, vlmevalkit_verdict
from vr1repro.core.records import Verdict


def vlmevalkit(question: Question, row: Row, options: Options) -> Verdict:
    """VLMEvalKit's rule for questions of yes or no."""
    return vlmevalkit_verdict(str(BENCHMARK.id_of(question)), is_yes(str(question["answer"])), row)


def rule(question: Question, row: Row, options: Options) -> Verdict:
    """Our rule for questions of yes or no."""
    return rule_verdict(str(BENCHMARK.id_of(question)), is_yes(str(question["answer"])), row)


PROFILES: dict[str, Scorer] = {"official": official, "rule": rule, "vlmevalkit": vlmevalkit, "lmms-eval": lmms_eval}
