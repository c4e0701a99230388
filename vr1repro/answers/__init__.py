r"""The one place that knows what a right answer is: extract, compare, grade, and the hard-format reward.

Find the answer in a completion, whatever its format:

>>> from vr1repro.answers import final_answer
>>> final_answer(r"So the area is \boxed{\frac{3}{2}} square units.")
Extraction(text='\\frac{3}{2}', rule=<Rule.BOXED: 'boxed'>)

Compare it with a gold answer. What is certain is decided at once; the rest goes to Math-Verify in a worker that is
killed at its deadline. The outcome is one of five (`Outcome`), so that no failure of the grader counts as wrong:

>>> from vr1repro.answers import Grader
>>> pairs = [("1.5", "3/2"), ("60 cm", "60"), ("x+1", "1+x"), ("2", "3")]
>>> with Grader(timeout_s=30) as grader:
...     [grader.equivalent(gold, answer).value for gold, answer in pairs]
['right', 'right', 'right', 'wrong']

Reward completions as the paper does (HFRRF), format and answer together:

>>> from vr1repro.answers import HardFormatReward, RewardSettings
>>> completions = ["<think>1 + 2 = 3.</think><answer> Final Answer:3 </answer>", r"\boxed{3}"]
>>> with HardFormatReward(RewardSettings()) as reward:
...     [(one.value, one.format_ok) for one in reward.score(completions, golds=["3", "3"])]
[(1.0, True), (0.0, False)]
"""

from vr1repro.core.exports import exporter

_HOMES = {
    "Extraction": "extract",
    "Grader": "grade",
    "HardFormatReward": "reward",
    "MatchSettings": "compare",
    "Outcome": "compare",
    "Pair": "grade",
    "Reward": "reward",
    "RewardSettings": "reward",
    "Rule": "extract",
    "choice_index": "compare",
    "final_answer": "extract",
    "formatted_answer": "reward",
    "last_boxed": "extract",
    "paper_answer": "paper_form",
}
__all__ = list(_HOMES)
__getattr__ = exporter(__name__, _HOMES)
