"""MathVision without an LLM: our own extraction, compared with the letter or the value."""

from vr1repro.answers.grade import Pair, Work
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.mathvision import BENCHMARK
from vr1repro.benchmarks.scoring import Options, Row, compared, extraction_of
from vr1repro.core.records import Verdict


def rule(question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    """A letter or a choice's text where there are choices, else an equivalent value."""
    extraction = extraction_of(row)
    text = None if extraction is None else extraction.text
    listed = question.get("options")
    choices = tuple(map(str, listed)) if listed is not None and len(listed) else None
    pair = Pair(str(question["answer"]), text, choices)
    return compared(str(BENCHMARK.id_of(question)), pair, text, rule=extraction.rule if extraction else None)
