"""Short questions to an LLM that extracts or judges: cached by request, replayable without the LLM.

The cache is append-only JSONL keyed by the hash of model, prompt and sampling, and held by one process at a time. A
call that failed is never cached, so a later run asks it again; what it means for a score is left to the caller
(`judge_error`, never a wrong answer). A refusal is a reply: it is kept and not asked for again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from vr1repro.answers.completion import THINK_CLOSE, THINK_OPEN
from vr1repro.config.samplers import EndpointSampler
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import Appender, read_lines
from vr1repro.core.locks import Lock
from vr1repro.core.provenance import json_sha
from vr1repro.engines.base import Engine, Request, Sampling
from vr1repro.engines.load import engine_class

_AHEAD = 16  # prompts read ahead, for each request in flight


@dataclass(frozen=True)
class Endpoint:
    """Where an LLM answers. `died` gives the last words of a server of ours that ended, None while it runs."""

    url: str
    died: Callable[[], str | None] = lambda: None


def at(url: str | None) -> Callable[[], Endpoint] | None:
    """What connects to a URL; None for None."""
    return None if url is None else lambda: Endpoint(url)


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Who is asked and how.

    Attributes:
        model: The LLM's name there; part of each request's key, so it is needed for a replay too.
        connect: Gives its OpenAI-compatible endpoint; called at the first question that the cache does not answer.
            None replays the cache and asks nobody.
        attempts: Replies to one question that are tried until one fits, the i-th at temperature `0.5 i` (VLMEvalKit).
        max_tokens: Limit of a reply. VLMEvalKit: 128 for MathVista; official MathVerse: 256.
        sampler: How the endpoint is asked; its model is `model`.
    """

    model: str
    connect: Callable[[], Endpoint] | None = None
    attempts: int = 5
    max_tokens: int = 256
    sampler: EndpointSampler = field(
        default_factory=lambda: EndpointSampler(kind="openai", concurrency=16, retries=3, timeout_s=120.0)
    )


@dataclass(frozen=True)
class Answer:
    """What came of a question: a fitting reply, or why there is none; and the model that the endpoint said replied.

    `unanswered` says that no reply came at all, so that a later run asks again.
    """

    text: str | None
    error: str | None = None
    served_model: str | None = None
    unanswered: bool = False


@dataclass
class Counts:
    """Where the answers came from; `unanswered` ones are among the failed."""

    cached: int = 0
    requests: int = 0
    failed: int = 0
    unanswered: int = 0

    def since(self, before: "Counts") -> "Counts":
        """What was counted after another count."""
        return Counts(**{name: value - getattr(before, name) for name, value in vars(self).items()})

    def __str__(self) -> str:
        return f"replies: {self.cached} from the cache, {self.requests} asked for, {self.failed} failed"


class Llm:
    """An LLM behind a cache. Use as a context manager.

    Args:
        asker: Who is asked and how.
        cache: JSONL of replies; made where it is missing.

    Raises:
        UserError: The cache is unreadable or held by another process, or there is neither cache nor endpoint.
    """

    def __init__(self, asker: Asker, cache: Path) -> None:
        if asker.connect is None and not cache.exists():
            raise UserError(f"{cache}: no cache of replies here and no --endpoint to ask; give one of the two")
        self.asker, self.counts = asker, Counts()
        self._journal = cache.with_name(f"{cache.stem}.replies.jsonl")
        self._lock = Lock(cache, "this cache of replies")
        self._appender = Appender(cache)  # cuts a torn last line before it is read
        self._replies = {row["key"]: _answer(row) for _, row in read_lines(cache)}
        self._engine: Engine | None = None

    def __enter__(self) -> "Llm":
        return self

    def __exit__(self, *_: object) -> None:
        self._appender.close()
        self._lock.close()

    def answers(self, prompts: Iterable[str | None], fits: Callable[[str], bool]) -> Iterator[Answer | None]:
        """Answers in the order of the prompts, which are read some hundreds ahead.

        Args:
            prompts: The texts; None asks nothing and yields None.
            fits: Whether a reply is one. One that is not is asked for again, up to `attempts` times.
        """
        waiting = iter(prompts)
        while window := list(islice(waiting, _AHEAD * self.asker.sampler.concurrency)):
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
            self.counts.unanswered += sum(answer.unanswered for answer in answers.values())
            yield from (answers.get(place) for place in range(len(window)))

    def _ask(self, prompts: dict[int, str], sampling: Sampling) -> dict[int, Answer]:
        """A reply to each prompt, from the cache where it is there; else what went wrong. Equal prompts share one."""
        keys = {place: self._key(prompt, sampling) for place, prompt in prompts.items()}
        texts = {key: prompts[place] for place, key in keys.items()}
        answers = {key: self._replies[key] for key in texts if key in self._replies}
        self.counts.cached += len(answers)
        missing = [key for key in texts if key not in answers]
        if missing and self.asker.connect is None:
            nobody = Answer(None, "not in the cache, and there is no endpoint to ask", unanswered=True)
            answers |= dict.fromkeys(missing, nobody)
        elif missing:
            requests = [Request(key=number, text=texts[key], seed=0) for number, key in enumerate(missing)]
            for completion in self._endpoint().generate(requests, sampling):
                key = missing[completion.key]
                if completion.finish_reason == "failed":
                    answers[key] = Answer(None, completion.detail or "no reply", unanswered=True)
                    continue
                self.counts.requests += 1
                row = {
                    "key": key,
                    "model": self.asker.model,
                    "reply": completion.text,
                    "n_prompt_tokens": completion.n_prompt_tokens,
                    "n_tokens": completion.n_tokens,
                }
                if completion.finish_reason == "refused":
                    why = completion.detail or "the prompt is longer than the LLM's context"
                    row |= {"reply": None, "refused": why}
                if completion.served_model is not None:
                    row["served_model"] = completion.served_model
                self._appender.append(row)
                self._replies[key] = answers[key] = _answer(row)
        return {place: answers[key] for place, key in keys.items()}

    def _key(self, prompt: str, sampling: Sampling) -> str:
        request = {"model": self.asker.model, "prompt": prompt, "sampling": vars(sampling)}
        return json_sha({**request, "extra": self.asker.sampler.extra} if self.asker.sampler.extra else request)

    def _endpoint(self) -> Engine:
        if self._engine is None:
            assert self.asker.connect is not None  # noqa: S101 - nobody is asked otherwise
            endpoint = self.asker.connect()
            sampler = self.asker.sampler.model_copy(update={"model": self.asker.model})
            engine: Engine = engine_class(sampler)(
                endpoint.url, sampler, keep_going=True, died=endpoint.died, journal=self._journal
            )
            self._engine = engine
        return self._engine


def _answer(row: Mapping[str, Any]) -> Answer:
    """A row of the cache; those of older versions do not have what the endpoint said."""
    text = None if row["reply"] is None else _without_thought(str(row["reply"]))
    return Answer(text, row.get("refused"), served_model=row.get("served_model"))


def _without_thought(reply: str) -> str:
    """What a reasoning model replies behind its thought; one whose thought was cut stays, and fits nothing."""
    thought, end, rest = reply.lstrip().partition(THINK_CLOSE)
    return rest.strip() if end and thought.startswith(THINK_OPEN) else reply


def _again(answer: Answer, fits: Callable[[str], bool]) -> bool:
    return answer.text is not None and not fits(answer.text)
