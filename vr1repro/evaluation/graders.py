"""The LLM that a run's config names for extraction and judgement, opened for a job.

What serves it is loaded by name, so that a rule's code hash covers only what its config uses (`grader_modules`), and
started at the first question that the cache does not answer: a job whose replies are all kept needs no GPU.

Deviations from the paper:

1. The paper names no grader. Its evaluator asks gpt-4o-mini-2024-07-18 with worked examples (repo, run.py); the presets
   ask an open model, with instructions of ours and no examples (`extract_and_judge`).
2. An edit of the evaluator (repo, vlmeval/api/gpt.py) asks for each of the grader's replies five times, as they lack
   `</answer>`, and takes the fifth; here the first that fits counts.
"""

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from vr1repro.config.graders import GraderSettings, GradingLlm, ScriptedGrader
from vr1repro.config.samplers import EndpointSampler
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import read_manifest
from vr1repro.engines.load import SERVER, engine_modules
from vr1repro.evaluation.llm import Asker, Endpoint, Llm, at

SCRIPTED = "vr1repro.lab.grader"
_SCRIPTED_SAMPLER = EndpointSampler(kind="openai", concurrency=16, start_concurrency=16, retries=3, timeout_s=120)


def grader_modules(settings: GraderSettings) -> list[str]:
    """Modules that a job loads by name under these settings, for a rule's code hash."""
    llm = settings.llm
    if isinstance(llm, ScriptedGrader):
        return [SCRIPTED, *engine_modules(_SCRIPTED_SAMPLER)]
    return [*engine_modules(llm.sampler), *([SERVER] if llm.server is not None else [])]


@contextmanager
def open_llm(settings: GraderSettings, cache: Path, *, weights: Path | None, threads: int) -> Iterator[Llm]:
    """The LLM behind its cache, and what serves it until the block ends.

    Args:
        settings: Section `graders` of the config.
        cache: JSONL of its replies.
        weights: Folder of the model that is served, None for an endpoint.
        threads: CPU threads of its server.

    Raises:
        UserError: The cache is held by another process, or the server ends or does not answer in time.
    """
    llm = settings.llm
    with ExitStack() as stack:
        connect: Callable[[], Endpoint] | None
        if isinstance(llm, ScriptedGrader):
            script = importlib.import_module(SCRIPTED)
            model, sampler = script.MODEL, _SCRIPTED_SAMPLER
            connect = partial(_scripted, stack, script, llm)
        elif weights is None:
            model, sampler, connect = str(llm.sampler.model), llm.sampler, at(llm.model)
        else:
            model, sampler = name_of(weights), llm.sampler
            connect = partial(_served, stack, weights, model, llm, threads)
        asker = Asker(
            model=model, connect=connect, attempts=settings.attempts, max_tokens=settings.max_tokens, sampler=sampler
        )
        yield stack.enter_context(Llm(asker, cache))


def name_of(weights: Path) -> str:
    """What a served model is called in requests and rows: its repository and commit, or its path and content hash."""
    manifest = read_manifest(weights)
    source, commit = manifest["content"]["settings"], manifest["content"]["facts"].get("commit")
    name = source.get("id") or source.get("path") or weights.name
    return f"{name}@{commit or manifest['content_sha'][:16]}"


def unanswered(llm: Llm, settings: GraderSettings) -> None:
    """Refuse to go on where requests got no reply.

    Raises:
        UserError: There are such, and `accept_unanswered` is false.
    """
    if (n := llm.counts.unanswered) and not settings.accept_unanswered:
        raise UserError(
            f"{n} requests to {llm.asker.model} got no reply after all tries; the others are kept. Run again, or set"
            " graders.accept_unanswered"
        )


def _scripted(stack: ExitStack, script: Any, habits: ScriptedGrader) -> Endpoint:
    return Endpoint(stack.enter_context(script.serve(partial(script.reply, habits=habits))))


def _served(stack: ExitStack, weights: Path, name: str, llm: GradingLlm, threads: int) -> Endpoint:
    server = stack.enter_context(importlib.import_module(SERVER).serve(str(weights), name, llm.server, threads))
    return Endpoint(server.url, server.died)
