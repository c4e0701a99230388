"""The quiz's scorers by profile."""

from quiz import BENCHMARK
from vr1repro.answers.grade import Pair, Work
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.scoring import Options, Row, Scorer, compared, extraction_of
from vr1repro.core.records import Verdict


def _rule(question: Question, row: Row, _options: Options) -> Verdict | Work[Verdict]:
    found = extraction_of(row)
    text = found.text if found else None
    choices = tuple(question["options"]) if "options" in question else None
    return compared(str(BENCHMARK.id_of(question)), Pair(question["answer"], text, choices), text)


PROFILES: dict[str, Scorer] = {"rule": _rule}
