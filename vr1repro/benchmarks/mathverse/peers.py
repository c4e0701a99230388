"""How VLMEvalKit and lmms-eval score MathVerse.

What they do differently from the official scorer is reproduced on purpose, faults included. Both ask an LLM where no
rule applies; its extraction or reply is a stage of its own (`vr1repro extract`, `vr1repro judge`) and comes with the
row, and without one the verdict is `judge_error`, where the peers themselves count a failed call as wrong.

Sources: open-compass/VLMEvalKit, vlmeval/dataset/utils/mathverse.py (8beb24a); EvolvingLMMs-Lab/lmms-eval,
lmms_eval/tasks/mathverse (described at 75571cf).
"""

from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.mathverse import BENCHMARK
from vr1repro.benchmarks.scoring import Options, Row, extraction_in, judged, undecided
from vr1repro.core.records import Outcome, Verdict


def vlmevalkit(question: Question, row: Row, options: Options) -> Verdict:
    """An extraction that is the gold's text is right without a judge; else the judge's reply counts."""
    identifier, extraction = str(BENCHMARK.id_of(question)), extraction_in(row)
    if extraction is None:
        return undecided(identifier, "an LLM's extraction")
    same = extraction.strip() == str(question["answer"]).strip()
    outcome = Outcome.RIGHT if same else judged(row, "vlmevalkit")
    return Verdict(id=identifier, extraction=extraction, prediction=extraction, verdict=outcome)


def lmms_eval(question: Question, row: Row, options: Options) -> Verdict:
    """The whole response goes to a judge that replies 0 or 1; nothing is extracted."""
    return Verdict(id=str(BENCHMARK.id_of(question)), verdict=judged(row, "lmms-eval"))
