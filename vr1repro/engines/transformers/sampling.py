"""Drawing tokens so that a sample depends on its own seed alone, and decoding with finished rows dropped."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vr1repro.config.samplers import Decoding
from vr1repro.engines.base import Sampling
from vr1repro.engines.transformers.decoder import open_decoder

if TYPE_CHECKING:
    import torch

# Rows are dropped from the batch when at least this share of them is done: each drop copies the key-value cache.
_DONE_SHARE = 0.25
# A nucleus is looked for among so many tokens first: a trained model's rarely has more, and sorting a vocabulary of 640
# for 128 rows takes as long as half a step of the lab's model.
_NUCLEUS = 32


def draw(logits: "torch.Tensor", numbers: "torch.Tensor", sampling: Sampling) -> "torch.Tensor":
    """Draw one token a row by inverting the cumulative distribution of the nucleus.

    Args:
        logits: float32 [rows, vocabulary].
        numbers: Uniform numbers in [0, 1), float64 [rows]; unused for temperature 0.
        sampling: Temperature and top-p. The nucleus is the smallest set of most likely tokens whose probability
            reaches top-p, as in transformers' and vLLM's top-p (Holtzman et al. 2020, section 3.1).

    Returns:
        Token ids, int64 [rows].
    """
    import torch

    if sampling.temperature == 0:
        return logits.argmax(-1)
    probabilities = torch.softmax(logits / sampling.temperature, -1)
    if sampling.top_p >= 1:  # the nucleus is all there is, in any order; sorting takes longer than the model's step
        cumulative = probabilities.cumsum(-1, dtype=torch.float64)
        return _invert(cumulative, numbers, (probabilities > 0).cumsum(-1).argmax(-1))
    few = min(_NUCLEUS, probabilities.shape[-1])
    ordered, tokens = probabilities.topk(few)
    chosen, whole = _from_nucleus(ordered, tokens, numbers, sampling.top_p)
    if few < probabilities.shape[-1] and not bool(whole.all()):
        rest = ~whole
        ordered, tokens = probabilities[rest].sort(dim=-1, descending=True, stable=True)
        chosen[rest], _ = _from_nucleus(ordered, tokens, numbers[rest], sampling.top_p)
    return chosen


def _from_nucleus(
    ordered: "torch.Tensor", tokens: "torch.Tensor", numbers: "torch.Tensor", top_p: float
) -> "tuple[torch.Tensor, torch.Tensor]":
    """A token of each row from its likeliest ones, [rows, few], and whether they hold its whole nucleus."""
    import torch

    cumulative = ordered.cumsum(-1, dtype=torch.float64)
    whole = cumulative[:, -1] >= top_p
    ordered = torch.where(cumulative - ordered < top_p, ordered, 0.0)
    index = _invert(ordered.cumsum(-1, dtype=torch.float64), numbers, (ordered > 0).sum(-1) - 1)
    return tokens.gather(-1, index.unsqueeze(-1)).squeeze(-1), whole


def _invert(cumulative: "torch.Tensor", numbers: "torch.Tensor", last: "torch.Tensor") -> "torch.Tensor":
    """Where each row's cumulative probability first exceeds its number's share of the whole; `last` at most."""
    import torch

    targets = (numbers * cumulative[:, -1]).unsqueeze(-1)
    # Rounding may put the last number on the total itself: then the last possible token is meant.
    return torch.minimum(torch.searchsorted(cumulative, targets, right=True).squeeze(-1), last)


def decodes_by_rows(model: Any) -> bool:
    """Whether `decode` knows the model: one of the Qwen-VL family, whose positions come from `get_rope_index`."""
    return hasattr(getattr(model, "model", None), "get_rope_index")


def decode(
    model: Any,
    inputs: Mapping[str, "torch.Tensor"],
    numbers: "torch.Tensor",
    sampling: Sampling,
    stop_ids: frozenset[int],
    *,
    owners: Sequence[int] | None = None,
    banned: Sequence[int] = (),
    decoding: Decoding = "kernels",
) -> list[list[int]]:
    """Sample a batch with a model of the Qwen-VL family; rows leave the batch when they are done.

    `generate` keeps every row until the last one ends. Replies of one batch differ tenfold in length, so most of its
    work would be on rows that are done.

    Args:
        model: The model.
        inputs: What its processor made of a left-padded batch of prompts.
        numbers: Uniform numbers, float64 [rows, max_tokens].
        sampling: Limits and nucleus.
        stop_ids: Tokens that end a row.
        owners: The prompt of each row, where several rows go on from one prompt; it is read once.
        banned: Tokens that are never drawn.
        decoding: How steps are made (`decoder`).

    Returns:
        The sampled ids of each row, the ending token included.
    """
    import torch

    with torch.inference_mode():
        mask = inputs["attention_mask"]
        positions, deltas = _prompt_positions(model, inputs)
        out = model(**inputs, position_ids=positions, use_cache=True, logits_to_keep=1)
        logits = out.logits[:, -1].float()
        if owners is not None:
            logits = logits[torch.tensor(owners, device=mask.device)]
        decoder = open_decoder(model, out.past_key_values, mask, deltas, owners, decoding=decoding)
        rows = list(range(len(logits)))
        sampled: list[list[int]] = [[] for _ in rows]
        stops = torch.tensor(sorted(stop_ids), device=mask.device)
        running = torch.ones(len(rows), dtype=torch.bool, device=mask.device)
        for step in range(sampling.max_tokens):
            logits[:, list(banned)] = -torch.inf
            tokens = draw(logits, numbers[rows, step], sampling)
            for row, token, live in zip(rows, tokens.tolist(), running.tolist(), strict=True):
                if live:
                    sampled[row].append(token)
            running = running & ~torch.isin(tokens, stops)
            left = int(running.sum())
            if not left or step + 1 == sampling.max_tokens:
                break
            if len(rows) - left >= max(1, _DONE_SHARE * len(rows)):
                kept = running.nonzero().squeeze(-1)
                decoder.keep(kept)
                tokens, running = tokens[kept], running[kept]
                rows = [rows[index] for index in kept.tolist()]
            logits = decoder.step(tokens)
    return sampled


def _prompt_positions(model: Any, inputs: Mapping[str, "torch.Tensor"]) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Positions [4, rows, length] of a left-padded prompt, and each row's M-RoPE offset [rows, 1]."""
    import torch

    mask = inputs["attention_mask"]
    text = (mask.long().cumsum(-1) - 1).clamp(min=0)
    if inputs.get("image_grid_thw") is None:
        return text.expand(4, -1, -1), torch.zeros_like(text[:, :1])
    vision, deltas = model.model.get_rope_index(
        inputs["input_ids"],
        image_grid_thw=inputs["image_grid_thw"],
        attention_mask=mask,
        mm_token_type_ids=inputs["mm_token_type_ids"],
    )
    return torch.cat([text.unsqueeze(0), vision.to(text.device)]), deltas.to(text.device)


def generate(
    model: Any,
    inputs: Mapping[str, "torch.Tensor"],
    numbers: "torch.Tensor",
    sampling: Sampling,
    stop_ids: frozenset[int],
    pad_id: int,
) -> list[list[int]]:
    """Sample a batch with any model through transformers' `generate`, drawing tokens as `decode` does."""
    import torch
    from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

    length = inputs["input_ids"].shape[1]

    class Draw(LogitsProcessor):
        """Leave only the drawn token, so that greedy search takes it."""

        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            tokens = draw(scores.float(), numbers[:, input_ids.shape[1] - length], sampling)
            return torch.full_like(scores, -torch.inf).scatter_(-1, tokens.unsqueeze(-1), 0.0)

    # A config of our own: the checkpoint's may ask for a repetition penalty or top-k that nobody stated.
    config = GenerationConfig(
        do_sample=False, max_new_tokens=sampling.max_tokens, eos_token_id=sorted(stop_ids), pad_token_id=pad_id
    )
    with torch.inference_mode():
        ids = model.generate(**inputs, generation_config=config, logits_processor=LogitsProcessorList([Draw()]))
    rows = []
    for row in ids[:, length:].tolist():
        end = next((index for index, token in enumerate(row) if token in stop_ids), len(row) - 1)
        rows.append(row[: end + 1])
    return rows
