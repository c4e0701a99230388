"""The lab's extractor and judge: right but for the errors that are planted, which come at their rates."""

import json
import urllib.request
from typing import Any

import pytest

from vr1repro.config.graders import ScriptedGrader
from vr1repro.lab import grader

HEAD = "Below is a question.\n\nHow many?\n\n"
RESPONSES = {
    "tagged": "<think>2+{n}=5</think><answer> Final Answer:{n} </answer>",
    "reflected": "<think>2+{n}=5. Wait, check: 2+{n}</think><answer> Final Answer:{n} </answer>",
    "untagged": "2 and then {n}",
}


def habits(**changes: Any) -> ScriptedGrader:
    values = {"extraction_errors": dict.fromkeys(RESPONSES, 0.0), "judgement_misses": 0.0, "judgement_slips": 0.0}
    return ScriptedGrader.model_validate({"kind": "scripted", **values, **changes})


def extraction_prompt(response: str) -> str:
    return f"{HEAD}{response}\n\nExtracted answer: "


def judgement_prompt(gold: str, answer: str, question: str = "How many?") -> str:
    return f"Judge.\n\n[Question]: {question}\n[Standard Answer]: {gold}\n[Model_answer] : {answer}\nJudgement:"


@pytest.mark.parametrize("style", RESPONSES)
def test_an_extraction_errs_at_the_rate_of_its_style(style: str) -> None:
    planted = habits(extraction_errors={**dict.fromkeys(RESPONSES, 0.0), style: 0.25})
    errors = dict.fromkeys(RESPONSES, 0)
    for name, response in RESPONSES.items():
        for n in range(1000):
            text = response.format(n=n)
            assert grader.style_of(text) == name
            prompt = extraction_prompt(text)
            assert grader.reply(prompt, habits()) == str(n)
            reply = grader.reply(prompt, planted)
            assert reply == grader.reply(prompt, planted)
            errors[name] += reply != str(n)
    # Four standard errors of 1000 draws.
    assert errors.pop(style) == pytest.approx(250, abs=4 * (1000 * 0.25 * 0.75) ** 0.5)
    assert set(errors.values()) == {0}


@pytest.mark.parametrize(("misses", "slips"), [(0.2, 0.0), (0.0, 0.1)])
def test_a_judgement_errs_one_way_and_the_other(misses: float, slips: float) -> None:
    planted = habits(judgement_misses=misses, judgement_slips=slips)
    missed = sum(grader.reply(judgement_prompt(str(n), str(n)), planted) == "0" for n in range(1000))
    slipped = sum(grader.reply(judgement_prompt(str(n), str(n + 1)), planted) == "1" for n in range(1000))
    for n, rate in ((missed, misses), (slipped, slips)):
        assert n == pytest.approx(1000 * rate, abs=4 * (1000 * rate * (1 - rate)) ** 0.5)


@pytest.mark.parametrize(
    ("gold", "answer", "right"),
    [("B", "15", True), ("B", "(B)", True), ("B", "12", False), ("B", "A", False), ("15", "B", True), ("7", "7", True),
     ("7", "8", False), ("7", "null", False)],
)  # fmt: skip
def test_a_choice_is_its_letter_and_its_text(gold: str, answer: str, right: bool) -> None:
    prompt = judgement_prompt(gold, answer, "How many?\nChoices:\nA:12\nB:15")
    assert grader.reply(prompt, habits()) == str(int(right))


@pytest.mark.parametrize(
    ("response", "extraction"),
    [("<answer> Final Answer:A </answer> or <answer> Final Answer:B </answer>", "B"), ("<answer></answer>", "null"),
     ("The answer is C", "C"), ("first line 3\n\nthen 4", "4"), ("", "null")],
)  # fmt: skip
def test_what_is_extracted_without_an_error(response: str, extraction: str) -> None:
    assert grader.reply(extraction_prompt(response), habits()) == extraction


def test_the_server_answers_as_such_servers_do() -> None:
    with grader.serve(lambda prompt: prompt.upper()) as url:
        body = {"model": grader.MODEL, "messages": [{"role": "user", "content": [{"type": "text", "text": "seven"}]}]}
        request = urllib.request.Request(f"{url}/chat/completions", json.dumps(body).encode())  # noqa: S310
        with urllib.request.urlopen(request) as response:  # noqa: S310 - our own address
            reply = json.loads(response.read())
    assert reply["model"] == grader.MODEL
    assert reply["choices"][0]["message"]["content"] == "SEVEN"
