"""The paper's hard-format reward as a reward function of TRL's GRPOTrainer, for a training of your own.

Run: python examples/trl_reward.py
"""

from typing import Any

from vr1repro.answers import HardFormatReward, RewardSettings

# One pool of grading workers for the whole training; `lenient` forgives blanks around the tags.
SCORER = HardFormatReward(RewardSettings(kind="hfrrf", strictness="lenient", workers=1))


def hard_format_reward(completions: list[Any], answer: list[str], **_: Any) -> list[float]:
    """One reward a completion. TRL passes the dataset's column `answer`; a chat's completion is a list of messages."""
    texts = [one if isinstance(one, str) else one[-1]["content"] for one in completions]
    return [reward.value for reward in SCORER.score(texts, answer)]


if __name__ == "__main__":
    # GRPOTrainer(model=..., reward_funcs=hard_format_reward, train_dataset=...) calls it like this:
    sampled = [
        "<think>2 + 2</think><answer>4</answer>",
        [{"role": "assistant", "content": "<think>2 + 2</think> <answer> Final Answer:5 </answer>"}],
        "The answer is 4.",
    ]
    print(hard_format_reward(sampled, answer=["4", "4", "4"]))
    SCORER.close()
