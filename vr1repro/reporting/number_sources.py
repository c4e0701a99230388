"""Where each number of the page came from: files with hashes, the weights that answered, and what those came from."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vr1repro.provenance import MANIFEST
from vr1repro.published import PublishedValue, Target
from vr1repro.records import read_lines
from vr1repro.reporting.comparison import Comparison
from vr1repro.reporting.overview import Outcome
from vr1repro.reporting.results import Results
from vr1repro.reporting.scores import EvalFolder, eval_folders
from vr1repro.reporting.statistics import Estimate
from vr1repro.reporting.tables import Cell, Line, Table

_MANIFESTS = ("models/*", "problems/*", "coldset", "train/**")


class NumberSources:
    """Collects what the page says about each of its numbers, by the number's key."""

    def __init__(self, results: Results, hashes: Mapping[str, str]) -> None:
        """Look at a run.

        Args:
            results: The run.
            hashes: SHA-256 of the run's files by path below it; only these are named as sources.
        """
        self._results, self._hashes = results, hashes
        self._files = {path: number for number, path in enumerate(hashes)}
        self._folders = list(eval_folders(results.run))
        self._weights: dict[Path, str | None] = {}
        self._sets: dict[tuple[int, ...], int] = {}
        self._numbers: dict[str, dict[str, Any]] = {}

    def add_table(self, table: Table) -> None:
        """Add the cells of a table that hold a number of ours, as `<table>:<row>:<column>`."""
        for line in table.lines:
            for k, (column, cell) in enumerate(zip(table.columns, line.cells, strict=True)):
                if cell.ours is not None:
                    target = self._target(table, line, column, k)
                    key, title = cell_key(table, line, column), f"{line.name}, {column}"
                    number = self._add(key, title, target, cell.ours, cell.paper)
                    number |= {"verdict": cell.label.value if cell.label else None, "reason": cell.reason}

    def add_arm(self, arm: Outcome) -> None:
        """Add how an arm came out, as `<arm>:accuracy`, `<arm>:tokens` and `<arm>:gain`."""
        target = Target(arm=arm.arm, benchmark="average", quantity="accuracy", of=tuple(self._results.benchmarks))
        self._add(f"{arm.arm}:accuracy", f"{arm.label}, mean accuracy", target, arm.accuracy, None)
        if arm.tokens is not None:
            self._add(f"{arm.arm}:tokens", f"{arm.label}, completion tokens", target, arm.tokens, None)
        if arm.gain is not None:
            start = self._evaluated(target.model_copy(update={"arm": arm.start}))
            title = f"{arm.label} minus {arm.gain.start}, points"
            self._add(f"{arm.arm}:gain", title, target, arm.gain.estimate, None, beside=start)

    def add_comparison(self, row: Comparison) -> None:
        """Add a published number, under its id."""
        if row.ours is None:
            return
        value, judged = row.published, row.judgement
        title = f"{value.model}, {value.benchmark} {value.subset}".rstrip()
        number = self._add(value.id, title, value.target, row.ours, value)
        number |= {"verdict": judged.label.value, "reason": judged.reason}

    def as_data(self) -> dict[str, Any]:
        """What the page's script shows: files, manifests by content hash, sets of files, and the numbers."""
        return {
            "files": list(self._hashes.items()),
            "manifests": manifests(self._results.run),
            "sets": [list(numbers) for numbers in self._sets],
            "numbers": self._numbers,
        }

    def _add(
        self,
        key: str,
        title: str,
        target: Target | None,
        ours: Estimate,
        paper: PublishedValue | None,
        beside: Iterable[EvalFolder] = (),
    ) -> dict[str, Any]:
        folders = [*self._evaluated(target), *beside]
        files = self._files_of(target, folders)
        number: dict[str, Any] = {
            "title": title,
            "ours": {name: _finite(value) for name, value in asdict(ours).items()},
            "files": self._sets.setdefault(files, len(self._sets)),
            "weights": sorted({sha for folder in folders if (sha := self._weights_of(folder))}),
        }
        if folders and target is not None and target.quantity != "word_count":
            number["arm"] = target.arm
            number["benchmarks"] = sorted({folder.benchmark for folder in folders})
        if paper is not None:
            number["paper"] = {
                name: getattr(paper, name) for name in ("id", "value", "version", "table", "metric", "source", "note")
            }
        self._numbers[key] = number
        return number

    def _target(self, table: Table, line: Line, column: str, k: int) -> Target | None:
        """What a cell of ours stands for; an arm that the paper's table lacks takes its column's meaning."""
        benchmarks = tuple(self._results.benchmarks)
        if column in benchmarks:
            return Target(arm=line.arm, benchmark=column, quantity="accuracy")
        cells: Iterable[Cell] = (line.cells[k], *(other.cells[k] for other in table.lines))
        stated = next((cell.paper.target for cell in cells if cell.paper and cell.paper.target), None)
        if stated is not None:
            return stated if stated.arm is None else stated.model_copy(update={"arm": line.arm})
        return Target(arm=line.arm, benchmark="average", quantity="accuracy", of=benchmarks)

    def _evaluated(self, target: Target | None) -> list[EvalFolder]:
        """The folders whose responses a number rests on: the arm's end under the headline protocol."""
        if target is None or target.arm is None or target.benchmark == "rl-train":
            return []
        names = {name.partition(":")[0] for name in target.of} or {target.benchmark}
        return [
            folder
            for folder in self._folders
            if folder.arm == target.arm
            and folder.step is None
            and folder.protocol == self._results.settings.protocol
            and folder.benchmark in names
        ]

    def _files_of(self, target: Target | None, folders: list[EvalFolder]) -> tuple[int, ...]:
        run, paths = self._results.run, []
        for folder in folders:
            verdicts = folder.path / "verdicts" / f"{self._results.settings.profile}.jsonl"
            paths += [folder.path / "responses.jsonl", verdicts]
            paths += sorted((run / "problems" / folder.benchmark).glob("**/*.parquet"))
        if target is not None and target.benchmark == "rl-train":
            paths += self._logs(target.arm)
        if target is not None and target.arm is None:
            paths += [run / "coldset" / "traces.jsonl"]
        names = dict.fromkeys(path.relative_to(run).as_posix() for path in paths)
        return tuple(self._files[name] for name in names if name in self._files)

    def _logs(self, name: str | None) -> list[Path]:
        """Step logs of an arm, or of the arms that start where an arm without stages stands."""
        arms = self._results.arms
        asked = [info for info in arms.values() if info.name == name and info.stages]
        asked = asked or [info for info in arms.values() if info.parent == name and info.stages]
        stages = {(stage.owner, stage.number) for info in asked for stage in info.stages}
        return [
            path
            for owner, number in sorted(stages)
            for path in sorted((self._results.run / "train" / owner).glob(f"s*/stage{number}/steps.jsonl"))
        ]

    def _weights_of(self, folder: EvalFolder) -> str | None:
        if folder.path not in self._weights:
            first = next(read_lines(folder.path / "responses.jsonl"), None)
            sha = first[1].get("model_sha") if first else None
            self._weights[folder.path] = sha if isinstance(sha, str) else None
        return self._weights[folder.path]


def cell_key(table: Table, line: Line, column: str) -> str:
    """A cell's address: `<table>:<row>:<column>`."""
    return f"{table.key}:{line.name}:{column}"


def manifests(run: Path) -> dict[str, dict[str, Any]]:
    """What each finished folder of a run says it was made of, by its content hash; folders cut short are left out."""
    found = {}
    for path in sorted({file for pattern in _MANIFESTS for file in run.glob(f"{pattern}/{MANIFEST}")}):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        content, made = manifest.get("content", {}), manifest.get("made", {})
        found[str(manifest.get("content_sha"))] = {
            "path": path.parent.relative_to(run).as_posix(),
            "kind": content.get("kind"),
            "inputs": content.get("inputs", {}),
            "commit": made.get("commit"),
            "at": made.get("at"),
        }
    return found


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
