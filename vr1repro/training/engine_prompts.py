"""Prompts for a sampling engine that expands image placeholders itself.

TRL 1.16 gives vLLM in the trainer's process prompts whose placeholders the processor has already expanded, and vLLM
expands the first of each run again: 2N-1 placeholders for N features, and completions of another prompt (see
docs/upstream.md). Here a run becomes one placeholder, and what the engine read is compared with what the trainer has.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from vr1repro.core.errors import UserError

Generate = Callable[..., tuple[Any, ...]]


def collapse(ids: Sequence[int], placeholder: int) -> list[int]:
    """Keep one of each run of placeholders; between two pictures stand the tokens that end and begin a picture."""
    return [token for token, run in groupby(ids) for token in ([token] if token == placeholder else run)]


def checked(generate: Generate, placeholder: int | None, *, expands: bool) -> Generate:
    """Wrap TRL's `VLLMGeneration.generate`.

    Args:
        generate: The bound method.
        placeholder: Id of the image placeholder, None for a model without.
        expands: Whether the engine expands placeholders (in the trainer's process), or takes them as they are (a
            server, which TRL tells where the features go).

    Returns:
        A function with the same arguments and result.

    Raises:
        UserError: On a call, where the engine read other tokens than the trainer has.
    """

    def generate_checked(prompts: list[list[int]], images: list[Any] | None, *args: Any, **kwargs: Any) -> Any:
        given = prompts
        if expands and placeholder is not None:
            given = [collapse(ids, placeholder) for ids in prompts]
        if images is not None:
            images = [pictures or None for pictures in images]
        result = generate(given, images, *args, **kwargs)
        for row, (ours, theirs) in enumerate(zip(prompts, result[0], strict=True)):
            if list(ours) != list(theirs):
                at = next((k for k, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
                where = f"token {at} differs" if at is not None else "one is longer"
                raise UserError(
                    f"rollout row {row}: the sampling engine read {len(theirs)} prompt tokens, the trainer has"
                    f" {len(ours)} ({where}): its completions are of another prompt; the engine's processor and the"
                    " trainer's must treat pictures alike (rl.max_image_pixels)"
                )
        return result

    return generate_checked
