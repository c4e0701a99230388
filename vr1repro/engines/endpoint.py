"""Sampling from an OpenAI-compatible endpoint."""

import base64
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from io import BytesIO
from typing import Any

from vr1repro.answers.completion import THINK_CLOSE, THINK_OPEN
from vr1repro.config.evaluation import EndpointSampler
from vr1repro.engines.base import Completion, Request, Sampling
from vr1repro.errors import UserError
from vr1repro.problems.images import decode, open_image

_MAX_PIXELS = 178_956_970
# The picture formats that OpenAI's interface takes; others are sent as PNG.
_MIME = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
# What servers say of a prompt that does not fit (vLLM, SGLang, OpenAI).
_TOO_LONG = (
    "context length",
    "maximum context",
    "max_model_len",
    "longer than the maximum",
    "context_length_exceeded",
)


class EndpointEngine:
    """A served model. Token counts and finish reasons are the server's; its tokenizer is not seen."""

    def __init__(self, url: str, settings: EndpointSampler, *, max_image_pixels: int | None = None) -> None:
        """Connect and find the model's name.

        Args:
            url: Base URL; `/v1` is added where it is missing.
            settings: Model name, concurrency, retries, further body keys.
            max_image_pixels: Larger pictures are scaled down before they are sent.

        Raises:
            UserError: The endpoint does not answer, or serves several models and none is named.
        """
        import openai

        base = url.rstrip("/")
        self.url = base if base.endswith("/v1") else f"{base}/v1"
        self._openai = openai
        self._client = openai.OpenAI(
            base_url=self.url,
            # A local server takes any key; a hosted one refuses this with a clear message.
            api_key=os.environ.get(settings.key_env) or "no-key",
            timeout=settings.timeout_s,
            max_retries=settings.retries,
        )
        self.settings = settings
        self.max_image_pixels = max_image_pixels
        self.model = settings.model or self._only_model()
        self.model_sha: str | None = None
        self.facts: dict[str, Any] = {"engine": "openai", "model": self.model, "extra": settings.extra}

    def render(self, request: Request) -> str:
        """What identifies the prompt: the server's chat template is not known, so the conversation as JSON."""
        return json.dumps(request.messages(), ensure_ascii=False, sort_keys=True)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """Sample with up to `concurrency` requests in flight; completions come as they arrive.

        Raises:
            UserError: The endpoint refuses the key or the request, or gave up after all retries. What was earned
                before is with the caller.
        """
        waiting = iter(requests)
        flying: set[Future[Completion]] = set()
        pool = ThreadPoolExecutor(max_workers=self.settings.concurrency)
        try:
            while True:
                while len(flying) < self.settings.concurrency and (request := next(waiting, None)) is not None:
                    flying.add(pool.submit(self.ask, request, sampling))
                if not flying:
                    return
                done, flying = wait(flying, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def ask(self, request: Request, sampling: Sampling) -> Completion:
        """One reply.

        Raises:
            UserError: The endpoint refuses the key or the request, or gave up after all retries.
        """
        started = time.perf_counter()
        try:
            reply = self._client.chat.completions.create(
                model=self.model,
                messages=self._messages(request),
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sampling.max_tokens,
                seed=request.seed,
                extra_body=self.settings.extra or None,
            )
        except self._openai.BadRequestError as error:
            if any(mark in str(error).lower() for mark in _TOO_LONG):
                return Completion(request.key, "", 0, "refused", None, seconds=time.perf_counter() - started)
            raise UserError(f"{self.url}: refuses the request: {error.message}") from None
        except self._openai.OpenAIError as error:
            raise UserError(
                f"{self.url}: {type(error).__name__}: {error}; what was earned is kept, run again"
            ) from None
        except ValueError as error:  # a proxy's error page with status 200
            raise UserError(f"{self.url}: its reply is no JSON: {error}; what was earned is kept, run again") from None
        if not getattr(reply, "choices", None):
            raise UserError(f"{self.url}: its reply has no choices; what was earned is kept, run again")
        choice, usage = reply.choices[0], reply.usage
        return Completion(
            request.key,
            _text(choice.message),
            None if usage is None else usage.completion_tokens,
            "length" if choice.finish_reason == "length" else "stop",
            None if usage is None else usage.prompt_tokens,
            seconds=time.perf_counter() - started,
        )

    def _messages(self, request: Request) -> Any:
        pictures = [{"type": "image_url", "image_url": {"url": self._data_url(data)}} for data in request.images]
        text = [{"type": "text", "text": request.text}] if request.text else []
        system = [{"role": "system", "content": request.system}] if request.system else []
        return [*system, {"role": "user", "content": [*pictures, *text]}]

    def _data_url(self, data: bytes) -> str:
        image = open_image(data, _MAX_PIXELS)
        mime = _MIME.get(str(image.format))
        limit, pixels = self.max_image_pixels, image.width * image.height
        if mime is None or (limit is not None and pixels > limit):
            picture = decode(data, _MAX_PIXELS)
            if limit is not None and pixels > limit:
                share = (limit / pixels) ** 0.5
                picture.thumbnail((max(1, int(image.width * share)), max(1, int(image.height * share))))
            buffer = BytesIO()
            picture.save(buffer, format="PNG")
            data, mime = buffer.getvalue(), "image/png"
        return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"

    def _only_model(self) -> str:
        try:
            models = [model.id for model in self._client.models.list()]
        except self._openai.OpenAIError as error:
            raise UserError(f"{self.url}: does not list its models: {type(error).__name__}: {error}") from None
        if len(models) != 1:
            raise UserError(f"{self.url}: serves {', '.join(models) or 'nothing'}; set evaluation.engine.model")
        return str(models[0])


def _text(message: Any) -> str:
    """The reply; where the server has split off the reasoning, it is put back in its tags."""
    text = message.content or ""
    reasoning = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
    return f"{THINK_OPEN}{reasoning}{THINK_CLOSE}{text}" if reasoning else text
