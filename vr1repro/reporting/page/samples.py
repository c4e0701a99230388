"""Responses that the overview links to, chosen by hash so that no one picks the pretty ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vr1repro.core.records import sha256
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.run.scores import EvalFolder, eval_folders, last_responses, last_verdicts


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One graded response and its address in the trace explorer."""

    arm: str
    benchmark: str
    id: str
    verdict: str
    n_tokens: int | None
    address: str


def choose(results: Results) -> dict[str, list[Sample]]:
    """Samples of every arm's end, by arm: `settings.samples` questions of smallest id hash, over all benchmarks.

    The questions are the same for all arms where all answered them. One training and one evaluation seed, the first.
    """
    pools: dict[str, list[Sample]] = {}
    for sample in _samples(results):
        pools.setdefault(sample.arm, []).append(sample)
    return {
        arm: sorted(pools[arm], key=_order)[: results.settings.samples] for arm in results.evaluated if arm in pools
    }


def _order(sample: Sample) -> str:
    return sha256(f"{sample.benchmark}/{sample.id}")


def first_ends(results: Results) -> Iterator[tuple[EvalFolder, Path]]:
    """For every arm's end and benchmark the folder of the first seeds, and its verdicts of the headline profile."""
    settings = results.settings
    seen: set[tuple[str, str]] = set()
    for folder in eval_folders(results.run):
        verdicts = folder.path / "verdicts" / f"{settings.profile}.jsonl"
        key = (folder.arm, folder.benchmark)
        if folder.step is not None or folder.protocol != settings.protocol or key in seen or not verdicts.exists():
            continue
        seen.add(key)
        yield folder, verdicts


def _samples(results: Results) -> Iterator[Sample]:
    for folder, verdicts in first_ends(results):
        graded, responses = last_verdicts(verdicts), last_responses(folder.path / "responses.jsonl")
        path = folder.path.relative_to(results.run / "eval").as_posix()
        pool = [
            Sample(
                arm=folder.arm,
                benchmark=folder.benchmark,
                id=name,
                verdict=row.verdict.value,
                n_tokens=responses[name].n_tokens,
                address=f"{path}/{name}",
            )
            for name, row in graded.items()
            if name in responses
        ]
        yield from sorted(pool, key=_order)[: results.settings.samples]
