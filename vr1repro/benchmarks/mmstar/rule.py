"""MMStar without an LLM: the option that the final answer names, by its letter or its text."""

from vr1repro.answers.compare import choice_index
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.mmstar import BENCHMARK
from vr1repro.benchmarks.mmstar.options import LETTERS, split_options
from vr1repro.benchmarks.scoring import Options, Row, extraction_of
from vr1repro.core.records import Outcome, Verdict


def rule(question: Question, row: Row, options: Options) -> Verdict:
    """A letter among the question's options, or the text of one."""
    identifier, extraction = str(BENCHMARK.id_of(question)), extraction_of(row)
    if extraction is None:
        return Verdict(id=identifier, verdict=Outcome.UNPARSABLE)
    choices = split_options(str(question["question"]))[1] or list(LETTERS)
    index = choice_index(extraction.text, choices)
    letter = None if index is None else LETTERS[index]
    right = letter == str(question["answer"]).strip().upper()
    outcome = Outcome.UNPARSABLE if letter is None else Outcome.RIGHT if right else Outcome.WRONG
    return Verdict(id=identifier, extraction=extraction.text, prediction=letter, verdict=outcome, rule=extraction.rule)
