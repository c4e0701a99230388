"""The scorers of clocks: one that compares times in a grading process, one that compares texts."""

import os
from functools import partial

from clocks import BENCHMARK
from clocks.times import same_time
from vr1repro.answers.grade import Work
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.scoring import Options, Row, Scorer, extraction_of
from vr1repro.core.records import Cause, Outcome, Verdict


def _rule(question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    identifier, extraction = str(BENCHMARK.id_of(question)), extraction_of(row)
    if extraction is None:
        return Verdict(id=identifier, verdict=Outcome.UNPARSABLE)

    def verdict(outcome: Outcome, cause: Cause | None = None) -> Verdict:
        return Verdict(id=identifier, extraction=extraction.text, verdict=outcome, cause=cause)

    return Work(
        same_time,
        (str(question["answer"]), extraction.text, os.getpid()),
        done=lambda right: verdict(Outcome.RIGHT if right else Outcome.WRONG),
        failed=partial(verdict, Outcome.TIMEOUT),
    )


def _text(question: Question, row: Row, options: Options) -> Verdict:
    extraction = extraction_of(row)
    right = extraction is not None and extraction.text == question["answer"]
    return Verdict(id=str(BENCHMARK.id_of(question)), verdict=Outcome.RIGHT if right else Outcome.WRONG)


PROFILES: dict[str, Scorer] = {"rule": _rule, "text": _text}
