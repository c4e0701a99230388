"""The reward of a handed stage as verl and EasyR1 call it; reward.py of an export holds its settings.

It runs in the engine's environment, which has what `vr1repro.answers` needs, and no TRL. Both engines' own decoding
drops special tokens; here the text keeps them, as in our training (`training.rewards`), and only its end is removed.
"""

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from vr1repro.answers.reward import HardFormatReward, Reward
from vr1repro.config.reward import RewardSettings
from vr1repro.core.records import Outcome

Score = dict[str, float]


class StageReward:
    """The reward of one stage.

    Args:
        settings: Of `RewardSettings`.
        ends: Texts of the tokens that end a completion.
        penalty: Taken from a completion that did not end itself.
    """

    def __init__(self, settings: Mapping[str, Any], ends: Sequence[str], penalty: float) -> None:
        self._settings = RewardSettings.model_validate(settings)
        self._ends, self._penalty = tuple(ends), penalty
        self._reward: HardFormatReward | None = None
        # verl calls from several threads of a process.
        self._alone = threading.Lock()

    def score(self, texts: Sequence[str], golds: Sequence[str], choices: Sequence[list[str] | None]) -> list[Score]:
        """Rewards of completions whose texts keep their special tokens."""
        answers = [self.without_end(text) for text in texts]
        with self._alone:
            if self._reward is None:
                self._reward = HardFormatReward(self._settings)
            rewards = self._reward.score(answers, golds, [options or None for options in choices])
        return [
            self._as_score(reward, ended=answer != text)
            for reward, answer, text in zip(rewards, answers, texts, strict=True)
        ]

    def easyr1(self, inputs: Sequence[Mapping[str, Any]]) -> list[Score]:
        """A batch as EasyR1 hands it over; its answer column holds gold answer, choices and id as JSON."""
        golds = [json.loads(one["ground_truth"]) for one in inputs]
        scores = self.score(
            [one["response"] for one in inputs],
            [gold["gold"] for gold in golds],
            [gold["choices"] for gold in golds],
        )
        return [
            {"overall": score["score"], "format": score["format"], "accuracy": score["accuracy"]} for score in scores
        ]

    def without_end(self, text: str) -> str:
        """A text without the tokens that end it."""
        while text.endswith(self._ends):
            for end in self._ends:
                text = text.removesuffix(end)
        return text

    def close(self) -> None:
        """End the grading workers."""
        if self._reward is not None:
            self._reward.close()

    def _as_score(self, reward: Reward, *, ended: bool) -> Score:
        value = reward.value - (0.0 if ended else self._penalty)
        return {
            "score": value,
            "format": float(reward.format_ok),
            "accuracy": float(reward.outcome is Outcome.RIGHT),
        }


def verl_manager(reward: StageReward) -> type[Any]:
    """A reward manager of verl with a stage's reward; its own hands a reward no special tokens."""
    from verl.experimental.reward_loop.reward_manager.base import RewardManagerBase

    class StageRewardManager(RewardManagerBase):
        """Decodes a completion with its special tokens and rewards it."""

        def __init__(self, config: Any, tokenizer: Any, compute_score: Any, *_: Any, **__: Any) -> None:
            super().__init__(config, tokenizer, compute_score)

        async def run_single(self, data: Any) -> dict[str, Any]:
            """One completion."""
            (row,) = data[-1:]
            ids = row.batch["responses"]
            ids = ids[: int(row.batch["attention_mask"][-ids.shape[-1] :].sum())]
            gold = row.non_tensor_batch["reward_model"]["ground_truth"]
            choices = row.non_tensor_batch["extra_info"]["choices"]
            options = None if choices is None else list(choices)
            text = self.tokenizer.decode(ids, skip_special_tokens=False)
            (score,) = await asyncio.to_thread(reward.score, [text], [gold], [options])
            return {"reward_score": score["score"], "reward_extra_info": score}

    return StageRewardManager
