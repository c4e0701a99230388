"""Short questions to an LLM that extracts or judges: cached by request, replayable without the LLM.

The cache is append-only JSONL keyed by the hash of model, messages and sampling. A failed call is never cached, so a
later run asks it again, and what it means for a score is left to the caller (`judge_error`, never a wrong answer).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from vr1repro.config.evaluation import EndpointSampler
from vr1repro.engines.base import Request, Sampling
from vr1repro.errors import UserError
from vr1repro.provenance import json_sha
from vr1repro.records import Appender, read_lines


@dataclass(frozen=True)
class Asker:
    """Who is asked and how.

    Attributes:
        model: The LLM's name there; part of each request's key, so it is needed for a replay too.
        url: Its OpenAI-compatible endpoint; None replays the cache and asks nobody.
        attempts: Replies to one question that are tried until one fits, the i-th at temperature `0.5 i` (VLMEvalKit).
        max_tokens: Limit of a reply. VLMEvalKit: 128 for MathVista; official MathVerse: 256.
        concurrency: Requests in flight.
        retries: Tries after a request that failed.
        timeout_s: Limit of one request.
        key_env: Environment variable that holds the endpoint's key.
    """

    model: str
    url: str | None = None
    attempts: int = 5
    max_tokens: int = 256
    concurrency: int = 16
    retries: int = 3
    timeout_s: float = 120.0
    key_env: str = "OPENAI_API_KEY"


@dataclass(frozen=True)
class Answer:
    """What came of a question: a fitting reply, or why there is none."""

    text: str | None
    error: str | None = None


@dataclass
class Counts:
    """Where the answers came from."""

    cached: int = 0
    asked: int = 0
    failed: int = 0
    lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, name: str) -> None:
        """Count one, from any thread."""
        with self.lock:
            setattr(self, name, getattr(self, name) + 1)


class Llm:
    """An LLM behind a cache. Use as a context manager.

    Args:
        asker: Who is asked and how.
        cache: JSONL of replies; made where it is missing.

    Raises:
        UserError: The cache is unreadable, or there is neither cache nor endpoint.
    """

    def __init__(self, asker: Asker, cache: Path) -> None:
        if asker.url is None and not cache.exists():
            raise UserError(f"{cache}: no cache of replies here and no --endpoint to ask; give one of the two")
        self.asker, self.counts = asker, Counts()
        self._appender = Appender(cache)  # cuts a torn last line before it is read
        self._replies = {row["key"]: str(row["reply"]) for _, row in read_lines(cache)}
        self._lock = Lock()
        self._engine: Any = None

    def __enter__(self) -> "Llm":
        return self

    def __exit__(self, *_: object) -> None:
        self._appender.close()

    def answers(self, prompts: Iterable[str | None], fits: Callable[[str], bool]) -> Iterator[Answer | None]:
        """Answers in the order of the prompts, at most a few in flight.

        Args:
            prompts: The texts; None asks nothing and yields None.
            fits: Whether a reply is one. One that is not is asked for again, up to `attempts` times.
        """
        pool = ThreadPoolExecutor(max_workers=self.asker.concurrency)
        flying: deque[Future[Answer] | None] = deque()
        try:
            for prompt in prompts:
                flying.append(None if prompt is None else pool.submit(self._answer, prompt, fits))
                if len(flying) > 4 * self.asker.concurrency:
                    yield _result(flying.popleft())
            while flying:
                yield _result(flying.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _answer(self, prompt: str, fits: Callable[[str], bool]) -> Answer:
        # What no HTTP body can carry is asked as a question mark.
        prompt = prompt.encode("utf-8", "replace").decode("utf-8")
        last = "no attempt"
        for attempt in range(self.asker.attempts):
            sampling = Sampling(0.5 * attempt, 1.0, self.asker.max_tokens)
            try:
                reply = self._reply(prompt, sampling)
            except UserError as error:
                self.counts.add("failed")
                return Answer(None, str(error))
            if fits(reply):
                return Answer(reply)
            last = f"the reply {reply[:80]!r} is none of those that fit"
        self.counts.add("failed")
        return Answer(None, last)

    def _reply(self, prompt: str, sampling: Sampling) -> str:
        request = {"model": self.asker.model, "prompt": prompt, "sampling": vars(sampling)}
        key = json_sha(request)
        with self._lock:
            known = self._replies.get(key)
        if known is not None:
            self.counts.add("cached")
            return known
        if self.asker.url is None:
            raise UserError("not in the cache, and there is no endpoint to ask")
        (completion,) = self._endpoint().generate([Request(0, prompt, (), seed=0)], sampling)
        self.counts.add("asked")
        if completion.finish_reason == "refused":
            raise UserError("the prompt is longer than the LLM's context")
        with self._lock:
            self._replies[key] = completion.text
            self._appender.append({"key": key, "model": self.asker.model, "reply": completion.text})
        return str(completion.text)

    def _endpoint(self) -> Any:
        with self._lock:
            if self._engine is None:
                from vr1repro.engines.endpoint import EndpointEngine

                settings = EndpointSampler(
                    kind="openai",
                    model=self.asker.model,
                    retries=self.asker.retries,
                    timeout_s=self.asker.timeout_s,
                    key_env=self.asker.key_env,
                )
                self._engine = EndpointEngine(str(self.asker.url), settings)
            return self._engine


def _result(future: "Future[Answer] | None") -> Answer | None:
    return None if future is None else future.result()
