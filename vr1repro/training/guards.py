"""What must hold before an update counts; each breach is one clear error.

The traps are other people's: pictures whose tokens do not fit their grid, masks that lie beside the picture because
the tokenizer pads on the other side, a sampling engine whose policy is not the trainer's, completions that are all cut.
"""

import faulthandler
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from vr1repro.core.errors import UserError

# Nats by which two correct ways to compute a log-probability may differ: any token in fp32, the mean in half precision.
_EXACT, _HALF = 1e-3, 0.05


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
    expected = [int(grid.prod(-1).sum()) // merge**2 for grid in grids]
    if counted != expected:
        row = next(k for k, (a, b) in enumerate(zip(counted, expected, strict=True)) if a != b)
        raise UserError(
            f"rollout row {row}: {counted[row]} image tokens, but its pictures' grid makes {expected[row]}; the"
            " processor and the chat template disagree"
        )
    kinds = batch.get("mm_token_type_ids")
    if kinds is not None and not torch.equal(kinds[:, : prompts.shape[1]] == 1, prompts == image_token):
        raise UserError(
            "rollout: the image mask does not lie on the image tokens, so M-RoPE positions would be wrong; the"
            " processor's tokenizer must pad on the left (padding_side)"
        )


def check_log_probs(ours: torch.Tensor, theirs: torch.Tensor, mask: torch.Tensor, whose: str, *, exact: bool) -> None:
    """Two ways to compute the log-probabilities of the same samples agree.

    Args:
        ours: The trainer's, [B, R].
        theirs: The other way's, [B, R]; not a number where it could not say.
        mask: 1 on tokens.
        whose: What the other way is, for the message.
        exact: Both compute in fp32: every token is compared. In half precision rare tokens differ by whole nats between
            correct kernels, so the mean over tokens is.

    Raises:
        UserError: They differ by more than the number format explains.
    """
    differences = (ours - theirs).float().abs().nan_to_num(0.0) * mask
    compared = differences.max() if exact else differences.sum() / mask.sum().clamp(min=1)
    check_difference(compared.item(), whose, exact=exact)


def check_difference(difference: float, whose: str, *, exact: bool) -> None:
    """As `check_log_probs`, for the largest (exact) or the mean difference, in nats.

    Raises:
        UserError: It is more than the number format explains.
    """
    kind, allowed = ("a token", _EXACT) if exact else ("the mean", _HALF)
    if difference > allowed:
        raise UserError(
            f"rollout: log-probabilities differ from {whose} by {difference:.3g} nats in {kind}, {allowed:g} is"
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


@contextmanager
def deadline(seconds: float, what: str) -> Iterator[None]:
    """End the process with an error where what is inside hangs.

    A collective that waits for a process that will never come cannot be interrupted from Python, so nothing less helps.

    Args:
        seconds: How long it may take.
        what: What it is, for the message.
    """

    def end() -> None:
        print(f"error: {what} did not end within {seconds:g} s; where it hangs:", file=sys.stderr)
        faulthandler.dump_traceback()
        os._exit(3)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def save_batch(batch: dict[str, Any], path: Path) -> None:
    """Keep the batch whose loss is not a number."""
    torch.save({key: value for key, value in batch.items() if isinstance(value, torch.Tensor | list)}, path)
