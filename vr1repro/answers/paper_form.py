"""What the paper's evaluator cuts out of a reply before it scores it."""

from vr1repro.answers.completion import ANSWER_CLOSE, ANSWER_OPEN, FINAL_ANSWER

_OPEN = f"{ANSWER_OPEN} {FINAL_ANSWER}"
_CLOSE = f" {ANSWER_CLOSE}"


def paper_answer(text: str) -> str | None:
    """Group 1 of the first match of `<answer> Final Answer:(.*?) </answer>` over lines, the paper evaluator's pattern.

    Source: Osilly/Vision-R1@c061681, evaluation/evalscope/vlmeval/inference.py l.115-128. Two searches give what the
    regex gives, without its quadratic time on many openings.
    """
    start = text.find(_OPEN)
    if start < 0:
        return None
    start += len(_OPEN)
    end = text.find(_CLOSE, start)
    return None if end < 0 else text[start:end]
