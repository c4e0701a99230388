"""MME's official scorer (BradyFU/Awesome-Multimodal-Large-Language-Models@1c1d69e, tools/eval_tool.zip).

A reply is yes or no, or has one of them within its first four characters, `yes` looked for first: `Not` is no.
lmms-eval (EvolvingLMMs-Lab/lmms-eval@306a8b4, lmms_eval/tasks/mme/utils.py) takes outer blanks and full stops off.
"""

from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.mme import BENCHMARK
from vr1repro.benchmarks.scoring import Options, Row, stated_answer, text_of
from vr1repro.benchmarks.yes_no import is_yes, judged_word
from vr1repro.core.records import Verdict

_PLACES = 4


def official(question: Question, row: Row, options: Options) -> Verdict:
    """Yes or no within the first four characters of the stated answer."""
    return _verdict(question, stated_answer(text_of(row)).lower())


def lmms_eval(question: Question, row: Row, options: Options) -> Verdict:
    """The same after outer blanks and full stops are off; a reply of one letter may be y or n."""
    answer = stated_answer(text_of(row)).lower().strip().replace(".", "")
    return _verdict(question, {"y": "yes", "n": "no"}.get(answer, answer))


def _verdict(question: Question, answer: str) -> Verdict:
    start = answer[:_PLACES]
    word = True if "yes" in start else False if "no" in start else None
    return judged_word(str(BENCHMARK.id_of(question)), is_yes(str(question["answer"])), word, answer[:200])
