"""Which key of each framework's log is which column of `steps.jsonl`.

Only what means the same stands here. A column that a framework does not log is absent from its rows: nothing is
calculated in its place. `validation_accuracy` is no column of our own logs, whose checkpoints are evaluated apart.

Sources, each read at the commit named:

    EasyR1  hiyouga/EasyR1@b44b311: verl/utils/logger/logger.py (FileLogger, TensorBoardLogger),
            verl/trainer/metrics.py, verl/trainer/ray_trainer.py (fit, _validate), verl/trainer/core_algos.py
            (compute_policy_loss), verl/workers/actor/dp_actor.py; older names from @6241a21
    verl    volcengine/verl@b178a3c: verl/utils/tracking.py (FileLogger, _TensorboardAdapter),
            verl/trainer/ppo/metric_utils.py, verl/trainer/ppo/ray_trainer.py, verl/workers/actor/dp_actor.py
    TRL     huggingface/trl@f2cd577: trl/trainer/grpo_trainer.py, trl/rewards/; older names from @e3244d2; the prefixes
            of TensorBoard's tags from transformers 5.17, integrations/integration_utils.py (rewrite_logs)
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

VALIDATION = "validation_accuracy"


@dataclass(frozen=True, kw_only=True)
class KeyTable:
    """One framework's keys.

    Attributes:
        columns: By our column, its key and then that key's older names.
        validation: Keys of accuracies on validation sets; `validation_accuracy` is their plain mean.
    """

    framework: str
    columns: Mapping[str, tuple[str, ...]]
    validation: re.Pattern[str]


EASYR1 = KeyTable(
    framework="EasyR1",
    columns={
        # The reward before any KL penalty is taken off (`critic/rewards/mean` is the one after).
        "reward": ("critic/score/mean",),
        # Named by the run's reward function; these are examples/reward_function/math.py's and r1v.py's.
        "accuracy": ("reward/accuracy",),
        "format_share": ("reward/format",),
        "mean_length": ("response_length/mean",),
        "max_length": ("response_length/max",),
        "clipped_share": ("response_length/clip_ratio",),
        "entropy": ("actor/entropy_loss",),  # the mean of -log p of the sampled tokens
        "kl": ("actor/kl_loss",),
        "grad_norm": ("actor/grad_norm",),
        "learning_rate": ("actor/lr",),
        "ratio_clipped_share": ("actor/pg_clipfrac_higher", "actor/pg_clipfrac"),
    },
    validation=re.compile(r"val/accuracy_reward"),
)
# `actor/kl_loss` is left out: it is a sum over the step's updates, and their number is not in the log.
VERL = KeyTable(
    framework="verl",
    columns={
        "reward": ("critic/score/mean",),
        "mean_length": ("response_length/mean",),
        "max_length": ("response_length/max",),
        "clipped_share": ("response_length/clip_ratio",),
        "entropy": ("actor/entropy",),
        "grad_norm": ("actor/grad_norm",),
        "learning_rate": ("actor/lr",),
        "ratio_clipped_share": ("actor/pg_clipfrac",),
    },
    validation=re.compile(r"val-core/.+/acc/mean@\d+"),
)
# `reward`, `loss` and what else an update has are TRL's names and ours.
TRL = KeyTable(
    framework="TRL",
    columns={
        "loss": ("loss",),
        "grad_norm": ("grad_norm",),
        "learning_rate": ("learning_rate",),
        "reward": ("reward",),
        "reward_std": ("reward_std",),
        # Named by the run's reward functions; these are the ones of trl.rewards.
        "accuracy": ("rewards/accuracy_reward/mean", "rewards/accuracy_reward"),
        "format_share": ("rewards/think_format_reward/mean", "rewards/think_format_reward"),
        "mean_length": ("completions/mean_length", "completion_length"),
        "max_length": ("completions/max_length",),
        "clipped_share": ("completions/clipped_ratio",),
        "zero_variance_share": ("frac_reward_zero_std",),
        "entropy": ("entropy",),
        "kl": ("kl",),
        "ratio_clipped_share": ("clip_ratio/region_mean", "clip_ratio"),
        "tokens": ("num_tokens",),
    },
    validation=re.compile(r"eval_rewards/accuracy_reward(/mean)?"),
)
# Of a rollout's updates in TRL's log these are averaged; the rest is the rollout's and stands with its first update.
TRL_OF_UPDATES = frozenset({"loss", "grad_norm", "learning_rate", "entropy", "kl", "ratio_clipped_share"})
# A log of this package, so that a run of ours can be drawn beside the others.
OURS = KeyTable(
    framework="vr1repro",
    columns={column: (column,) for column in (*TRL.columns, "updates")},
    validation=re.compile(VALIDATION),
)
