"""lm-eval's model interface over our engines: it returns strings, and keeps everything else as records."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM

from vr1repro.core.records import Problem, Response, sha256
from vr1repro.engines.base import Completion, Engine, Request, Sampling, request_seed
from vr1repro.evaluation.ledger import Key, Ledger, key
from vr1repro.evaluation.lm_tasks import PLACEHOLDER
from vr1repro.evaluation.protocols import has_answer


@dataclass(kw_only=True)
class BenchmarkRun:
    """One benchmark's responses under one seed.

    Attributes:
        benchmark: Its slug, which is the lm-eval task's name.
        seed: Evaluation seed.
        problems: Its questions by id.
        ledger: Where rows are kept.
        common: Columns that all rows share: run, model, arm, train_seed, generation_sha, model_sha.
        retries: Most further samples where `</answer>` is missing; 0 without protocol `paper`.
        attempts: Filled by the model: rows by question, in the order of questions.
    """

    benchmark: str
    seed: int
    problems: dict[str, Problem]
    ledger: Ledger
    common: dict[str, Any]
    retries: int
    attempts: dict[str, list[Response]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Item:
    run: BenchmarkRun
    id: str
    text: str
    images: tuple[bytes, ...]
    prompt_sha: str
    image_sha: str | None


class EngineLM(LM):
    """An engine as an lm-eval model. lm-eval is handed the first attempts; `runs` holds all of them."""

    MULTIMODAL = True

    def __init__(
        self,
        engine: Engine,
        sampling: Sampling,
        *,
        system: str | None = None,
        earned: Callable[[int], None] = lambda count: None,
    ) -> None:
        """Wrap an engine.

        Args:
            engine: Who samples.
            sampling: Settings of every sample; a task's own must say the same.
            system: System prompt, None for none.
            earned: Called with the number of questions that got a row, for a progress bar.
        """
        super().__init__()
        self.engine = engine
        self.sampling = sampling
        self.system = system
        self.runs: dict[str, BenchmarkRun] = {}
        self._earned = earned
        self.seconds = 0.0

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Answer all requests: the ledgers' responses are not sampled again.

        Raises:
            ValueError: A task asks for other sampling than this model's, or for stop strings.
            KeyError: A task belongs to no benchmark of the run.
        """
        items = [self._item(instance) for instance in requests]
        self._ask(items, attempt=0)
        retries = max((item.run.retries for item in items), default=0)
        for attempt in range(1, retries + 1):
            self._ask([item for item in items if self._asks_again(item, attempt)], attempt)
        return [item.run.attempts[item.id][0].response for item in items]

    def _asks_again(self, item: _Item, attempt: int) -> bool:
        last = item.run.attempts[item.id][-1]
        return attempt <= item.run.retries and last.finish_reason != "refused" and not has_answer(last.response)

    def _item(self, instance: Instance) -> _Item:
        context, settings, *media = instance.args
        self._check(settings)
        benchmark_run = self.runs[instance.task_name]
        identity = str(instance.doc["id"])
        problem = benchmark_run.problems.get(identity)
        images: tuple[bytes, ...]
        if problem is None:  # a task that is not ours: all there is are decoded pictures
            images = tuple(_png(image) for image in (media[0].get("visual") or [] if media else []))
        else:
            images = () if problem.image is None else (problem.image,)
        text = context
        for _ in images:
            text = text.replace(PLACEHOLDER, "", 1)
        rendered = self.engine.render(Request(key=0, text=text, images=images, seed=0, system=self.system))
        image_sha = sha256(images[0]) if len(images) == 1 else sha256(b"".join(images)) if images else None
        return _Item(
            run=benchmark_run,
            id=identity,
            text=text,
            images=images,
            prompt_sha=sha256(rendered),
            image_sha=image_sha,
        )

    def _check(self, settings: dict[str, Any]) -> None:
        if settings.get("until"):
            raise ValueError(f"stop strings {settings['until']!r} would cut chains of thought; set `until: []`")
        wishes = (settings.get("temperature"), settings.get("top_p"), settings.get("max_gen_toks"))
        ours = (self.sampling.temperature, self.sampling.top_p, self.sampling.max_tokens)
        if wishes != ours:
            raise ValueError(
                f"a task asks for (temperature, top_p, max_gen_toks) {wishes}, this model samples with {ours}"
            )

    def _ask(self, items: Sequence[_Item], attempt: int) -> None:
        missing: list[_Item] = []
        rows: dict[int, Response] = {}
        for item in items:
            row = item.run.ledger.earned(self._key(item, attempt))
            if row is None:
                missing.append(item)
            else:
                rows[id(item)] = row
        if attempt == 0:
            self._earned(len(rows))
        wanted = [
            Request(
                key=number,
                text=item.text,
                images=item.images,
                seed=request_seed(item.run.seed, item.run.benchmark, item.id, attempt),
                system=self.system,
            )
            for number, item in enumerate(missing)
        ]
        for completion in self._timed(wanted):
            item = missing[completion.key]
            rows[id(item)] = row = self._row(item, attempt, completion)
            item.run.ledger.add(
                row,
                {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "seconds": round(completion.seconds, 4)},
            )
            if attempt == 0:
                self._earned(1)
        for item in items:
            item.run.attempts.setdefault(item.id, []).append(rows[id(item)])

    def _timed(self, wanted: list[Request]) -> Iterator[Completion]:
        started = time.perf_counter()
        if wanted:
            yield from self.engine.generate(wanted, self.sampling)
        self.seconds += time.perf_counter() - started

    def _key(self, item: _Item, attempt: int) -> Key:
        common = item.run.common
        return item.id, attempt, item.prompt_sha, item.image_sha, common["generation_sha"], common["model_sha"]

    def _row(self, item: _Item, attempt: int, completion: Completion) -> Response:
        row = Response.model_validate(
            {
                **item.run.common,
                "eval_seed": item.run.seed,
                "protocol": next(iter(item.run.ledger.folders)),
                "benchmark": item.run.benchmark,
                "id": item.id,
                "prompt_sha": item.prompt_sha,
                "image_sha": item.image_sha,
                "attempt": attempt,
                "response": completion.text,
                "n_tokens": completion.n_tokens,
                "finish_reason": completion.finish_reason,
                "n_prompt_tokens": completion.n_prompt_tokens,
                "unknown_tokens": completion.unknown_tokens,
                "grid_mismatch": completion.grid_mismatch,
                # Only where it is False: nobody can draw such a response again.
                **({} if completion.seeded else {"seeded": False}),
            }
        )
        assert key(row) == self._key(item, attempt)  # noqa: S101 - what is earned under another key is asked again
        return row

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Not offered: the benchmarks are generative."""
        raise NotImplementedError("the benchmarks ask for generated answers, not for likelihoods")

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Not offered: the benchmarks are generative."""
        raise NotImplementedError("the benchmarks ask for generated answers, not for likelihoods")


def _png(image: Any) -> bytes:
    buffer = BytesIO()
    image.convert("RGB").save(buffer, format="PNG")
    return buffer.getvalue()
