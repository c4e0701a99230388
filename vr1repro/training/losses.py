"""The paper's loss as printed, beside those that TRL has."""

import torch


def sequence_loss(
    log_probs: torch.Tensor,
    mask: torch.Tensor,
    advantages: torch.Tensor,
    *,
    old: torch.Tensor | None,
    reference: torch.Tensor | None,
    clip: tuple[float, float],
    beta: float,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Eq. 1 as printed (paper v1 and v4, section 3.4): ratio, clip and KL estimator of whole sequences.

    The ratio is the product of its tokens' ratios and is not divided by length.

    Args:
        log_probs: The policy's, [B, R].
        mask: 1 on tokens, [B, R].
        advantages: [B].
        old: Of the policy that sampled, [B, R]; None where it is the policy itself.
        reference: Of the reference model, [B, R]; needed with beta > 0.
        clip: How far the ratio may lie under and over 1.
        beta: Weight of the KL term.

    Returns:
        Loss of each completion, [B], and with beta > 0 its divergence from the reference, [B].
    """
    now = (log_probs * mask).sum(1)
    before = now.detach() if old is None else (old * mask).sum(1)
    ratio = torch.exp(now - before)
    clipped = ratio.clamp(1 - clip[0], 1 + clip[1])
    loss = -torch.min(ratio * advantages, clipped * advantages)
    if not beta or reference is None:
        return loss, None
    behind = (reference * mask).sum(1) - now
    divergence = torch.exp(behind) - behind - 1
    return loss + beta * divergence, divergence
