"""Equal prompts of a batch, pictures included."""

import torch


def distinct_prompts(
    prompts: dict[str, torch.Tensor],
    pixel_values: torch.Tensor | None,
    image_grid_thw: torch.Tensor | None,
    num_images: list[int] | None,
    *,
    share: bool = True,
) -> tuple[dict[str, torch.Tensor], list[int]]:
    """Keep equal prompts once. TRL shuffles a rollout's rows, so equal ones need not be neighbours.

    Args:
        prompts: Tensors with a row a completion, [B, P].
        pixel_values: Patches of all rows' pictures, [patches, values], or None.
        image_grid_thw: Grid of each picture, [pictures, 3].
        num_images: Pictures of each row.
        share: Otherwise every row keeps its own prompt.

    Returns:
        Inputs of the n distinct prompts in the order in which they first come, and the prompt of each row, [B].
    """
    patches: tuple[torch.Tensor, ...] = ()
    grids: tuple[torch.Tensor, ...] = ()
    if pixel_values is not None and image_grid_thw is not None and num_images is not None:
        grids = torch.split(image_grid_thw, num_images)
        patches = torch.split(pixel_values, [int(grid.prod(-1).sum()) for grid in grids])

    # Equal words may stand under different pictures.
    compared = [*prompts.values(), *([grids, patches] if patches else [])]

    def equal(row: int, other: int) -> bool:
        return all(torch.equal(value[row], value[other]) for value in compared)

    first_rows: list[int] = []
    owners = []
    for row in range(len(prompts["input_ids"])):
        same = (prompt for prompt, first in enumerate(first_rows) if equal(row, first)) if share else iter(())
        owner = next(same, len(first_rows))
        if owner == len(first_rows):
            first_rows.append(row)
        owners.append(owner)
    distinct = {name: value[first_rows] for name, value in prompts.items()}
    if patches:
        distinct["pixel_values"] = torch.cat([patches[row] for row in first_rows])
        distinct["image_grid_thw"] = torch.cat([grids[row] for row in first_rows])
    return distinct, owners
