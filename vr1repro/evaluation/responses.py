"""Ask an engine the benchmarks' questions, again where a protocol says so, and keep each completion as a row."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from vr1repro.config.evaluation import EvaluationSettings
from vr1repro.core.errors import UserError
from vr1repro.core.records import Problem, Response, sha256
from vr1repro.engines.base import Completion, Engine, Request, Sampling, request_seed
from vr1repro.evaluation.ledger import Key, Ledger, key
from vr1repro.evaluation.prompts import prompt
from vr1repro.evaluation.protocols import has_answer


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A question as it is put to a model.

    Attributes:
        id: The question's.
        text: What stands after the picture.
        image: The encoded picture.
        system: System prompt, None for none.
    """

    id: str
    text: str
    image: bytes | None
    system: str | None

    def request(self, number: int, seed: int) -> Request:
        """The request for one sample."""
        images = () if self.image is None else (self.image,)
        return Request(key=number, text=self.text, images=images, seed=seed, system=self.system)


def prompts_of(
    benchmark: str, problems: Iterable[Problem], settings: EvaluationSettings, system: str | None = None
) -> list[Prompt]:
    """The prompts of a benchmark's questions.

    Raises:
        UserError: There are no questions, the benchmark has no such prompt, or a question lacks a field of it.
    """
    style = settings.prompts.get(benchmark, "paper")
    prompts = [
        Prompt(
            id=problem.id,
            text=prompt(benchmark, problem, style, settings.preset),
            image=problem.image,
            system=system,
        )
        for problem in problems
    ]
    if not prompts:
        raise UserError(f"{benchmark}: has no questions")
    return prompts


@dataclass(kw_only=True)
class BenchmarkRun:
    """One benchmark's responses under one seed.

    Attributes:
        benchmark: Its slug.
        seed: Evaluation seed.
        prompts: Its questions, in order.
        ledger: Where rows are kept.
        common: Columns that all rows share: run, model, arm, train_seed, generation_sha, model_sha.
        retries: Most further samples where `</answer>` is missing; 0 without protocol `paper`.
        attempts: Filled by `collect_responses`: rows by question, in the order of the attempts.
    """

    benchmark: str
    seed: int
    prompts: list[Prompt]
    ledger: Ledger
    common: dict[str, Any]
    retries: int
    attempts: dict[str, list[Response]] = field(default_factory=dict)

    def asks_again(self, identity: str, attempt: int) -> bool:
        """Whether a question is to be sampled for this attempt, from 1."""
        last = self.attempts[identity][-1]
        return attempt <= self.retries and last.finish_reason != "refused" and not has_answer(last.response)


def collect_responses(
    runs: Iterable[BenchmarkRun], engine: Engine, sampling: Sampling, answered: Callable[[int], None]
) -> float:
    """Get every response of the runs, from its ledger or else from the engine, into the runs' `attempts`.

    Args:
        runs: All go to the engine together.
        engine: Who samples.
        sampling: Settings of every sample.
        answered: Called with the number of questions that got their first response, for a progress bar.

    Returns:
        Seconds that the engine took.
    """
    questions = [_Question(run, prompt, engine) for run in runs for prompt in run.prompts]
    seconds = _sample(questions, 0, engine, sampling, answered)
    for attempt in range(1, 1 + max((question.run.retries for question in questions), default=0)):
        unanswered = [question for question in questions if question.run.asks_again(question.prompt.id, attempt)]
        seconds += _sample(unanswered, attempt, engine, sampling, lambda count: None)
    return seconds


class _Question:
    """A question in its run, with the hashes of what the model is shown."""

    def __init__(self, run: BenchmarkRun, prompt: Prompt, engine: Engine) -> None:
        self.run, self.prompt = run, prompt
        self.prompt_sha = sha256(engine.render(prompt.request(0, 0)))
        self.image_sha = None if prompt.image is None else sha256(prompt.image)

    def key(self, attempt: int) -> Key:
        shas = self.run.common["generation_sha"], self.run.common["model_sha"]
        return self.prompt.id, attempt, self.prompt_sha, self.image_sha, *shas

    def request(self, number: int, attempt: int) -> Request:
        return self.prompt.request(number, request_seed(self.run.seed, self.run.benchmark, self.prompt.id, attempt))

    def row(self, attempt: int, completion: Completion) -> Response:
        row = Response.model_validate(
            {
                **self.run.common,
                "eval_seed": self.run.seed,
                "protocol": next(iter(self.run.ledger.folders)),
                "benchmark": self.run.benchmark,
                "id": self.prompt.id,
                "prompt_sha": self.prompt_sha,
                "image_sha": self.image_sha,
                "attempt": attempt,
                "response": completion.text,
                "n_tokens": completion.n_tokens,
                "finish_reason": completion.finish_reason,
                "n_prompt_tokens": completion.n_prompt_tokens,
                "unknown_tokens": completion.unknown_tokens,
                "grid_mismatch": completion.grid_mismatch,
                **({} if completion.served_model is None else {"served_model": completion.served_model}),
                **({"note": completion.note} if completion.note else {}),
                # Only where it is False: nobody can draw such a response again.
                **({} if completion.seeded else {"seeded": False}),
            }
        )
        assert key(row) == self.key(attempt)  # noqa: S101 - a row under another key is sampled again
        return row


def _sample(
    questions: list[_Question], attempt: int, engine: Engine, sampling: Sampling, answered: Callable[[int], None]
) -> float:
    """One attempt at each question; a ledger's row is taken as it is."""
    rows = [question.run.ledger.row_of(question.key(attempt)) for question in questions]
    missing = [number for number, row in enumerate(rows) if row is None]
    answered(len(rows) - len(missing))
    started = time.perf_counter()
    requests = [questions[number].request(number, attempt) for number in missing]
    for completion in engine.generate(requests, sampling) if requests else ():
        question = questions[completion.key]
        rows[completion.key] = row = question.row(attempt, completion)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        question.run.ledger.add(row, {"at": now, "seconds": round(completion.seconds, 4)})
        answered(1)
    seconds = time.perf_counter() - started
    for question, response in zip(questions, rows, strict=True):
        assert response is not None  # noqa: S101 - an engine completes every request or raises
        question.run.attempts.setdefault(question.prompt.id, []).append(response)
    return seconds
