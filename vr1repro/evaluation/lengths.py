"""How long a checkpoint's completions on the RL set are (`Avg. Len.` of v4 Table 3, v1 Table 4)."""

import heapq
import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from vr1repro.config.evaluation import EvaluationSettings, Protocol
from vr1repro.core.files import write_atomically
from vr1repro.core.progress import progress
from vr1repro.core.provenance import made
from vr1repro.core.records import Problem, sha256
from vr1repro.engines.base import Sampling
from vr1repro.engines.load import load_engine
from vr1repro.evaluation.ledger import RUN, Ledger, counts
from vr1repro.evaluation.responses import BenchmarkRun, Prompt, collect_responses
from vr1repro.evaluation.run import EvaluatedModel, columns, content_of
from vr1repro.problems.prompt import user_turn

SET = "rl-set"  # stands for a benchmark's slug in the rows
PROTOCOL: Protocol = "single"


def sample_lengths(
    model: EvaluatedModel,
    problems: Iterable[Problem],
    settings: EvaluationSettings,
    seed: int,
    out: Path,
    *,
    limit: int | None = None,
    threads: int = 1,
) -> dict[str, int]:
    """Ask a model the RL problems as training does, once each; a problem that has its response is not asked again.

    Files: `<out>/responses.jsonl`, `timing.jsonl` and `run.json`, as `evaluation.run.evaluate` writes them.

    Args:
        model: The model.
        problems: The RL set; ids are unique.
        settings: How to sample.
        seed: Evaluation seed.
        out: Folder to write.
        limit: Ask only so many, those of smallest id hash.
        threads: CPU threads.

    Returns:
        See `ledger.counts`.

    Raises:
        UserError: The model cannot be loaded, the endpoint gave up, or another process is asking it.
    """
    chosen = list(problems) if limit is None else heapq.nsmallest(limit, problems, key=lambda each: sha256(each.id))
    prompts = [
        Prompt(id=each.id, text=user_turn(each), image=each.image, system=model.system_prompt) for each in chosen
    ]
    with Ledger({PROTOCOL: out}) as ledger:
        engine = load_engine(model.location, settings.engine, threads, settings.max_image_pixels)
        run = BenchmarkRun(
            benchmark=SET,
            seed=seed,
            prompts=prompts,
            ledger=ledger.open(),
            common=columns(model, settings, engine),
            retries=0,
        )
        sampling = Sampling(settings.temperature, settings.top_p, settings.max_tokens)
        with progress() as bar:
            counter = bar.add_task(f"{model.name}, RL set", total=len(prompts))
            collect_responses([run], engine, sampling, partial(bar.advance, counter))
        ((_, rows),) = ledger.finish([row for prompt in prompts for row in run.attempts[prompt.id]])
        content = {**content_of(model, settings, engine), "seed": seed, "counts": counts(rows)}
        record = {"content": content, "made": made()}
        write_atomically(out / RUN, json.dumps(record, indent=2, sort_keys=True) + "\n")
    return counts(rows)
