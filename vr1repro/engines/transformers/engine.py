"""Sampling with transformers in this process."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vr1repro.config.samplers import TransformersSampler
from vr1repro.core.errors import UserError
from vr1repro.core.images import MAX_PIXELS
from vr1repro.core.images import decode as decode_image
from vr1repro.engines.base import (
    Completion,
    Request,
    Sampling,
    holds_placeholder,
    limit_pixels,
    render,
    reply_text,
    stop_tokens,
    uniforms,
)
from vr1repro.engines.slim import import_transformers
from vr1repro.engines.transformers.sampling import decode, decodes_by_rows, generate

if TYPE_CHECKING:
    import torch
    from PIL import Image

# Pixels of an opened picture; sources check their own limit before, so this one only guards direct callers.


class TransformersEngine:
    """A checkpoint in this process. Batches are static; rows of a batch are of similar prompt length."""

    def __init__(
        self,
        model: str | Path,
        settings: TransformersSampler,
        *,
        model_sha: str | None,
        threads: int,
        max_image_pixels: int | None = None,
    ) -> None:
        """Load model and processor.

        Args:
            model: A checkpoint folder.
            settings: Batch size and number format.
            model_sha: Hash of the weights.
            threads: CPU threads; sums are split differently over other numbers, so results depend on it.
            max_image_pixels: Limit to which the processor scales pictures down, None for the checkpoint's own.

        Raises:
            UserError: The folder is no checkpoint that transformers can load.
        """
        import_transformers()
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor

        torch.set_num_threads(threads)
        try:
            self.processor = AutoProcessor.from_pretrained(model, trust_remote_code=False)
            self.model = AutoModelForImageTextToText.from_pretrained(
                model, dtype=settings.dtype, use_safetensors=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"{model}: not a checkpoint that transformers can load: {error}") from None
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model.to(self.device).eval()
        self.tokenizer = self.processor.tokenizer
        # `padding_side` set as an attribute is not saved with a processor, so it is never trusted to be loaded.
        self.tokenizer.padding_side = "left"
        if max_image_pixels is not None:
            limit_pixels(self.processor, max_image_pixels)
        self.stop_ids = stop_tokens(self.tokenizer, self.model.generation_config)
        self.context: int = self.model.config.get_text_config().max_position_embeddings
        self.batch_size = settings.batch_size
        self.model_sha = model_sha
        self._decoding = settings.decoding if decodes_by_rows(self.model) else "generate"
        self.facts = {
            "engine": "transformers",
            "context": self.context,
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "device": self.device.type,
            "threads": threads,
            "batch_size": settings.batch_size,
            "decoding": self._decoding,
        }

    def render(self, request: Request) -> str:
        """The prompt's text after the chat template, one placeholder a picture."""
        return render(self.processor, request)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """Sample all requests in batches of similar prompt length."""
        for request in requests:
            if holds_placeholder(self.processor, request):
                yield Completion(key=request.key, text="", n_tokens=0, finish_reason="refused", grid_mismatch=True)
        fit = [request for request in requests if not holds_placeholder(self.processor, request)]
        ordered = sorted(fit, key=lambda request: (_rough_length(request), request.key))
        for start in range(0, len(ordered), self.batch_size):
            yield from self._batch(ordered[start : start + self.batch_size], sampling)

    def _batch(self, batch: list[Request], sampling: Sampling) -> Iterator[Completion]:
        import torch

        started = time.perf_counter()
        inputs = self._encode(batch)
        lengths = inputs["attention_mask"].sum(-1).tolist()
        unknown, mismatch = self._unknown(inputs), self._grid_mismatches(inputs, batch)
        too_long = [row for row, length in enumerate(lengths) if length >= self.context]
        if too_long or any(mismatch):
            bad = {*too_long, *(row for row, wrong in enumerate(mismatch) if wrong)}
            for row in sorted(bad):
                yield Completion(
                    key=batch[row].key, text="", n_tokens=0, finish_reason="refused", n_prompt_tokens=lengths[row],
                    unknown_tokens=unknown[row], grid_mismatch=mismatch[row],
                )  # fmt: skip
            if rest := [request for row, request in enumerate(batch) if row not in bad]:
                yield from self._batch(rest, sampling)
            return
        # The context bounds prompt and reply together; the longest prompt of the batch bounds the batch.
        limit = min(sampling.max_tokens, self.context - max(lengths))
        if limit < sampling.max_tokens and len(batch) > 1:
            for request in batch:
                yield from self._batch([request], sampling)
            return
        cut = replace(sampling, max_tokens=limit)
        numbers = torch.stack([torch.from_numpy(uniforms(request.seed, limit)) for request in batch]).to(self.device)
        if self._decoding != "generate":
            sampled = decode(self.model, inputs, numbers, cut, self.stop_ids, decoding=self._decoding)
        else:
            pad = self.tokenizer.pad_token_id
            sampled = generate(self.model, inputs, numbers, cut, self.stop_ids, 0 if pad is None else pad)
        seconds = time.perf_counter() - started
        for row, ids in enumerate(sampled):
            text, ended = reply_text(self.tokenizer, ids, self.stop_ids)
            yield Completion(
                key=batch[row].key, text=text, n_tokens=len(ids), finish_reason="stop" if ended else "length",
                n_prompt_tokens=lengths[row], unknown_tokens=unknown[row], seconds=seconds,
            )  # fmt: skip

    def _encode(self, batch: list[Request]) -> dict[str, "torch.Tensor"]:
        import torch

        texts = [self.render(request) for request in batch]
        images: list[list[Image.Image]] = [
            [decode_image(data, MAX_PIXELS) for data in request.images] for request in batch
        ]
        pictures = images if any(images) else None
        encoded = self.processor(text=texts, images=pictures, padding=True, return_tensors="pt")
        inputs = {key: value.to(self.device) for key, value in encoded.items()}
        for key, value in inputs.items():
            if value.is_floating_point():
                inputs[key] = value.to(self.model.dtype)
        if not bool(inputs["attention_mask"][:, -1].all()):
            raise RuntimeError("prompts are padded on the right; sampling would go on from padding")
        kinds, token = inputs.get("mm_token_type_ids"), getattr(self.model.config, "image_token_id", None)
        if kinds is not None and token is not None and not torch.equal(kinds == 1, inputs["input_ids"] == token):
            raise RuntimeError("the processor's picture mask is not where the picture tokens are (padding side)")
        return inputs

    def _unknown(self, inputs: dict[str, "torch.Tensor"]) -> list[int]:
        unknown = self.tokenizer.unk_token_id
        if unknown is None or unknown == self.tokenizer.pad_token_id:
            return [0] * len(inputs["input_ids"])
        seen = (inputs["input_ids"] == unknown) & inputs["attention_mask"].bool()
        return [int(count) for count in seen.sum(-1)]

    def _grid_mismatches(self, inputs: dict[str, "torch.Tensor"], batch: list[Request]) -> list[bool]:
        grid = inputs.get("image_grid_thw")
        if grid is None:
            return [False] * len(batch)
        patches = (grid.prod(-1) // self.processor.image_processor.merge_size**2).tolist()
        n_image_tokens = (inputs["input_ids"] == self.model.config.image_token_id).sum(-1).tolist()
        wrong, first = [], 0
        for request, tokens in zip(batch, n_image_tokens, strict=True):
            wrong.append(tokens != sum(patches[first : first + len(request.images)]))
            first += len(request.images)
        return wrong


def _rough_length(request: Request) -> int:
    """Prompt length in tokens, roughly: 28 x 28 pixels a picture token, a token a character."""
    from vr1repro.core.images import open_image

    pixels = 0
    for data in request.images:
        image = open_image(data, MAX_PIXELS)
        pixels += image.width * image.height
    return pixels // 784 + len(request.text)
