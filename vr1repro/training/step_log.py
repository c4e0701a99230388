"""One JSONL row per optimizer step: what Figure 1 D to F and the diagnostics need.

`steps.jsonl` is deterministic at equal seed, threads and CPU type; `timing.jsonl` is telemetry.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import Appender
from vr1repro.core.records import Outcome
from vr1repro.training.phases import PhaseClock

Entry = dict[str, Any]
OUTCOME_METRIC = "outcome/{}"
ACCURACY_METRIC, FORMAT_METRIC, ROLLOUT_METRIC = "accuracy", "format", "reward"


def sft_row(logs: Entry, history: list[Entry]) -> dict[str, Any]:
    """What is kept of one SFT step; the steps before are not looked at."""
    return {
        "loss": logs["loss"],
        "grad_norm": logs.get("grad_norm"),
        "learning_rate": logs.get("learning_rate"),
        "entropy": logs.get("entropy"),
        "token_accuracy": logs.get("mean_token_accuracy"),
    }


def rl_row(logs: Entry, history: list[Entry]) -> dict[str, Any]:
    """What is kept of one GRPO step, from TRL's metric names and ours.

    A further update on a rollout repeats that rollout's figures, which stand in the history; a resumed trainer has it.
    """
    logs = {**next((entry for entry in reversed(history) if ROLLOUT_METRIC in entry), {}), **logs}
    return {
        "loss": logs["loss"],
        "grad_norm": logs.get("grad_norm"),
        "learning_rate": logs.get("learning_rate"),
        "reward": logs[ROLLOUT_METRIC],
        "reward_std": logs["reward_std"],
        "accuracy": logs[ACCURACY_METRIC],
        "format_share": logs[FORMAT_METRIC],
        "mean_length": logs["completions/mean_length"],
        "max_length": logs["completions/max_length"],
        "clipped_share": logs["completions/clipped_ratio"],
        "zero_variance_share": logs["frac_reward_zero_std"],
        "entropy": logs["entropy"],
        "kl": logs.get("kl"),
        "tokens": logs.get("num_tokens"),
        "outcomes": {outcome.value: logs[OUTCOME_METRIC.format(outcome)] for outcome in Outcome},
    }


class StepLog(TrainerCallback):
    """Writes `steps.jsonl` and `timing.jsonl`, and stops on a loss that is not a number.

    Args:
        folder: Where the files go.
        row: Makes a row of TRL's log entry and those up to it.
        labels: Put in front of every row (arm, stage).
        first_step: Steps done before this stage; `step` counts over the arm, from 1.
        check: Looks at the row of the stage's first step and raises what is wrong with it.
        clock: The trainer's, where it has phases.
    """

    def __init__(
        self,
        folder: Path,
        row: Callable[[Entry, list[Entry]], dict[str, Any]],
        labels: dict[str, Any],
        *,
        first_step: int = 0,
        check: Callable[[dict[str, Any]], None] | None = None,
        clock: PhaseClock | None = None,
    ) -> None:
        self._row, self._labels, self._first = row, labels, first_step
        self._check, self._clock = check, clock
        self._steps = Appender(folder / "steps.jsonl")
        self._timing = Appender(folder / "timing.jsonl")
        self._logged_at = time.perf_counter()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Keep one step's row."""
        if not logs or "loss" not in logs or not state.is_world_process_zero:
            return  # the summary at the end of training
        step = self._first + state.global_step
        row = {**self._labels, "step": step, **self._row(logs, state.log_history)}
        self._steps.append(row)
        now = time.perf_counter()
        phases = self._clock.take() if self._clock else {}
        phases = {name: round(seconds, 4) for name, seconds in phases.items()}
        self._timing.append({"step": step, "seconds": round(now - self._logged_at, 4), **phases})
        self._logged_at = now
        if not math.isfinite(logs["loss"]):
            raise UserError(
                f"{self._labels}: the loss is {logs['loss']} at step {step}; lower the learning rate, or look at the"
                " batch: steps.jsonl holds the steps before"
            )
        if self._check and state.global_step == 1:
            self._check(row)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Close the files."""
        self._steps.close()
        self._timing.close()
