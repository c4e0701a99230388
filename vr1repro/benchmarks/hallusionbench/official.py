"""HallusionBench's official scorer (tianyi-lab/HallusionBench@744007c, evaluation.py and utils.py).

GPT-4 compares a reply with the reference and says correct (1), incorrect (0) or unclear (2). Unclear is right only
where the question came without a picture. The judge's reply is a stage of its own here and comes with the row, under
`judgement` or under the official file's own key; a reply that begins with yes or no needs no judge.
"""

from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.hallusionbench import BENCHMARK, without_picture
from vr1repro.benchmarks.scoring import Options, Row, stated_answer, text_of, undecided
from vr1repro.benchmarks.yes_no import first_word, is_yes, judged_word
from vr1repro.core.records import Outcome, Verdict

_JUDGED = ("judgement", "gpt4v_output_gpt_check")


def gold_of(question: Question) -> bool:
    """Whether the answer is yes."""
    return is_yes(str(question["gt_answer"] if question.get("gt_answer") is not None else question["answer"]))


def official(question: Question, row: Row, options: Options) -> Verdict:
    """The judge's reply; without one, the yes or no that the stated answer begins with."""
    identifier, answer = str(BENCHMARK.id_of(question)), stated_answer(text_of(row))
    reply = next((str(row[key]).strip() for key in _JUDGED if row.get(key) is not None), None)
    if reply in ("0", "1"):
        outcome = Outcome.RIGHT if reply == "1" else Outcome.WRONG
        return Verdict(id=identifier, extraction=answer[:200], prediction=reply, verdict=outcome)
    if reply == "2":
        outcome = Outcome.RIGHT if without_picture(question) else Outcome.UNPARSABLE
        return Verdict(id=identifier, extraction=answer[:200], prediction=reply, verdict=outcome)
    word = first_word(answer)
    if word is not None:
        return judged_word(identifier, gold_of(question), word, answer[:200])
    return undecided(identifier, "the judge's reply of 0, 1 or 2") if answer.strip() else _nothing(identifier)


def _nothing(identifier: str) -> Verdict:
    return Verdict(id=identifier, verdict=Outcome.UNPARSABLE)
