"""Passes in pieces: rows are cut within a budget of tokens, equally often on all processes.

The memory of a forward follows its tokens. A rollout's rows on one process are hundreds of completions, so every pass,
with gradients or without, goes piece by piece. Every forward of a sharded model is a collective (ZeRO-3 and FSDP2
gather each layer's weights), so a process with fewer pieces than another repeats one that counts for nothing.
"""

from collections.abc import Sequence
from typing import Any

import torch

from vr1repro.training.forward.base import Forward, Rows
from vr1repro.training.forward.prompts import owners_of


def cut(forward: Forward, rows: Rows, budget: int) -> list[list[int]]:
    """Cut the rows of a pass into pieces of at most `budget` tokens; a longer row is a piece of its own.

    Rows with equal prompts stay together, so that a strategy may forward their prompt once.

    Args:
        forward: Says what rows cost together.
        rows: The pass.
        budget: Tokens of one forward.

    Returns:
        Rows of each piece, at least one.
    """
    split = rows.prompt_length
    pictures = [rows.pictures.get(name) for name in ("pixel_values", "image_grid_thw", "num_images")]
    owners = owners_of({"input_ids": rows.input_ids[:, :split]}, *pictures)
    prompts = rows.attention_mask[:, :split].sum(1).tolist()
    completions = rows.attention_mask[:, split:].sum(1).tolist()
    return cut_by_cost(forward, prompts, owners, completions, budget)


def cut_by_cost(
    forward: Forward, prompts: Sequence[int], owners: Sequence[int], completions: Sequence[int], budget: int
) -> list[list[int]]:
    """As `cut`, from the numbers of tokens alone."""

    def cost(piece: Sequence[int]) -> int:
        return forward.cost([prompts[r] for r in piece], [owners[r] for r in piece], [completions[r] for r in piece])

    everything = list(range(len(prompts)))
    if cost(everything) <= budget:
        return [everything]  # in the batch's own order
    pieces: list[list[int]] = []
    # A group's longest completions first: what a padded strategy pads is then alike.
    for row in sorted(everything, key=lambda row: (owners[row], -completions[row])):
        if pieces and cost([*pieces[-1], row]) <= budget:
            pieces[-1].append(row)
        else:
            pieces.append([row])
    return pieces


def most(n: int, accelerator: Any) -> int:
    """The largest of a number over all processes."""
    if accelerator.num_processes == 1:
        return n
    return int(accelerator.gather(torch.tensor([n], device=accelerator.device)).max())
