"""The reward as TRL calls it: decode with the tags kept, grade in killable workers, count the outcomes."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from transformers import PreTrainedTokenizerBase

from vr1repro.answers.reward import HardFormatReward
from vr1repro.records import Outcome
from vr1repro.training.step_log import ACCURACY_METRIC, FORMAT_METRIC, OUTCOME_METRIC


class GroupReward:
    """A TRL reward function over (completion token ids, gold answer, choices).

    TRL decodes completions without special tokens; where the tags are such tokens they would be lost, so the ids are
    decoded here. The end of sequence is removed, nothing else: a completion that was cut has no closing tag and
    therefore no reward.
    """

    __name__ = "reward"  # TRL names the metric after it

    def __init__(self, reward: HardFormatReward, tokenizer: PreTrainedTokenizerBase) -> None:
        self._reward, self._tokenizer = reward, tokenizer
        ends = {tokenizer.eos_token, tokenizer.pad_token, "<|im_end|>", "<|endoftext|>"}
        self._ends = tuple(token for token in ends if token)

    def __call__(
        self,
        completion_ids: list[list[int]],
        gold: list[str],
        choices: list[list[str] | None],
        log_metric: Callable[[str, float], None],
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
        return [reward.value for reward in rewards]

    def decode(self, ids: list[int]) -> str:
        """Text of a completion, tags kept, end tokens removed."""
        text = str(self._tokenizer.decode(ids, skip_special_tokens=False))
        while text.endswith(self._ends):
            for end in self._ends:
                text = text.removesuffix(end)
        return text
