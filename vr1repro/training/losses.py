"""GRPO's loss of a piece of an update, so that the sum over pieces and the mean over processes is the update's.

TRL's own loss divides by what one forward pass holds; here the divisor is the update's, which the caller gives.
"""

from dataclasses import dataclass

import torch

from vr1repro.config.training import Average


@dataclass(frozen=True, kw_only=True)
class Update:
    """What the loss of every piece of an update is divided by.

    Attributes:
        rows: Completions of the update on one process.
        tokens: Completion tokens of the update, a mean over processes.
        max_tokens: The stage's longest completion.
    """

    rows: int
    tokens: float
    max_tokens: int


@dataclass(frozen=True, kw_only=True)
class PieceLoss:
    """Loss of a piece and the sums that its metrics are means of.

    Attributes:
        loss: Its part of the update's loss.
        tokens: Completion tokens.
        divergence: Sum over tokens of the KL estimator; with `sequence` each token has its completion's.
        clipped: Tokens whose ratio, or whose completion's, was clipped.
    """

    loss: torch.Tensor
    tokens: torch.Tensor
    divergence: torch.Tensor
    clipped: torch.Tensor


def piece_loss(
    log_probs: torch.Tensor,
    mask: torch.Tensor,
    advantages: torch.Tensor,
    update: Update,
    *,
    average: Average,
    old: torch.Tensor | None,
    reference: torch.Tensor | None,
    clip: tuple[float, float],
    beta: float,
    correction: torch.Tensor | None = None,
) -> PieceLoss:
    """Loss of some of an update's completions (paper, section 3.4, Eq. 1 and 2).

    Args:
        log_probs: The policy's, [B, R].
        mask: 1 on tokens, [B, R].
        advantages: [B].
        update: What it is divided by.
        average: `dapo`: over the update's tokens; `grpo`: over each completion's tokens, then over completions;
            `dr_grpo`: over completions times their longest length; `sequence`: one ratio a completion, which is the
            product of its tokens' and is not divided by length.
        old: Of the policy that sampled, [B, R]; None where it is the policy itself.
        reference: Of the reference model, [B, R]; needed with beta > 0.
        clip: How far a ratio may lie under and over 1.
        beta: Weight of the KL term, whose estimator is k3.
        correction: Factors for what the sampling engine's rounding changed, [B, R] or [B, 1].
    """
    before = log_probs.detach() if old is None else old
    behind = None if reference is None or not beta else reference - log_probs
    change = log_probs - before
    if average == "sequence":
        change = (change * mask).sum(1, keepdim=True)
        behind = None if behind is None else (behind * mask).sum(1, keepdim=True)
    ratio = torch.exp(change)
    gain = advantages[:, None]
    loss = -torch.min(ratio * gain, ratio.clamp(1 - clip[0], 1 + clip[1]) * gain)
    clipped = ((ratio < 1 - clip[0]) & (gain < 0)) | ((ratio > 1 + clip[1]) & (gain > 0))
    if correction is not None:
        loss = loss * correction
    divergence = torch.zeros_like(ratio)
    if behind is not None:
        divergence = torch.exp(behind) - behind - 1
        loss = loss + beta * divergence
    tokens = mask.sum()
    if average == "sequence":
        value = (loss * mask.any(1, keepdim=True)).sum() / update.rows
    elif average == "dapo":
        value = (loss * mask).sum() / max(update.tokens, 1.0)
    elif average == "dr_grpo":
        value = (loss * mask).sum() / (update.rows * update.max_tokens)
    else:
        value = ((loss * mask).sum(1) / mask.sum(1).clamp(min=1)).sum() / update.rows
    return PieceLoss(
        loss=value, tokens=tokens, divergence=(divergence.detach() * mask).sum(), clipped=(clipped * mask).sum()
    )
