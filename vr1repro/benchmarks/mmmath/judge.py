r"""The judge of MM-Math's official scorer (THU-KEG/MM_Math@a8072fc, eval.py, from OlympiadBench), quirks and all.

For workers only: it simplifies what models write. It reads LaTeX with SymPy's `parse_latex`, which insists on antlr
4.11 while this environment has 4.13.2. Both read the same serialised grammar (ANTLR's ATN format 4, since 4.10), so
the check of the version is answered, inside the worker alone.
"""

import re
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

from vr1repro.core.upstream import require

_UNITS = (
    "\\text{cm}^2",
    "\\text{cm}",
    "\\,cm",
    "\\text{ cm}",
    "cm",
    "\\text{\u5206\u7c73}^2",
    "cm^{2}",
    "60 \\text{ cm}^2",
    "\\ \\text{m}",
    "\\text{\u7c73}",
)
_SIGNS = (
    ("\\left", ""),
    ("\\right", ""),
    ("\u5398\u7c73", ""),
    ("\uff0c", ","),
    ("$", ""),
    ("\uff08", "("),
    ("\uff09", ")"),
    ("\\infty", "oo"),
    ("\\colon ", ":"),
    ("\uff0b", "+"),
    ("\\, ", ""),
    ("\\,", ""),
    ("^\\circ", ""),
    ("^{\\circ}", ""),
)
_OUTER = "\n,.:;^_=+`!@#%^&*~\uff0c\u3002"
_CJK = re.compile("[\u4e00-\u9fff]+")
_TOO_LONG = 300
_LARGEST_EXPONENT = 1000


class Unbalanced(ValueError):
    """A box is opened and never closed."""


@dataclass(frozen=True)
class Rules:
    """What the official judge accepts, as switches.

    Attributes:
        precision: Absolute tolerance (official 0.01).
        percent: A hundredth and a hundredfold of the gold are right too (official).
        all_boxes: All boxes of a text are joined with commas (official); else the last one counts.
    """

    precision: float = 1e-2
    percent: bool = True
    all_boxes: bool = True


OFFICIAL = Rules()


def judge(gold: str, prediction: str, rules: Rules = OFFICIAL) -> bool:
    """Whether the official judge takes a prediction for the gold; both may be whole texts with boxes."""
    require("sympy")
    try:
        gold, prediction = (_cleaned(_answers(text, rules)) for text in (gold, prediction))
    except Unbalanced:
        return False
    if gold == prediction:
        return True
    golds, predictions = _items(gold), _items(prediction)
    if len(golds) != len(predictions):
        return False
    index = -1
    while golds:
        # The official order: step on after each removal, so that of [a, b, c] the third is tried second.
        index = (index + 1) % len(golds)
        item = golds[index]
        match = next((other for other in predictions if _equal(item, other, rules)), None)
        if match is None:
            return False
        golds.remove(item)
        predictions.remove(match)
    return True


def warm() -> None:
    """Load SymPy's LaTeX parser; the first text that it reads would pay for it else."""
    _parsed("x")


def boxes(text: str) -> list[str]:
    r"""The contents of all `\boxed{}` as the official judge finds them, an inner one after its outer one.

    The judge's own reading on purpose: an escaped brace counts as a brace, and a box that is never closed is an error.

    Raises:
        Unbalanced: A box is never closed.
    """
    open_braces: list[int | None] = []
    contents: dict[int, str] = {}
    for match in re.finditer(r"\\boxed\{|[{}]", text):
        if match.group() == "}":
            start = open_braces.pop() if open_braces else None
            if start is not None:
                contents[start] = text[start : match.start()]
        else:
            open_braces.append(match.end() if len(match.group()) > 1 else None)
    if any(start is not None for start in open_braces):
        raise Unbalanced(text[:80])
    return [contents[start] for start in sorted(contents)]


def _answers(text: str, rules: Rules) -> str:
    answers = boxes(text)
    if answers and not rules.all_boxes:
        return answers[-1]
    if not answers:
        answers = re.findall(r"\$(.*?)\$", text.strip().split("\n")[-1])
    return "".join(answer + "," for answer in answers) if answers else text


def _cleaned(text: str) -> str:
    for unit in _UNITS:
        text = text.replace(unit, "")
    text = re.sub(r"(.+)m$", r"\1", text.strip())
    if "\\in " in text:
        text = text.split("\\in ")[1]
    for old, new in _SIGNS:
        text = text.replace(old, new)
    text = re.sub(r"(\\sin|\\cos|\\tan)(\d+)", r"\1((\2/180)\\pi)", text)
    return re.sub(r"\\(?:mathrm|mathbf)\{~?([^}]*)\}", r"\1", text.strip(_OUTER))


def _items(text: str) -> list[str]:
    r"""An answer's parts: top-level commas split, `\pm` counts twice, `a<x<b` is the interval (a, b)."""
    if not _CJK.fullmatch(text):
        text = _CJK.sub("", text)
    if text.count("<") == 2:
        ends = text.split("<")
        text = f"({ends[0]}, {ends[-1]})"
    depth, start, parts = 0, 0, []
    for index, character in enumerate(text):
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append(text[start:index].strip())
            start = index + 1
    if start < len(text):
        parts.append(text[start:].strip())
    return [part.replace("\\pm", sign) for part in parts for sign in (("+", "-") if "\\pm" in part else ("\\pm",))]


def _equal(gold: str, prediction: str, rules: Rules) -> bool:
    if gold == prediction != "":
        return True
    # The official code swallows every error of SymPy and goes on with its next way of comparing. Running out of memory
    # is the worker's limit and no verdict.
    if _is_interval(gold) and _is_interval(prediction):
        try:
            if _same_interval(gold, prediction, rules):
                return True
        except MemoryError:
            raise
        except Exception:
            return False
    for way in (_same_number, _same_expression, _same_equation):
        try:
            if way(gold, prediction, rules):
                return True
        except MemoryError:
            raise
        except Exception:  # noqa: S112
            continue
    return False


def _is_interval(text: str) -> bool:
    return text.startswith(("(", "[")) and text.endswith((")", "]"))


def _same_number(gold: str, prediction: str, rules: Rules) -> bool:
    reference, value = float(gold), float(prediction)
    references = (reference / 100, reference, reference * 100) if rules.percent else (reference,)
    return any(abs(item - value) <= rules.precision * 1.01 for item in references)


def _same_interval(gold: str, prediction: str, rules: Rules) -> bool:
    golds, predictions = gold.split("\\cup"), prediction.split("\\cup")
    if len(golds) != len(predictions):
        return False
    for one, other in zip(golds, predictions, strict=True):
        if one[0] != other[0] or one[-1] != other[-1]:
            return False
        # As many ends as the shorter one has, as the official code's `zip` does.
        ends = zip(one.strip("[]()").split(","), other.strip("[]()").split(","), strict=False)
        if not all(_compare(left, right, rules) for left, right in ends):
            return False
    return True


def _same_expression(gold: str, prediction: str, rules: Rules) -> bool:
    return not ("=" in gold and "=" in prediction) and _compare(gold, prediction, rules)


def _compare(gold: str, prediction: str, rules: Rules) -> bool:
    import math

    import sympy

    gold, prediction = (text.split("=")[1].strip() if "=" in text else text.strip() for text in (gold, prediction))
    left, right = _parsed(gold), _parsed(prediction)
    if left == right:
        return True
    symbol = _parsed("\\pi")
    left, right = left.subs(symbol, math.pi), right.subs(symbol, math.pi)
    if left.has(sympy.Symbol) != right.has(sympy.Symbol) or max(len(gold), len(prediction)) > _TOO_LONG:
        return False
    if left.has(sympy.Symbol):
        return bool(abs(sympy.simplify(left - right).evalf()) < 1e-3)
    if not (_computable(left) and _computable(right)):
        return False
    return bool(abs(left.evalf() - right.evalf()) <= rules.precision * 1.01)


def _computable(expression: Any) -> bool:
    if not expression.is_Pow:
        return True
    base, exponent = expression.as_base_exp()
    return bool(base.is_number and exponent.is_number and abs(exponent.evalf()) <= _LARGEST_EXPONENT)


def _same_equation(gold: str, prediction: str, rules: Rules) -> bool:
    import sympy

    def sides(text: str) -> Any:
        left, right = text.split("=")
        return sympy.simplify(_parsed(left) - _parsed(right))

    one, other = sides(gold), sides(prediction)
    ratios = (sympy.simplify(one / other), sympy.simplify(other / one))
    return any(ratio.is_Integer and ratio != 0 for ratio in ratios)


def _parsed(latex: str) -> Any:
    from sympy.parsing.latex import _parse_latex_antlr as parser

    # SymPy asks for antlr's version and wants 4.11, see the module's docstring; antlr prints that the versions differ.
    parser.version = lambda _: "4.11.0"
    with redirect_stdout(StringIO()):
        return parser.parse_latex(latex)
