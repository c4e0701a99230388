"""Completions of advantage 0 left out of an update (`rl.skip_equal_groups`).

Where all of a group's rewards are equal its advantages are 0, and without a KL term such a completion adds nothing to
loss or gradient: it counts in the denominator only. So the update forwards the others and keeps the denominator.
"""

from typing import Any

import torch


def live_rows(advantages: torch.Tensor) -> list[int]:
    """Rows whose advantage is not 0, [B] -> indices; the first one if none is, so that there is a graph."""
    return torch.nonzero(advantages).flatten().tolist() or [0]


def take_rows(inputs: dict[str, Any], rows: list[int]) -> dict[str, Any]:
    """Some rows of TRL's batch.

    Args:
        inputs: TRL's batch: tensors with a row a completion, and with pictures pixel_values of all patches,
            image_grid_thw [pictures, 3] and num_images [B].
        rows: The rows to keep, ascending.
    """
    n = len(inputs["completion_ids"])
    taken = dict(inputs)
    if inputs.get("num_images") is not None:
        grids = torch.split(inputs["image_grid_thw"], inputs["num_images"])
        patches = torch.split(inputs["pixel_values"], [int(grid.prod(-1).sum()) for grid in grids])
        taken["num_images"] = [inputs["num_images"][row] for row in rows]
        taken["image_grid_thw"] = torch.cat([grids[row] for row in rows])
        taken["pixel_values"] = torch.cat([patches[row] for row in rows])
    for name in inputs.keys() - {"pixel_values", "image_grid_thw"}:
        value = inputs[name]
        if isinstance(value, torch.Tensor) and value.shape[:1] == (n,):
            taken[name] = value[rows]
    return taken


def share_of_loss(loss_type: str, mask: torch.Tensor, rows: list[int]) -> float:
    """What the loss of some rows, averaged over them, is of the loss averaged over all.

    Args:
        loss_type: TRL's name; dapo divides by a count that stands in the batch and is not changed by the choice.
        mask: completion_mask of all rows, [B, R].
        rows: The rows kept.
    """
    if loss_type == "dapo":
        return 1.0
    if loss_type == "bnpo":
        return float(mask[rows].sum() / mask.sum().clamp(min=1))
    return len(rows) / len(mask)
