"""The hard formatting result reward function (HFRRF) and the Zero variant. No torch here.

Paper v1 and v4 section 3.4: the reward is 1 only if the completion has the asked format and its final answer is right,
else 0. Vision-R1-Zero is rewarded for format and result at the ratio 1:1 (section 3.1). What the completion looks like
is defined in `vr1repro.answers.completion`; how strictly it is read is `RewardSettings.strictness`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

from vr1repro.answers.compare import MatchSettings
from vr1repro.answers.completion import ANSWER_CLOSE, ANSWER_OPEN, FINAL_ANSWER, TAGS, THINK_CLOSE, THINK_OPEN
from vr1repro.answers.extract import final_answer, last_boxed
from vr1repro.answers.grade import Grader, Pair, Work, mapped
from vr1repro.config.reward import RewardSettings
from vr1repro.core.records import Outcome

_STRICT_MIDDLE = f"{THINK_CLOSE}{ANSWER_OPEN} {FINAL_ANSWER}"
_STRICT_END = f" {ANSWER_CLOSE}"


@dataclass(frozen=True)
class Reward:
    """What one completion earned.

    Attributes:
        value: The reward, 0 to 1.
        format_ok: Whether the completion has the asked format.
        outcome: The grade of its final answer; `unparsable` where there is none. `timeout` earns no result reward.
        extraction: The final answer that was graded.
    """

    value: float
    format_ok: bool
    outcome: Outcome
    extraction: str | None


def formatted_answer(completion: str, strictness: str) -> str | None:
    """The final answer of a completion that has the asked format, else None.

    Args:
        completion: The completion, without the end-of-sequence token.
        strictness: `strict` or `lenient`, see `RewardSettings.strictness`.

    Returns:
        The answer; None where the format is wrong or the answer is blank.

    >>> formatted_answer("<think>1 + 2</think><answer> Final Answer:3 </answer>", "strict")
    '3'
    >>> formatted_answer("<think>1 + 2</think> <answer>3</answer>", "strict") is None
    True
    >>> formatted_answer("<think>1 + 2</think> <answer>3</answer>", "lenient")
    '3'
    """
    if any(completion.count(tag) != 1 for tag in TAGS):
        return None
    if strictness == "strict":
        if not (completion.startswith(THINK_OPEN) and completion.endswith(_STRICT_END)):
            return None
        thought, middle, answer = completion[: -len(_STRICT_END)].partition(_STRICT_MIDDLE)
        return answer if middle and answer.strip() and len(thought) >= len(THINK_OPEN) else None
    thought, _, rest = completion.strip().partition(THINK_CLOSE)
    rest = rest.strip()
    if not (thought.startswith(THINK_OPEN) and rest.startswith(ANSWER_OPEN) and rest.endswith(ANSWER_CLOSE)):
        return None
    answer = rest.removeprefix(ANSWER_OPEN).removesuffix(ANSWER_CLOSE).strip()
    return answer.removeprefix(FINAL_ANSWER).strip() or None


class HardFormatReward:
    """Score completions by `RewardSettings`. Use as a context manager, or call `close`."""

    def __init__(self, settings: RewardSettings) -> None:
        self._settings = settings
        self._match = MatchSettings(precision=settings.precision, matcher=settings.matcher)
        self._grader = Grader(settings.workers, settings.timeout_s, settings.memory_mb)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the grading workers."""
        self._grader.close()

    def score(
        self,
        completions: Sequence[str],
        golds: Sequence[str],
        choices: Sequence[list[str] | None] | None = None,
    ) -> list[Reward]:
        """The rewards of a batch of completions, in its order.

        Args:
            completions: Texts without the end-of-sequence token, of any length.
            golds: One for each completion.
            choices: One list for each completion, None for a free-form question.

        Raises:
            ValueError: The lengths differ.
        """
        choices = [None] * len(completions) if choices is None else choices
        rows = zip(completions, golds, choices, strict=True)
        return list(self._grader.stream(self._items(rows)))

    def _items(self, rows: Iterator[tuple[str, str, list[str] | None]]) -> Iterator[Reward | Work[Reward]]:
        for completion, gold, options in rows:
            answer = formatted_answer(completion, self._settings.strictness)
            format_ok = answer is not None
            if answer is not None:
                answer = last_boxed(answer) or answer.strip()
            elif self._settings.kind == "format_plus_result":
                extraction = final_answer(completion)
                answer = None if extraction is None else extraction.text
            else:
                # Without the format HFRRF is 0 whatever the answer; grading it would cost a worker's time for nothing.
                yield self._reward(False, None, Outcome.UNPARSABLE)
                continue
            pair = Pair(gold, answer, tuple(options) if options else None, self._match)
            yield mapped(pair.work(), partial(self._reward, format_ok, answer))

    def _reward(self, format_ok: bool, answer: str | None, outcome: Outcome) -> Reward:
        right = outcome is Outcome.RIGHT
        value = float(format_ok and right) if self._settings.kind == "hfrrf" else (format_ok + right) / 2
        return Reward(value, format_ok, outcome, answer)
