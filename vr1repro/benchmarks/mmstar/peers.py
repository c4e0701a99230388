"""How VLMEvalKit and lmms-eval score MMStar.

VLMEvalKit (open-compass/VLMEvalKit, vlmeval/dataset/utils/multiple_choice.py at 028a6e7, `can_infer` read at 134b4ea)
infers an option from letters or texts and asks its LLM where it cannot; that stage is `vr1repro extract` here.
lmms-eval (EvolvingLMMs-Lab/lmms-eval@2f636e7, lmms_eval/tasks/mmstar) has the official rule; its score is the mean of
the eighteen fine categories' means, which equals the mean of all rows only where these are of one size.
"""

from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.mmstar import BENCHMARK
from vr1repro.benchmarks.mmstar.options import LETTERS, split_options
from vr1repro.benchmarks.scoring import (
    Options,
    Row,
    extraction_in,
    inferred_option,
    stated_answer,
    text_of,
    undecided,
)
from vr1repro.core.records import Outcome, Verdict


def vlmevalkit(question: Question, row: Row, options: Options) -> Verdict:
    """The option that the stated answer, or else the LLM's extraction, names."""
    identifier, answer = str(BENCHMARK.id_of(question)), stated_answer(text_of(row)).strip()
    if not answer:
        return Verdict(id=identifier, verdict=Outcome.UNPARSABLE)
    choices = split_options(str(question["question"]))[1] or list(LETTERS)
    letter, shown = inferred_option(answer, choices), answer[-200:]
    if letter is None:
        extraction = extraction_in(row)
        if extraction is None:
            return undecided(identifier, "an LLM's extraction")
        letter, shown = inferred_option(extraction, choices), extraction
    right = letter == str(question["answer"]).strip().upper()
    outcome = Outcome.UNPARSABLE if letter is None else Outcome.RIGHT if right else Outcome.WRONG
    return Verdict(id=identifier, extraction=shown, prediction=letter, verdict=outcome)
