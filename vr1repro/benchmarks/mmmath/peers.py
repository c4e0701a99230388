"""How VLMEvalKit scores MM-Math; lmms-eval has no MM-Math.

Source: open-compass/VLMEvalKit, vlmeval/dataset/utils/mmmath.py (described at e8e78f0).
"""

from functools import partial

from vr1repro.answers.grade import Work
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.mmmath import BENCHMARK, judge
from vr1repro.benchmarks.mmmath.official import boxes_or_text, gold_text
from vr1repro.benchmarks.scoring import Options, Row, text_of
from vr1repro.core.records import Cause, Outcome, Verdict


def vlmevalkit(question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    """The official judge on the whole texts, without the rule that both must hold a box; 30 s for one comparison.

    The paper's evaluator hands it the stripped answer (`grade --protocol paper`).
    """
    # Its TSV holds the bare answer.
    gold = ",".join(boxes_or_text(gold_text(question)))
    identifier, response = str(BENCHMARK.id_of(question)), text_of(row)

    def verdict(outcome: Outcome, cause: Cause | None = None) -> Verdict:
        return Verdict(
            id=identifier, extraction=response[-200:], prediction=response[-200:], verdict=outcome, cause=cause
        )

    return Work(
        judge.judge,
        (gold, response, judge.OFFICIAL),
        done=lambda right: verdict(Outcome.RIGHT if right else Outcome.WRONG),
        failed=partial(verdict, Outcome.TIMEOUT),
    )
