"""One table of completions: what the paper's reward gives, and what the rewards of peers give on the same rows.

The peers: EasyR1's `math.py` and `r1v.py` (at b44b311; the paper's framework), whose formats are written out here from
their description, over the grader that they use, mathruler; and TRL's `accuracy_reward`. Both are the real ones.
`None`: TRL skips the row.
"""

import re

import pytest
from mathruler.grader import extract_boxed_content, grade_answer

from vr1repro.answers.completion import completion
from vr1repro.answers.reward import HardFormatReward
from vr1repro.config.reward import RewardSettings

GOOD = completion("2+2", "4")
BOXED = r"<think>2+2</think> so \boxed{4}"

# name: (completion, gold, HFRRF strict, HFRRF lenient, Zero, EasyR1 math, EasyR1 r1v, TRL)
ROWS = {
    "as the paper's traces": (GOOD, "4", 1, 1, 1, 0, 0.5, 0),
    "right, no `Final Answer:`": ("<think>2+2</think><answer>4</answer>", "4", 0, 1, 0.5, 0, 1, 0),
    "wrong answer": (completion("2+2", "5"), "4", 0, 0, 0.5, 0, 0.5, 0),
    "cut in the chain": ("<think>2+2", "4", 0, 0, 0, 0, 0, 0),
    "cut in the answer": ("<think>2+2</think><answer> Final Answer:4", "4", 0, 0, 0.5, 0, 0, 0),
    "no chain": ("<answer> Final Answer:4 </answer>", "4", 0, 0, 0.5, 0, 0, 0),
    "empty chain": (completion("", "4"), "4", 1, 1, 1, 0, 0.5, 0),
    "two answers": (GOOD + "<answer> Final Answer:4 </answer>", "4", 0, 0, 0.5, 0, 0.5, 0),
    "two chains": ("<think>a</think>" + GOOD, "4", 0, 0, 0.5, 0, 0.5, 0),
    "nested chain": ("<think>a<think>b</think><answer> Final Answer:4 </answer>", "4", 0, 0, 0.5, 0, 0.5, 0),
    "tags named in prose": (completion("I close with </think> soon", "4"), "4", 0, 0, 0.5, 0, 0.5, 0),
    "text after the answer": (GOOD + " Done.", "4", 0, 0, 0.5, 0, 0, 0),
    "text before the chain": ("Sure. " + GOOD, "4", 0, 0, 0.5, 0, 0, 0),
    "text between the parts": ("<think>a</think> so <answer> Final Answer:4 </answer>", "4", 0, 0, 0.5, 0, 0, 0),
    "newline between the parts": ("<think>a</think>\n<answer> Final Answer:4 </answer>", "4", 0, 1, 0.5, 0, 0.5, 0),
    "answer over two lines": ("<think>a</think><answer>\n4\n</answer>", "4", 0, 1, 0.5, 0, 0.5, 0),
    "blank answer": ("<think>a</think><answer> Final Answer:  </answer>", "4", 0, 0, 0, 0, 0.5, 0),
    "boxed in the answer": (completion("2+2", r"\boxed{4}"), "4", 1, 1, 1, 1, 0.5, 1),
    "boxed, no answer tags": (BOXED, "4", 0, 0, 0.5, 1, 0, 1),
    "boxed right, answer wrong": (completion(r"\boxed{4}", "5"), "4", 0, 0, 0.5, 0.9, 0.5, 1),
    "a fraction as a decimal": (completion("1/2", "0.5"), r"\frac{1}{2}", 1, 1, 1, 0, 0.5, 0),
    "a unit in the gold": (completion("30", "30"), "30°", 1, 1, 1, 0, 0.5, 0),
    "a product written otherwise": (completion("x", r"\boxed{x(x+1)}"), "x^2+x", 1, 1, 1, 1, 0.5, None),
    "thousands": (completion("1000", r"\boxed{1,000}"), "1000", 1, 1, 1, 1, 0.5, 1),
    "a gold that is no formula": (completion("it is", "the cat"), "the cat", 1, 1, 1, 0, 0.5, None),
    "nothing": ("", "4", 0, 0, 0, 0, 0, 0),
}  # fmt: skip


def easyr1_math(text: str, gold: str) -> float:
    tight = re.sub(r"\s*(<|>|/)\s*", r"\1", text)
    format_ok = bool(re.fullmatch(r"<think>.*</think>.*\\boxed\{.*\}.*", tight, re.DOTALL))
    return 0.9 * grade_answer(extract_boxed_content(tight), gold) + 0.1 * format_ok


def easyr1_r1v(text: str, gold: str) -> float:
    format_ok = bool(re.fullmatch(r"<think>.*?</think>\s*<answer>.*?</answer>", text, re.DOTALL))
    found = re.search(r"<answer>(.*?)</answer>", text)
    return 0.5 * grade_answer(found.group(1).strip() if found else text.strip(), gold) + 0.5 * format_ok


@pytest.mark.parametrize("name", ROWS)
def test_ours(name: str) -> None:
    text, gold, strict, lenient, zero, *_ = ROWS[name]
    found = []
    for settings in (
        RewardSettings(kind="hfrrf", strictness="strict"),
        RewardSettings(kind="hfrrf", strictness="lenient"),
        RewardSettings(kind="format_plus_result", strictness="strict"),
    ):
        with HardFormatReward(settings) as reward:
            found.append(reward.score([text], [gold])[0].value)
    assert found == [strict, lenient, zero]


@pytest.mark.parametrize("name", ROWS)
def test_easyr1(name: str) -> None:
    text, gold, *_, by_math, by_r1v, _ = ROWS[name]
    assert easyr1_math(text, gold) == pytest.approx(by_math)
    assert easyr1_r1v(text, gold) == pytest.approx(by_r1v)


@pytest.mark.slow
def test_trl() -> None:
    from trl.rewards import accuracy_reward

    rows = list(ROWS.values())
    texts = [[{"role": "assistant", "content": row[0]}] for row in rows]
    assert dict(zip(ROWS, accuracy_reward(texts, [row[1] for row in rows]), strict=True)) == {
        name: row[-1] for name, row in ROWS.items()
    }
