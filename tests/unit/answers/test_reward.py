import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vr1repro.answers.completion import completion
from vr1repro.answers.reward import HardFormatReward, formatted_answer
from vr1repro.config.reward import RewardSettings
from vr1repro.core.records import Outcome

GOOD = completion("2 + 2\nis 4", "4")


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        (GOOD, "4", "4"),
        ("<think>a</think>\n<answer> Final Answer:4 </answer>", None, "4"),
        ("<think>a</think><answer>4</answer>", None, "4"),
        ("<think>a</think><answer> Final Answer: 4 </answer>\n", None, "4"),
        (GOOD + "!", None, None),
        ("So: " + GOOD, None, None),
        ("<answer> Final Answer:4 </answer>", None, None),
        ("<think>a<think>b</think><answer> Final Answer:4 </answer>", None, None),
        (GOOD + GOOD, None, None),
        ("<think>a</think><answer> Final Answer:  </answer>", None, None),
        ("</think><think><answer> Final Answer:4 </answer>", None, None),
        ("<think>a</think> hm <answer> Final Answer:4 </answer>", None, None),
        ("", None, None),
    ],
)
def test_format(text, strict, lenient):
    assert formatted_answer(text, "strict") == strict
    assert formatted_answer(text, "lenient") == lenient


@given(st.text(max_size=40), st.text(max_size=20))
def test_every_own_completion_has_the_format(chain, answer):
    if "<" in chain or "<" in answer or not answer.strip():
        return
    assert formatted_answer(completion(chain, answer), "strict") == answer


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("hfrrf", GOOD, 1.0),
        ("hfrrf", completion("a", "5"), 0.0),
        ("hfrrf", "The answer is 4", 0.0),
        ("format_plus_result", GOOD, 1.0),
        ("format_plus_result", completion("a", "5"), 0.5),
        ("format_plus_result", "The answer is 4", 0.5),
        ("format_plus_result", "The answer is 5", 0.0),
    ],
)
def test_value(kind, text, value):
    with HardFormatReward(RewardSettings(kind=kind)) as reward:
        assert reward.score([text], ["4"])[0].value == value


def test_batch_keeps_order_and_uses_choices_and_workers():
    completions = [completion("a", answer) for answer in ("B", "60", "\\frac{\\sqrt{4}}{2}", "2", "nothing")]
    golds = ["60°", "B", "1", "3", "5"]
    choices = [["40°", "60°"], ["40°", "60°"], None, None, None]
    with HardFormatReward(RewardSettings(timeout_s=20)) as reward:
        rewards = reward.score(completions, golds, choices)
    assert [item.value for item in rewards] == [1, 1, 1, 0, 0]
    assert all(item.format_ok for item in rewards)


def test_a_hanging_answer_earns_nothing_and_is_no_wrong_answer():
    text = completion("a", r"\dfrac{5^{(5^{(5^{(5^5)})}-4)}-5}{16}")
    with HardFormatReward(RewardSettings(timeout_s=1)) as reward:
        first, second = reward.score([text, GOOD], ["1", "4"])
    assert (first.value, first.outcome, first.format_ok) == (0.0, Outcome.TIMEOUT, True)
    assert second.value == 1.0


def test_lengths_must_agree():
    with HardFormatReward(RewardSettings()) as reward, pytest.raises(ValueError, match="shorter"):
        reward.score(["a", "b"], ["1"])


def test_imports_no_torch():
    code = "import sys, vr1repro.answers.reward; sys.exit('torch' in sys.modules or 'sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
