"""MathVerse's official scorer: an LLM judge's reply, which a row brings.

Official (ZrrSkywalker/MathVerse@937b090, evaluation/extract_answer_s1.py and score_answer_s2.py): an LLM extracts,
another call replies 0 or 1. Both are stages of their own; a row brings the reply as `judgement`, and without one the
verdict is `judge_error`.
"""

from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.mathverse import BENCHMARK
from vr1repro.benchmarks.scoring import Options, Row, judged
from vr1repro.core.records import Outcome, Verdict


def official(question: Question, row: Row, options: Options) -> Verdict:
    """The judge's reply of the official profile."""
    question_id = str(BENCHMARK.id_of(question))
    extraction = row.get("extraction")
    outcome = judged(row, "official")
    note = "" if outcome is not Outcome.JUDGE_ERROR else "no reply 0 or 1 of the official profile's LLM judge"
    return Verdict(id=question_id, extraction=extraction, prediction=extraction, verdict=outcome, note=note or None)
