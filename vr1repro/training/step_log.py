"""One JSONL row per step: what Figure 1 D to F and the diagnostics need.

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
from vr1repro.core.records import STEPS_VERSION, Outcome
from vr1repro.training.launch import is_first_process
from vr1repro.training.phases import PhaseClock

Entry = dict[str, Any]
OUTCOME_METRIC = "outcome/{}"
ACCURACY_METRIC, FORMAT_METRIC, ROLLOUT_METRIC = "accuracy", "format", "reward"


def sft_row(entries: list[Entry]) -> dict[str, Any]:
    """What is kept of one SFT step, which is one update."""
    (logs,) = entries
    return {
        "loss": logs["loss"],
        "grad_norm": logs.get("grad_norm"),
        "learning_rate": logs.get("learning_rate"),
        "entropy": logs.get("entropy"),
        "token_accuracy": logs.get("mean_token_accuracy"),
    }


def rl_row(entries: list[Entry]) -> dict[str, Any]:
    """What is kept of one GRPO step, from TRL's metric names and ours.

    Args:
        entries: TRL's log of each update on the step's rollout; the first holds the rollout's figures.
    """
    rollout = entries[0]
    return {
        "updates": len(entries),
        "loss": _mean(entries, "loss"),
        "grad_norm": _mean(entries, "grad_norm"),
        "learning_rate": entries[-1].get("learning_rate"),
        "reward": rollout[ROLLOUT_METRIC],
        "reward_std": rollout["reward_std"],
        "accuracy": rollout[ACCURACY_METRIC],
        "format_share": rollout[FORMAT_METRIC],
        "mean_length": rollout["completions/mean_length"],
        "max_length": rollout["completions/max_length"],
        "clipped_share": rollout["completions/clipped_ratio"],
        "zero_variance_share": rollout["frac_reward_zero_std"],
        "entropy": _mean(entries, "entropy"),
        "kl": _mean(entries, "kl"),
        "ratio_clipped_share": _mean(entries, "clip_ratio/region_mean"),
        "tokens": rollout.get("num_tokens"),
        "outcomes": {outcome.value: rollout[OUTCOME_METRIC.format(outcome)] for outcome in Outcome},
    }


def _mean(entries: list[Entry], name: str) -> float | None:
    values = [entry[name] for entry in entries if entry.get(name) is not None]
    return sum(values) / len(values) if values else None


class StepLog(TrainerCallback):
    """Writes `steps.jsonl` and `timing.jsonl`, and stops on a loss that is not a number.

    Args:
        folder: Where the files go.
        row: Makes a row of TRL's log entries of a step's updates.
        labels: Put in front of every row (arm, stage).
        first_step: Steps done before this stage; `step` counts over the arm, from 1.
        check: Looks at the row of the stage's first step and raises what is wrong with it.
        clock: The trainer's, where it has phases.
        updates: Optimizer steps of a step.
        facts: What a trainer has to say of a step beside its metrics.
    """

    def __init__(
        self,
        folder: Path,
        row: Callable[[list[Entry]], dict[str, Any]],
        labels: dict[str, Any],
        *,
        first_step: int = 0,
        check: Callable[[dict[str, Any]], None] | None = None,
        clock: PhaseClock | None = None,
        updates: int = 1,
        facts: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self._row, self._labels, self._first = row, labels, first_step
        self._check, self._clock = check, clock
        self._updates, self._entries, self._facts = updates, list[Entry](), facts
        # The first of several processes writes, and no other opens the files.
        self._files = [Appender(folder / name) for name in ("steps.jsonl", "timing.jsonl") if is_first_process()]
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
        if not logs or "loss" not in logs or not self._files:
            return  # the summary at the end of training, or another process writes
        steps, timing = self._files
        done, surplus = divmod(state.global_step - 1, self._updates)
        step = self._first + done + 1
        self._entries.append(logs)
        if math.isfinite(logs["loss"]) and surplus + 1 < self._updates:
            return  # a loss that is not a number ends the job at once
        row = {
            "schema_version": STEPS_VERSION,
            **self._labels,
            "step": step,
            **self._row(self._entries),
            **self._facts(),
        }
        self._entries = []
        steps.append(row)
        now = time.perf_counter()
        phases = self._clock.take() if self._clock else {}
        phases = {name: round(seconds, 4) for name, seconds in phases.items()}
        timing.append({"step": step, "seconds": round(now - self._logged_at, 4), **phases})
        self._logged_at = now
        if not math.isfinite(logs["loss"]):
            raise UserError(
                f"{self._labels}: the loss is {logs['loss']} at step {step}; lower the learning rate, or look at the"
                " batch: steps.jsonl holds the steps before"
            )
        if self._check and state.global_step == self._updates:
            self._check(row)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Close the files."""
        for file in self._files:
            file.close()
