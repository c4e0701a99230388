"""Sampling a rollout with transformers: a group's prompt is read once, and finished rows leave the batch.

TRL calls `generate`, which reads prompt and picture once a completion and keeps every row until the last one ends.
This loop samples from the same distribution with other random numbers: torch's, so that a resumed run goes on exactly.
"""

from functools import partial
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import GenerationConfig, PreTrainedModel

from vr1repro.config.samplers import Decoding
from vr1repro.core.upstream import require
from vr1repro.engines.base import Sampling
from vr1repro.engines.transformers.sampling import decode
from vr1repro.training.forward.prompts import distinct_prompts

_PER_TOKEN = ("input_ids", "attention_mask", "mm_token_type_ids")


def add_group_sampling(model: PreTrainedModel, decoding: Decoding) -> None:
    """Let a model's `generate`, as TRL's trainer calls it, sample by groups."""
    require("trl")
    require("transformers")
    model.generate = partial(sample_groups, model, decoding=decoding)


def sample_groups(
    model: Any, *, generation_config: GenerationConfig, decoding: Decoding = "kernels", **inputs: Any
) -> torch.Tensor:
    """Sample one completion behind each prompt.

    Args:
        model: A model of the Qwen-VL family.
        generation_config: Its temperature, top_p, max_new_tokens, eos_token_id, pad_token_id and suppress_tokens.
        decoding: How steps are made (`engines.transformers.decoder`).
        inputs: A left-padded batch: input_ids, attention_mask and mm_token_type_ids [B, P], and with pictures
            pixel_values and image_grid_thw.

    Returns:
        Prompts with their completions, [B, P+R], padded on the right.
    """
    ids, grids = inputs["input_ids"], inputs.get("image_grid_thw")
    pictures = None if grids is None else _pictures_of_rows(model, ids, grids)
    prompts = {name: inputs[name] for name in _PER_TOKEN if name in inputs}
    distinct, owners = distinct_prompts(prompts, inputs.get("pixel_values"), grids, pictures)
    sampling = Sampling(generation_config.temperature, generation_config.top_p, generation_config.max_new_tokens)
    numbers = torch.rand(len(ids), sampling.max_tokens, dtype=torch.float64, device=ids.device)
    ends = generation_config.eos_token_id
    stops = frozenset(ends if isinstance(ends, list) else [ends])
    banned = generation_config.suppress_tokens or ()
    rows = decode(model, distinct, numbers, sampling, stops, owners=owners, banned=banned, decoding=decoding)
    completions = [torch.tensor(row, device=ids.device) for row in rows]
    padding = generation_config.pad_token_id
    return torch.cat([ids, pad_sequence(completions, batch_first=True, padding_value=padding)], 1)


def _pictures_of_rows(model: Any, ids: torch.Tensor, grids: torch.Tensor) -> list[int]:
    """How many pictures each row has, by its image tokens."""
    merge = model.config.vision_config.spatial_merge_size
    tokens = iter((grids.prod(-1) // merge**2).tolist())
    pictures = []
    for remaining in (ids == model.config.image_token_id).sum(1).tolist():
        pictures.append(0)
        while remaining > 0:
            remaining -= next(tokens)
            pictures[-1] += 1
    return pictures
