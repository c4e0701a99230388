"""What must hold before an update counts; each breach is one clear error.

The traps are other people's: pictures whose tokens do not fit their grid, masks that lie beside the picture because
the tokenizer pads on the other side, a sampling engine whose policy is not the trainer's, completions that are all cut.
"""

from pathlib import Path
from typing import Any

import torch

from vr1repro.errors import UserError

# Largest difference of a token's log-probability between two exact ways to compute it, by number format.
_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.5, torch.float16: 0.1}


def check_pictures(batch: dict[str, Any], image_token: int, merge: int) -> None:
    """Each row's image tokens are as many as its grid asks for, and its mask lies on them.

    Args:
        batch: TRL's batch: prompt_ids [B, P], and with pictures image_grid_thw, num_images, mm_token_type_ids.
        image_token: Id of the image placeholder.
        merge: Patches merged along each side into one token.

    Raises:
        UserError: A row does not fit.
    """
    if batch.get("image_grid_thw") is None:
        return
    prompts = batch["prompt_ids"]
    counted = (prompts == image_token).sum(1).tolist()
    grids = torch.split(batch["image_grid_thw"], batch["num_images"])
    wanted = [int(grid.prod(-1).sum()) // merge**2 for grid in grids]
    if counted != wanted:
        row = next(k for k, (a, b) in enumerate(zip(counted, wanted, strict=True)) if a != b)
        raise UserError(
            f"rollout row {row}: {counted[row]} image tokens, but its pictures' grid makes {wanted[row]}; the processor"
            " and the chat template disagree"
        )
    kinds = batch.get("mm_token_type_ids")
    if kinds is not None and not torch.equal(kinds[:, : prompts.shape[1]] == 1, prompts == image_token):
        raise UserError(
            "rollout: the image mask does not lie on the image tokens, so M-RoPE positions would be wrong; the"
            " processor's tokenizer must pad on the left (padding_side)"
        )


def check_log_probs(ours: torch.Tensor, theirs: torch.Tensor, mask: torch.Tensor, whose: str) -> None:
    """Two ways to compute the log-probabilities of the same samples agree.

    Args:
        ours: The trainer's, [B, R].
        theirs: The other way's, [B, R]; not a number where it could not say.
        mask: 1 on tokens.
        whose: What the other way is, for the message.

    Raises:
        UserError: They differ by more than the number format explains.
    """
    difference = ((ours - theirs).float().abs() * mask).nan_to_num(0.0).max().item()
    allowed = _TOLERANCE.get(ours.dtype, 0.5)
    if difference > allowed:
        raise UserError(
            f"first rollout: log-probabilities differ from {whose} by up to {difference:.3g} nats, {allowed:g} is"
            " allowed; policy and sampler are not the same model, or see other positions"
        )


def check_clipped(row: dict[str, Any], limit: float, max_tokens: int) -> None:
    """Not nearly every completion of a stage's first step was cut.

    Raises:
        UserError: More than the limit were.
    """
    if row["clipped_share"] > limit:
        raise UserError(
            f"step {row['step']}: {row['clipped_share']:.0%} of the completions hit the stage's limit of {max_tokens}"
            f" tokens, rl.max_clipped_share allows {limit:.0%}: nearly nothing can earn reward; raise the stage's"
            " max_tokens, or the limit"
        )


def save_batch(batch: dict[str, Any], path: Path) -> None:
    """Keep the batch whose loss is not a number."""
    torch.save({key: value for key, value in batch.items() if isinstance(value, torch.Tensor | list)}, path)
