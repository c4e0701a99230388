r"""MathVision (MATH-V): the official scorer without its `eval`.

Official: mathllm/MATH-V@a1f5cc3, evaluation/evaluate.py and utils.py. Reproduced with its quirks: the greedy box, the
text after the last `=`, `+\infty` folded, equality of values rounded to two places, letter or option value. Where the
official code calls Python's `eval` on what latex2sympy2 1.9.1 (antlr 4.7.2) printed, we evaluate the same arithmetic
with `vr1repro.answers.arithmetic` on what latex2sympy2_extended printed, in a worker that can be killed.
"""

import re
from functools import partial

from vr1repro.answers.arithmetic import NotArithmetic, Value, evaluate
from vr1repro.answers.grade import Work
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.mathvision import BENCHMARK
from vr1repro.benchmarks.scoring import Options, Row, text_of
from vr1repro.core.records import Cause, Outcome, Verdict

_FLAGS = ("the final answer is", "the answer is", "the correct answer is", "the answer should be")
# Replaced in this order by `find_math_answer` and `_strip_string`; the text is lower case and without blanks.
_CLEANING = (
    ("\\,", ""),
    ("\u221e", "\\infty"),
    ("+\\infty", "\\infty"),
    ("\\\\", "\\"),
    ("\n", ""),
    ("\\text", ""),
    ("\\mbox", ""),
    ("bmatrix", "pmatrix"),
    ("\\left", ""),
    ("\\right", ""),
    ("^{\\circ}", ""),
    ("^\\circ", ""),
    ("{m}^3", ""),
    ("m^3", ""),
    ("{units}", ""),
    ("units", ""),
    ("{km}", ""),
    ("km", ""),
    ("\n", ""),
    ("\\!", ""),
    ("\\\\", "\\"),
    ("tfrac", "frac"),
    ("dfrac", "frac"),
    ("\\left", ""),
    ("\\right", ""),
    ("^{\\circ}", ""),
    ("^\\circ", ""),
    ("\\$", ""),
    ("$", ""),
    ("\\%", ""),
    ("{.", "{0."),
)
_BLANKS = (
    *((old, " ") for old in ("\\displaystyle", "\\quad", "\\qquad", "~", "\\,", "$")),
    ("\\bigl(", "("),
    ("\\bigr)", ")"),
    ("\\left(", "("),
    ("\\right)", ")"),
)
_BRACE = re.compile(r"(?<!\\)[{}]")
_UNREADABLE = re.compile(r"\\circ|\\boxed|(?<!\\)%")
_SYMBOLIC = ("a", "-a")


def model_answer(response: str) -> str:
    """The official extraction (`evaluate.py`), in linear time."""
    text = response.strip()
    for letter in "ABCDE":
        ends = (f" {letter}.", f" ({letter}).")
        starts = (f"{letter}\n", f"({letter})\n", f"({letter}) {letter}\n")
        if text.endswith(ends) or text.startswith(starts):
            text = letter
    tail = text.rsplit("is ", 1)[-1].rstrip(".")
    if _is_float(tail):
        text = tail
    if "oxed{" not in text:
        for flag in _FLAGS:
            for spelling in (flag, flag.replace("the", "The")):
                has_flag = spelling in text
                text = text.rsplit(spelling, 1)[-1].strip()
                if has_flag:
                    text = text.split("\n", 1)[0].split(". ", 1)[0]
    elif text.count("oxed{") > 1:
        text = "\\boxed{" + text.rsplit("oxed{", 1)[-1]
    text = _math_answer(text)
    for letter in "abcde":
        text = text.replace(f"({letter})", letter)
    for letter in "abcde":
        text = text.replace(f"{{{letter}}}", letter)
    return text.rstrip(".").lstrip(":").strip()


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _math_answer(text: str) -> str:
    text = text.lower().replace("{}", "")
    # What the greedy `oxed{(.*)}` over lines gives: from the first opening to the last brace of the text.
    start, end = text.find("oxed{"), text.rfind("}")
    if start >= 0 and end >= start + len("oxed{"):
        text = text[start + len("oxed{") : end]
    opened, closed = text.find("{"), text.find("}")
    if closed >= 0 and (opened < 0 or closed < opened):
        text = text[:closed]
    text = text.rsplit("=", 1)[-1].rsplit("\\approx", 1)[-1].replace(" ", "")
    for old, new in _CLEANING:
        text = text.replace(old, new)
    if text.startswith("."):
        text = "0" + text
    for sign in ("=", "\\approx"):
        if text.count(sign) == 1:
            text = text.rsplit(sign, 1)[-1]
    if "sqrt" in text:
        text = _braced_fractions(_braced_roots(text).replace(" ", ""))
    text = text.replace(" ", "")
    return _fraction("\\frac{1}{2}" if text == "0.5" else text)


def _braced_roots(text: str) -> str:
    r"""`\sqrt3` becomes `\sqrt{3}`: the first character behind the root is its argument."""
    head, *tails = text.split("\\sqrt")
    return head + "".join(
        "\\sqrt" + (f"{{{tail[0]}}}{tail[1:]}" if tail and tail[0] != "{" else tail) for tail in tails
    )


def _braced_fractions(text: str) -> str:
    r"""`\frac12` becomes `\frac{1}{2}`; a fraction of fewer than two characters leaves the text as it was."""
    head, *tails = text.split("\\frac")
    done = [head]
    for tail in tails:
        if tail.startswith("{"):
            done.append(tail)
        elif len(tail) < 2:
            return text
        elif tail[1] == "{":
            done.append(f"{{{tail[0]}}}{tail[1:]}")
        else:
            done.append(f"{{{tail[0]}}}{{{tail[1]}}}{tail[2:]}")
    return "\\frac".join(done)


def _fraction(text: str) -> str:
    r"""`3/4`, written just so, becomes `\frac{3}{4}`."""
    above, slash, below = text.partition("/")
    try:
        written = slash and f"{int(above)}/{int(below)}" == text
    except ValueError:
        return text
    return f"\\frac{{{int(above)}}}{{{int(below)}}}" if written else text


def official(question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    """The extracted answer or the choice that it names, equal to the gold as text or by value."""
    answer = model_answer(text_of(row))
    gold = str(question["answer"])
    choices = question.get("options")
    value = ""
    if choices is not None and len(choices) > 0:
        value = str(choices[ord(gold) - ord("A")])
    question_id = str(BENCHMARK.id_of(question))

    def verdict(outcome: Outcome, cause: Cause | None = None) -> Verdict:
        return Verdict(id=question_id, extraction=answer, prediction=answer, verdict=outcome, cause=cause)

    golds = tuple(text.lower() for text in (gold, value) if text.replace(" ", ""))
    answer_low = answer.lower()
    if not answer_low.replace(" ", ""):
        return verdict(Outcome.UNPARSABLE)
    if any(text.strip() == answer_low.strip() for text in golds):
        return verdict(Outcome.RIGHT)
    if answer_low in set("abcd") | set("fghijklmnopqrstuvwxyz"):
        # A letter alone is a symbol: latex2sympy prints it, and `eval` of a name that is not there fails. Not `e`.
        return verdict(Outcome.WRONG)
    return Work(
        equal,
        (golds, answer_low),
        done=lambda right: verdict(Outcome.RIGHT if right else Outcome.WRONG),
        failed=partial(verdict, Outcome.TIMEOUT),
    )


def equal(golds: tuple[str, ...], answer: str) -> bool:
    """The official `is_equal` past the equality of strings, against any of the golds. For workers only."""
    answer = _tuple(answer)
    for gold in map(_tuple, golds):
        if gold == answer:
            return True
        try:
            if _rounded(gold) == _rounded(answer):
                return True
        except Exception:  # noqa: S112 - the official code swallows whatever latex2sympy raises on a model's text
            continue
    return False


def _tuple(text: str) -> str:
    parts = text[1:-1].split(",")
    if len(parts) < 2 or (text[0], text[-1]) not in {("(", ")"), ("[", "]")}:
        return text
    try:
        inner = ",".join(part if "infty" in part or part in _SYMBOLIC else str(_rounded(part)) for part in parts)
    except Exception:
        return text
    return f"{text[0]}{inner}{text[-1]}"


def _rounded(latex: str) -> Value:
    from latex2sympy2_extended import latex2sympy

    if _UNREADABLE.search(latex):
        raise NotArithmetic("latex2sympy2 1.9.1 reads no degree as a number, no box and no bare percent sign")
    value = evaluate(str(latex2sympy(_as_read(latex), normalization_config=None)))
    if isinstance(value, complex):
        raise NotArithmetic("a complex number cannot be rounded")
    return round(value, 2)


def _as_read(latex: str) -> str:
    """The part of a LaTeX text that latex2sympy2 1.9.1 reads, for a parser that insists on reading all of it.

    1.9.1 replaces dollars and wide blanks by blanks, and its grammar asks for no end of input: it stops, content,
    before a closing brace that nothing opened.
    """
    for old, new in _BLANKS:
        latex = latex.replace(old, new)
    depth = 0
    for match in _BRACE.finditer(latex):
        depth += 1 if match.group() == "{" else -1
        if depth < 0:
            return latex[: match.start()]
    return latex
