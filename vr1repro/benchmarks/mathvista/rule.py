"""MathVista without an LLM: which choice, or which number, a response states.

Ours. Every rule reads what the response says; none takes the nearest choice, as the official edit distance does. Where
no rule applies, or two choices fit, the answer is `unparsable`. Tuned on the six files of `TUNED_ON`, and reported on
the other files apart.
"""

import re

from vr1repro.answers.compare import choice_index
from vr1repro.answers.extract import Extraction, Rule, answer_phrase, final_answer, last_number
from vr1repro.answers.grade import Pair, Work
from vr1repro.answers.units import number, split_unit
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.mathvista.official import normalise, question_id_of
from vr1repro.benchmarks.scoring import Options, Row, compared, text_of
from vr1repro.core.records import Outcome, Verdict

# The public outputs that were looked at while these rules were written (lupantech/MathVista@53d5258, results).
TUNED_ON = (
    "bard",
    "chatgpt_2shot_code_use_ocr",
    "claude_2shot_solution",
    "gpt4_2shot_solution_use_ocr",
    "llava_llama_2_13b",
    "mplugowl_7b_ft",
)

# No rule below looks further back than this: an answer stands at the end, and time stays bounded.
_TAIL = 2000
_BRACKETED = re.compile(r"\(([a-zA-Z])\)")
_LETTER_LINE = re.compile(r"\(?([A-Z])[).:]?")
_LETTER_SAID = re.compile(r"\b(?:option|choice|letter|answer)\b[^.\n]{0,120}?\b(?:is|:)\s*\(?([A-Z])\)?(?=[.:,)\s]|$)")
_SENTENCE = re.compile(r"[^.!?\n\u3002]+(?:\.\d[^.!?\n\u3002]*)*")
_WORD = re.compile(r"[^\W_]+")
_DENIES = re.compile(r"\b(?:not|no|never|neither|cannot|isn't|aren't|doesn't|don't|wasn't|can't)\b", re.IGNORECASE)
# Who says so answers with none of the choices, whatever words the excuse shares with them.
_UNSURE = re.compile(
    r"\b(?:insufficient|not (?:have )?enough|cannot|can't|unable|impossible to|unclear|not (?:possible|clear|available)"
    r"|no information|more information|(?:n[o']t|without) (?:provide|specify|mention|contain|include|give)\w*"
    r"|need to know)\b",
    re.IGNORECASE,
)
_STOP = frozenset(
    """
    is are was were do does did has have had can could will would there the a an of in on at to it its this that these
    those than and or be any all what which how with by for from as image picture figure graph shown i we you
    """.split()  # noqa: SIM905 - a list of words is read more easily so
)
_TENS = {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100}
_UP_TO_TWENTY = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty
    """.split()  # noqa: SIM905
_WORDS = {**{word: value for value, word in enumerate(_UP_TO_TWENTY)}, **_TENS}
_NUMBER_WORD = re.compile(r"\b(" + "|".join(_WORDS) + r")\b", re.IGNORECASE)


def rule(question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    """No LLM, no guess: an answer that names no choice, or no number where one is asked, is `unparsable`."""
    identifier, response = question_id_of(question), text_of(row)
    extraction = final_answer(response)
    shown = None if extraction is None else extraction.text
    if question["question_type"] == "multi_choice":
        choices = [str(choice) for choice in question["choices"]]
        index, how = named_choice(str(question.get("question") or ""), response, extraction, choices)
        if index is None:
            return Verdict(id=identifier, extraction=shown, verdict=Outcome.UNPARSABLE, rule=how)
        outcome = Outcome.RIGHT if choices[index] == question["answer"] else Outcome.WRONG
        return Verdict(id=identifier, extraction=shown, prediction=choices[index], verdict=outcome, rule=how)
    if question["answer_type"] in ("integer", "float"):
        text = number_text(response, extraction)
        value = None if text is None else number(text)
        if value is None:
            return Verdict(id=identifier, extraction=text, verdict=Outcome.UNPARSABLE)
        try:
            prediction = normalise(question, float(value), Options())
        except OverflowError:  # more digits than a float holds: a number, and no answer of this benchmark
            prediction = None
        gold = normalise(question, question["answer"], Options())
        outcome = Outcome.RIGHT if prediction == gold and prediction is not None else Outcome.WRONG
        return Verdict(id=identifier, extraction=text, prediction=prediction, verdict=outcome)
    return compared(identifier, Pair(str(question["answer"]), shown), shown)


def named_choice(
    question_text: str, response: str, extraction: Extraction | None, choices: list[str]
) -> tuple[int | None, str | None]:
    """The index of the one choice that a response names, and the rule that says so; None where none or two fit."""
    if extraction is not None and extraction.rule is not Rule.NUMBER:
        index = choice_index(extraction.text, choices)
        if index is not None:
            return index, extraction.rule.value
    tail = response[-_TAIL:]
    unsure = _UNSURE.search(tail) is not None
    for name, index in (
        ("letter line", _letter_line(response, choices)),
        ("letter said", _letter_said(tail, choices)),
        ("one letter", _one_letter(tail, choices)),
        ("one choice", None if unsure else _one_choice(tail, choices)),
        ("last sentence", None if unsure else _last_sentence(tail, choices)),
        ("yes or no", None if unsure else _yes_or_no(question_text, response[:_TAIL], choices)),
    ):
        if index is not None:
            return index, name
    return None, None


def _index(letter: str, choices: list[str]) -> int | None:
    index = ord(letter.upper()) - ord("A")
    return index if 0 <= index < len(choices) else None


def _letter_line(response: str, choices: list[str]) -> int | None:
    """A letter alone on the first or on the last line."""
    text = response.strip()
    for line in (text[-80:].rsplit("\n", 1)[-1], text[:80].split("\n", 1)[0]):
        match = _LETTER_LINE.fullmatch(line.strip())
        if match is not None:
            return _index(match[1], choices)
    return None


def _letter_said(tail: str, choices: list[str]) -> int | None:
    """`the correct option letter for the perimeter is C`, the last one said."""
    letters = _LETTER_SAID.findall(tail)
    return _index(letters[-1], choices) if letters else None


def _one_letter(tail: str, choices: list[str]) -> int | None:
    letters = {_index(letter, choices) for letter in _BRACKETED.findall(tail)} - {None}
    return letters.pop() if len(letters) == 1 else None


def _one_choice(tail: str, choices: list[str]) -> int | None:
    text = tail.casefold()
    stated = [index for index, choice in enumerate(choices) if _mentions(text, choice.casefold())]
    # Where one choice's text holds the other's (`quarter past`, `quarter`), the longer one is meant.
    longest = [index for index in stated if not any(index != o and choices[index] in choices[o] for o in stated)]
    return longest[0] if len(longest) == 1 else None


def _mentions(text: str, choice: str) -> bool:
    return bool(choice) and re.search(rf"(?<!\w){re.escape(choice)}(?!\w)", text) is not None


def _last_sentence(tail: str, choices: list[str]) -> int | None:
    """The last sentence's last number is that of one choice, or it has all the words of one choice only."""
    sentences = [sentence for sentence in _SENTENCE.findall(tail) if _WORD.search(sentence)]
    # `5 or 6` names two, whichever stands last.
    if not sentences or re.search(r"\b(?:or|either)\b", sentences[-1], re.IGNORECASE):
        return None
    text = last_number(sentences[-1])
    value = None if text is None else number(text)
    if value is not None:
        values = [number(split_unit(choice.replace("*", ""))[0]) for choice in choices]
        fits = [index for index, other in enumerate(values) if other == value]
        if len(fits) == 1:
            return fits[0]
    words = _stems(sentences[-1])
    fits = [index for index, choice in enumerate(choices) if (stems := _stems(choice)) and stems <= words]
    return fits[0] if len(fits) == 1 else None


def _stems(text: str) -> frozenset[str]:
    return frozenset(
        word[:-1] if len(word) > 3 and word.endswith("s") else word
        for word in (match.casefold() for match in _WORD.findall(text))
        if word not in _STOP
    )


def _yes_or_no(question_text: str, response: str, choices: list[str]) -> int | None:
    """Yes where the first sentence repeats what was asked, no where it denies it; None where it speaks of else."""
    folded = [choice.casefold() for choice in choices]
    if sorted(folded) not in (["no", "yes"], ["false", "true"]):
        return None
    sentence = next((sentence for sentence in _SENTENCE.findall(response) if _WORD.search(sentence)), "")
    question_stems, sentence_stems = _stems(question_text), _stems(sentence)
    if not question_stems or len(question_stems & sentence_stems) < 0.6 * len(question_stems):
        return None
    denied = bool(_DENIES.search(sentence)) != bool(_DENIES.search(question_text))
    return (
        folded.index("no" if "no" in folded else "false")
        if denied
        else folded.index("yes" if "yes" in folded else "true")
    )


def number_text(response: str, extraction: Extraction | None) -> str | None:
    """The number in the answer, else the last one of the response, else the last one written as a word."""
    if extraction is not None:
        for text in (
            split_unit(extraction.text)[0],
            last_number(extraction.text),
            last_number(answer_phrase(response) or ""),
        ):
            if text is not None and number(text) is not None:
                return text
    written = last_number(response)
    if written is not None:
        return written
    words = _NUMBER_WORD.findall(response[-_TAIL:])
    return str(_WORDS[words[-1].lower()]) if words else None
