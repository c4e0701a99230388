"""Short questions to an LLM that extracts or judges: cached by request, replayable without the LLM.

The cache is append-only JSONL keyed by the hash of model, messages and sampling. A failed call is never cached, so a
later run asks it again, and what it means for a score is left to the caller (`judge_error`, never a wrong answer).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from vr1repro.config.samplers import EndpointSampler
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import Appender, read_lines
from vr1repro.core.provenance import json_sha
from vr1repro.engines.base import Request, Sampling

_AHEAD = 16  # prompts read ahead, for each request in flight


@dataclass(frozen=True, kw_only=True)
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
    """What came of a question: a fitting reply, or why there is none; and the model that the endpoint said replied."""

    text: str | None
    error: str | None = None
    served_model: str | None = None


@dataclass
class Counts:
    """Where the answers came from."""

    cached: int = 0
    requests: int = 0
    failed: int = 0

    def __str__(self) -> str:
        return f"replies: {self.cached} from the cache, {self.requests} asked for, {self.failed} failed"


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
        self._journal = cache.with_name(f"{cache.stem}.replies.jsonl")
        self._appender = Appender(cache)  # cuts a torn last line before it is read
        self._replies = {row["key"]: _answer(row) for _, row in read_lines(cache)}
        self._engine: Any = None

    def __enter__(self) -> "Llm":
        return self

    def __exit__(self, *_: object) -> None:
        self._appender.close()

    def answers(self, prompts: Iterable[str | None], fits: Callable[[str], bool]) -> Iterator[Answer | None]:
        """Answers in the order of the prompts, which are read some hundreds ahead.

        Args:
            prompts: The texts; None asks nothing and yields None.
            fits: Whether a reply is one. One that is not is asked for again, up to `attempts` times.
        """
        waiting = iter(prompts)
        while window := list(islice(waiting, _AHEAD * self.asker.concurrency)):
            # What no HTTP body can carry is asked as a question mark.
            left = {
                place: prompt.encode("utf-8", "replace").decode("utf-8")
                for place, prompt in enumerate(window)
                if prompt is not None
            }
            answers: dict[int, Answer] = {}
            for attempt in range(self.asker.attempts):
                if left:
                    replies = self._ask(left, Sampling(0.5 * attempt, 1.0, self.asker.max_tokens))
                    answers |= replies
                    left = {place: text for place, text in left.items() if _again(replies[place], fits)}
            for place in left:
                answers[place] = Answer(None, f"the reply {str(answers[place].text)[:80]!r} is none of those that fit")
            self.counts.failed += sum(answer.text is None for answer in answers.values())
            yield from (answers.get(place) for place in range(len(window)))

    def _ask(self, prompts: dict[int, str], sampling: Sampling) -> dict[int, Answer]:
        """A reply to each prompt, from the cache where it is there; else what went wrong."""
        keys = {
            place: json_sha({"model": self.asker.model, "prompt": prompt, "sampling": vars(sampling)})
            for place, prompt in prompts.items()
        }
        answers = {place: self._replies[key] for place, key in keys.items() if key in self._replies}
        self.counts.cached += len(answers)
        missing = [place for place in prompts if place not in answers]
        if self.asker.url is None:
            return answers | dict.fromkeys(missing, Answer(None, "not in the cache, and there is no endpoint to ask"))
        requests = [Request(key=place, text=prompts[place], seed=0) for place in missing]
        for completion in self._endpoint().generate(requests, sampling) if requests else ():
            place = completion.key
            if completion.finish_reason in ("failed", "refused"):
                answers[place] = Answer(None, completion.detail or "the prompt is longer than the LLM's context")
                continue
            self.counts.requests += 1
            row = {"key": keys[place], "model": self.asker.model, "reply": completion.text}
            if completion.served_model is not None:
                row["served_model"] = completion.served_model
            self._appender.append(row)
            self._replies[keys[place]] = answers[place] = _answer(row)
        return answers

    def _endpoint(self) -> Any:
        if self._engine is None:
            from vr1repro.engines.endpoint.client import EndpointEngine

            settings = EndpointSampler(
                kind="openai",
                model=self.asker.model,
                concurrency=self.asker.concurrency,
                retries=self.asker.retries,
                timeout_s=self.asker.timeout_s,
                key_env=self.asker.key_env,
            )
            self._engine = EndpointEngine(str(self.asker.url), settings, keep_going=True, journal=self._journal)
        return self._engine


def _answer(row: Mapping[str, Any]) -> Answer:
    """A row of the cache; those of older versions do not have what the endpoint said."""
    return Answer(str(row["reply"]), served_model=row.get("served_model"))


def _again(answer: Answer, fits: Callable[[str], bool]) -> bool:
    return answer.text is not None and not fits(answer.text)
