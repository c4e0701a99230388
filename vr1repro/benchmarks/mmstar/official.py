"""MMStar's official scorer (MMStar-Benchmark/MMStar@79e6d1c, eval/vlmeval/evaluate/mmstar.py).

The reply's first character, or the one behind `(`, `option ` or `the answer is `, is compared with the gold letter. So
`a cat` is right where the gold is A.
"""

from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.mmstar import BENCHMARK
from vr1repro.benchmarks.mmstar.options import LETTERS
from vr1repro.benchmarks.scoring import Options, Row, stated_answer, text_of
from vr1repro.core.records import Outcome, Verdict

_LEADS = ("(", "option ", "the answer is ")


def letter_of(reply: str) -> str | None:
    """The letter that the official rule would find right, as a capital; None where no gold could be."""
    text = reply.lower().strip().replace("\n", " ")
    places = [0, *(len(lead) for lead in _LEADS if text.startswith(lead))]
    there = [text[place].upper() for place in places if place < len(text)]
    return next((letter for letter in there if letter in LETTERS), None)


def official(question: Question, row: Row, options: Options) -> Verdict:
    """The letter in one of the four places of the stated answer."""
    answer = stated_answer(text_of(row))
    letter = letter_of(answer)
    right = letter == str(question["answer"]).strip().upper()
    outcome = Outcome.UNPARSABLE if letter is None else Outcome.RIGHT if right else Outcome.WRONG
    return Verdict(id=str(BENCHMARK.id_of(question)), extraction=answer[:200], prediction=letter, verdict=outcome)
