"""ChartQA's relaxed accuracy, as google-research/pix2struct@5b086ef, pix2struct/metrics.py, calculates it.

The benchmark's paper defines it (Masry et al. 2022, section 5.1); VLMEvalKit (open-compass/VLMEvalKit@0a04a1d,
vlmeval/dataset/utils/vqa_eval.py) and lmms-eval run this code.
"""

from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.chartqa import BENCHMARK, golds_of
from vr1repro.benchmarks.scoring import Options, Row, stated_answer, text_of
from vr1repro.core.records import Outcome, Verdict

_TOLERANCE = 0.05


def relaxed(gold: str, answer: str) -> bool:
    """Numbers to 5 % of a gold that is not zero, `%` read as hundredths; else equal texts, whatever the case.

    >>> relaxed("96%", "100%"), relaxed("0.94", "100%"), relaxed("0", "0.0"), relaxed("abc", "Abc")
    (True, False, False, True)
    """
    value, gold_value = _number(answer), _number(gold)
    if value is not None and gold_value:
        return abs(value - gold_value) / abs(gold_value) <= _TOLERANCE
    return answer.lower() == gold.lower()


def _number(text: str) -> float | None:
    try:
        return float(text.rstrip("%")) / 100.0 if text.endswith("%") else float(text)
    except ValueError:
        return None


def official(question: Question, row: Row, options: Options) -> Verdict:
    """The stated answer, compared with each gold."""
    return _verdict(question, stated_answer(text_of(row)))


def vlmevalkit(question: Question, row: Row, options: Options) -> Verdict:
    """The same without outer blanks."""
    return _verdict(question, stated_answer(text_of(row)).strip())


def _verdict(question: Question, answer: str) -> Verdict:
    identifier = str(BENCHMARK.id_of(question))
    if not answer.strip():
        return Verdict(id=identifier, verdict=Outcome.UNPARSABLE)
    right = any(relaxed(gold, answer) for gold in golds_of(question))
    outcome = Outcome.RIGHT if right else Outcome.WRONG
    return Verdict(id=identifier, extraction=answer[:200], prediction=answer[:200], verdict=outcome)
