"""Equal prompts of a batch, pictures included."""

from collections.abc import Sequence

import torch


def owners_of(
    prompts: dict[str, torch.Tensor],
    pixel_values: torch.Tensor | None,
    image_grid_thw: torch.Tensor | None,
    num_images: Sequence[int] | None,
    *,
    share: bool = True,
) -> list[int]:
    """Number the distinct prompts of a batch in the order in which they first come.

    TRL shuffles a rollout's rows, so equal ones need not be neighbours. Rows whose tokens and sums of patches are equal
    are compared in full; on a GPU each comparison waits for the device, so there is at most about one a row.

    Args:
        prompts: Tensors with a row a completion, [B, P].
        pixel_values: Patches of all rows' pictures, [patches, values], or None.
        image_grid_thw: Grid of each picture, [pictures, 3].
        num_images: Pictures of each row.
        share: Otherwise every row keeps its own prompt.

    Returns:
        The prompt of each row, [B].
    """
    rows = len(prompts["input_ids"])
    if not share:
        return list(range(rows))
    grids, patches = _by_row(pixel_values, image_grid_thw, num_images)
    compared: list[Sequence[torch.Tensor]] = [*prompts.values(), *([grids, patches] if patches else [])]
    sums = torch.stack([part.double().sum() for part in patches]).tolist() if patches else [0.0] * rows
    words = prompts["input_ids"].tolist()

    candidates: dict[tuple[object, ...], list[int]] = {}  # prompts that may equal a row's, by what is cheap to compare
    first_rows: list[int] = []
    owners = []
    for row in range(rows):
        alike = candidates.setdefault((sums[row], *words[row]), [])
        owner = next((p for p in alike if _equal(compared, row, first_rows[p])), None)
        if owner is None:
            owner = len(first_rows)
            first_rows.append(row)
            alike.append(owner)
        owners.append(owner)
    return owners


def distinct_prompts(
    prompts: dict[str, torch.Tensor],
    pixel_values: torch.Tensor | None,
    image_grid_thw: torch.Tensor | None,
    num_images: Sequence[int] | None,
    *,
    share: bool = True,
) -> tuple[dict[str, torch.Tensor], list[int]]:
    """Keep equal prompts once. Arguments as of `owners_of`.

    Returns:
        Inputs of the n distinct prompts in the order in which they first come, and the prompt of each row, [B].
    """
    owners = owners_of(prompts, pixel_values, image_grid_thw, num_images, share=share)
    first_rows = [owners.index(prompt) for prompt in range(max(owners) + 1)]
    distinct = {name: value[first_rows] for name, value in prompts.items()}
    grids, patches = _by_row(pixel_values, image_grid_thw, num_images)
    if patches:
        distinct["pixel_values"] = torch.cat([patches[row] for row in first_rows])
        distinct["image_grid_thw"] = torch.cat([grids[row] for row in first_rows])
    return distinct, owners


def _by_row(
    pixel_values: torch.Tensor | None, image_grid_thw: torch.Tensor | None, num_images: Sequence[int] | None
) -> tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]]:
    """Grids and patches of each row's pictures; nothing where the batch has none."""
    if pixel_values is None or image_grid_thw is None or num_images is None:
        return (), ()
    grids = torch.split(image_grid_thw, list(num_images))
    return grids, torch.split(pixel_values, [int(grid.prod(-1).sum()) for grid in grids])


def _equal(compared: Sequence[Sequence[torch.Tensor]], row: int, other: int) -> bool:
    return all(torch.equal(value[row], value[other]) for value in compared)
