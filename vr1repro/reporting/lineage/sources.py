"""Which files a number or a figure was made from, with their hashes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vr1repro.core.files import write_atomically
from vr1repro.core.provenance import file_sha, json_sha
from vr1repro.published import Target
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.run.words import chains_file

FILE = "provenance.json"


class Sources:
    """The files of one run, each hashed once.

    Attributes:
        results: The run.
    """

    def __init__(self, results: Results) -> None:
        self.results = results
        self._hashes: dict[str, str] = {}
        self._found: dict[Target, list[str]] = {}

    def sha(self, path: str) -> str:
        """SHA-256 of a file, by its path below the run."""
        if path not in self._hashes:
            self._hashes[path] = file_sha(self.results.run / path)
        return self._hashes[path]

    def of(self, target: Target | None) -> list[str]:
        """Paths below the run of the files that our counterpart of a target is made from; empty where there is none."""
        if target is None:
            return []
        if target not in self._found:
            self._found[target] = sorted(set(self._files(target)))
        return self._found[target]

    def matching(self, patterns: Iterable[str]) -> list[str]:
        """Paths below the run that fit glob patterns."""
        run = self.results.run
        return sorted({path.relative_to(run).as_posix() for pattern in patterns for path in run.glob(pattern)})

    def _files(self, target: Target) -> Iterable[str]:
        results = self.results
        if target.quantity == "word_count" and target.arm is None:
            chains = chains_file(results.coldset)
            return [] if chains is None else [chains.relative_to(results.run).as_posix()]
        if target.arm is None:
            return []
        if target.benchmark == "rl-train":
            return self._logs(target.arm)
        rows = results.final(target.arm)
        if target.quantity == "word_count":  # counted in texts of one seed; grades do not matter
            rows = rows[rows["benchmark"] == target.benchmark]
            return [path for path in self._answers(rows.head(1), verdicts=False) if path.startswith("eval/")]
        named = {name.partition(":")[0] for name in target.of} or {target.benchmark}
        if target.quantity == "tokens":
            return self._answers(rows, verdicts=False)
        return self._answers(rows[rows["benchmark"].isin(named)])

    def _answers(self, rows: pd.DataFrame, verdicts: bool = True) -> list[str]:
        """Responses, verdicts and questions behind rows of the tidy table."""
        profile = self.results.settings.profile
        found: list[str] = []
        keys = ["model", "benchmark", "protocol", "eval_seed"]
        for model, benchmark, protocol, seed in rows[keys].drop_duplicates().itertuples(index=False):
            folder = f"eval/{model}/{benchmark}/{protocol}/e{seed}"
            found += [f"{folder}/responses.jsonl", *([f"{folder}/verdicts/{profile}.jsonl"] if verdicts else [])]
        return found + self.matching(f"problems/{name}/**/*.parquet" for name in rows["benchmark"].unique())

    def _logs(self, name: str) -> list[str]:
        """Step logs of an arm; an arm without stages is read from those that start at it (`arms.rl_length`)."""
        arms = self.results.arms
        own = [arms[name]] if arms[name].stages else [arm for arm in arms.values() if arm.parent == name]
        pairs = {(stage.owner, stage.number) for arm in own for stage in arm.stages}
        return self.matching(f"train/{owner}/s*/stage{number}/steps.jsonl" for owner, number in pairs)


def write(folder: Path, kind: str, made_from: Mapping[str, Sequence[str]], sources: Sources) -> Path:
    """Write `provenance.json`: for each thing the numbers of its files in `files`, and one hash over their hashes."""
    files = sorted({path for paths in made_from.values() for path in paths})
    number = {path: k for k, path in enumerate(files)}
    things = {
        name: {"sha256": json_sha([sources.sha(path) for path in paths]), "files": [number[path] for path in paths]}
        for name, paths in made_from.items()
    }
    content: dict[str, Any] = {"files": [{"path": path, "sha256": sources.sha(path)} for path in files], kind: things}
    write_atomically(folder / FILE, json.dumps(content, indent=1) + "\n")
    return folder / FILE
