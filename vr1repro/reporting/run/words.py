"""Self-reflection words and length classes of saved responses (v4 Table 4, Figure 1 A and C)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from vr1repro.answers.completion import THINK_CLOSE, THINK_OPEN
from vr1repro.coldset.words import whole
from vr1repro.config.reporting import ReportSettings
from vr1repro.core.jsonl import read
from vr1repro.core.problem_files import read_problems
from vr1repro.core.records import Trace, sha256
from vr1repro.reporting.run.scores import eval_folders, last_responses
from vr1repro.reporting.statistics.estimate import Estimate, clustered_mean


def count_words(text: str, words: Sequence[str]) -> dict[str, int]:
    """Occurrences of whole words in any case. The paper's counting rule is not stated."""
    return {word: len(whole(word, any_case=True).findall(text)) for word in words}


def summed(counts: Mapping[str, Sequence[int]], confidence: float = 0.95) -> dict[str, Estimate]:
    """Occurrences summed over texts, each text one observation: n times the mean with n times its error.

    Args:
        counts: By word, the occurrences in each text; there is at least one text.
    """
    sums = {}
    for word, each in counts.items():
        total = clustered_mean(each, range(len(each)), confidence=confidence).scaled(len(each))
        sums[word] = replace(total, value=round(total.value), low=max(total.low, 0.0), method="sum over texts, t")
    return sums


def chains_file(folder: Path) -> Path | None:
    """The file of a cold-start set that holds its chains; a released set comes without traces. None without either."""
    files = (folder / "traces.jsonl", folder / "coldset.parquet")
    return next((path for path in files if path.exists()), None)


class ColdChain(NamedTuple):
    """A chain of the cold-start set and the problem that it solves."""

    id: str
    source: str
    question: str
    chain: str


def cold_chains(folder: Path) -> Iterator[ColdChain]:
    """The chains of the cold-start set in a folder, built or released; none where there is no set."""
    path = chains_file(folder)
    if path is None:
        return
    if path.suffix == ".jsonl":
        for trace in read(path, Trace):
            if trace.rejected is None:
                yield ColdChain(trace.id, trace.source, trace.question, trace.chain)
    else:
        for row in read_problems(path, pictures=False):
            chain = str(row.metadata["completion"]).partition(THINK_CLOSE)[0].removeprefix(THINK_OPEN)
            yield ColdChain(row.id, row.source, row.question, chain)


def sampled_counts(run: Path, settings: ReportSettings, benchmark: str = "mathverse") -> dict[str, dict[str, Estimate]]:
    """Counts over the same `sampled_responses` questions for every arm's end (Figure 1 C).

    The questions are those of smallest id hash among all that every arm answered, so that no one chose them. One
    evaluation seed and one training seed, the first of each, as the paper counted one output a question.
    """
    chosen: dict[str, Path] = {}
    for folder in eval_folders(run):
        if folder.benchmark == benchmark and folder.protocol == settings.protocol and folder.step is None:
            chosen.setdefault(folder.arm, folder.path / "responses.jsonl")
    texts = {arm: last_responses(path) for arm, path in chosen.items()}
    shared = set.intersection(*(set(rows) for rows in texts.values())) if texts else set()
    sample = sorted(shared, key=sha256)[: settings.sampled_responses]
    if not sample:
        return {}
    counts = {arm: [count_words(rows[key].response, settings.words) for key in sample] for arm, rows in texts.items()}
    return {
        arm: summed({word: [one[word] for one in each] for word in settings.words}, settings.confidence)
        for arm, each in counts.items()
    }


def bin_labels(borders: Sequence[int]) -> list[str]:
    """Names of length classes: `0-4K`, `4K-8K`, `8K+` for the paper's borders."""
    names = [f"{border // 1024}K" if border % 1024 == 0 else str(border) for border in borders]
    return [*(f"{a}-{b}" for a, b in zip(["0", *names[:-1]], names, strict=True)), f"{names[-1]}+"]


def by_length(frame: pd.DataFrame, settings: ReportSettings) -> list[tuple[str, Estimate, Estimate | None]]:
    """Share of responses in each length class and their accuracy, in percent (Figure 1 A).

    Args:
        frame: Rows of one arm and one benchmark with token counts.
        settings: `length_bins`, the upper ends of the classes in tokens, inclusive; confidence.

    Returns:
        Label, proportion, and accuracy (None where the class is empty). Empty where no response carries a count.
    """
    rows = frame[frame["n_tokens"].notna()]
    if rows.empty:
        return []
    index = np.searchsorted(settings.length_bins, rows["n_tokens"].to_numpy(), side="left")
    decided = rows["correct"].notna().to_numpy()
    right = np.where(decided, rows["correct"].to_numpy() == True, False).astype(np.float64)  # noqa: E712 - elementwise
    clusters, bars = rows["cluster"].to_numpy(), []
    for k, label in enumerate(bin_labels(settings.length_bins)):
        inside = index == k
        share = clustered_mean(inside, clusters, confidence=settings.confidence, proportion=True).scaled(100)
        hits = None
        counted = inside & decided
        if counted.any():
            hits = clustered_mean(
                right[counted], clusters[counted], confidence=settings.confidence, proportion=True
            ).scaled(100)
        bars.append((label, share, hits))
    return bars
