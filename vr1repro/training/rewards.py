"""The reward as TRL calls it: decode with the tags kept, grade in killable workers, count the outcomes."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from transformers import PreTrainedTokenizerBase

from vr1repro.answers.reward import HardFormatReward
from vr1repro.core.jsonl import Appender
from vr1repro.core.records import Outcome
from vr1repro.training.step_log import ACCURACY_METRIC, FORMAT_METRIC, OUTCOME_METRIC


class GroupReward:
    """A TRL reward function over (completion token ids, gold answer, choices).

    TRL decodes completions without special tokens; where the tags are such tokens they would be lost, so the ids are
    decoded here. The end of sequence is removed, nothing else: a completion that was cut has no closing tag and
    therefore no reward.
    """

    __name__ = "reward"  # TRL names the metric after it

    def __init__(
        self, reward: HardFormatReward, tokenizer: PreTrainedTokenizerBase, penalty: float, samples: Appender | None
    ) -> None:
        """Wrap a reward.

        Args:
            reward: The paper's reward.
            tokenizer: The policy's.
            penalty: Taken from the reward of a completion that did not end itself.
            samples: Takes one completion of every rollout, for a reader.
        """
        self._reward, self._tokenizer = reward, tokenizer
        self._penalty, self._samples = penalty, samples
        ends = {tokenizer.eos_token, tokenizer.pad_token, "<|im_end|>", "<|endoftext|>"}
        self._ends = tuple(token for token in ends if token)
        self._end_ids = set(tokenizer.convert_tokens_to_ids(list(self._ends)))

    def __call__(
        self,
        completion_ids: list[list[int]],
        gold: list[str],
        choices: list[list[str] | None],
        log_metric: Callable[[str, float], None],
        id: list[str],
        **_: Any,
    ) -> list[float]:
        """Reward every completion and log accuracy, format share and the share of each grading outcome."""
        texts = [self.decode(ids) for ids in completion_ids]
        rewards = self._reward.score(texts, gold, [options or None for options in choices])
        outcomes = Counter(reward.outcome for reward in rewards)
        n = len(rewards)
        log_metric(ACCURACY_METRIC, outcomes[Outcome.RIGHT] / n)
        log_metric(FORMAT_METRIC, sum(reward.format_ok for reward in rewards) / n)
        for outcome in Outcome:
            log_metric(OUTCOME_METRIC.format(outcome), outcomes[outcome] / n)
        if self._samples:
            first = rewards[0]
            self._samples.append({"id": id[0], "completion": texts[0], "gold": gold[0], "reward": first.value,
                                  "outcome": first.outcome.value})  # fmt: skip
        cut = [self._penalty * (not ids or ids[-1] not in self._end_ids) for ids in completion_ids]
        return [reward.value - taken for reward, taken in zip(rewards, cut, strict=True)]

    def decode(self, ids: list[int]) -> str:
        """Text of a completion, tags kept, end tokens removed."""
        text = str(self._tokenizer.decode(ids, skip_special_tokens=False))
        while text.endswith(self._ends):
            for end in self._ends:
                text = text.removesuffix(end)
        return text
