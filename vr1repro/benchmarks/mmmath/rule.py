"""MM-Math without its judge: our own extraction, compared with the gold's boxes."""

from vr1repro.answers.grade import Pair, Work
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.mmmath import BENCHMARK
from vr1repro.benchmarks.mmmath.official import boxes_or_text, gold_text
from vr1repro.benchmarks.scoring import Options, Row, compared, extraction_of
from vr1repro.core.records import Verdict


def rule(question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    """An equivalent value of all the gold's boxes together."""
    extraction = extraction_of(row)
    text = None if extraction is None else extraction.text
    gold = ",".join(boxes_or_text(gold_text(question)))
    pair = Pair(gold, text)
    return compared(str(BENCHMARK.id_of(question)), pair, text, rule=extraction.rule if extraction else None)
