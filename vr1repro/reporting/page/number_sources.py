"""Data behind each number of the page: value, files with hashes, the weights that answered, and their ancestors."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from vr1repro.published import PublishedValue, Target
from vr1repro.reporting.claims.comparison import Comparison, targets_behind
from vr1repro.reporting.claims.overview import ArmSummary
from vr1repro.reporting.lineage.sources import RESPONSES, Sources
from vr1repro.reporting.statistics.estimate import Estimate
from vr1repro.reporting.statistics.rounding import settled
from vr1repro.reporting.tables.table import Table


class NumberSources:
    """Collects the sources of each number of the page, by the number's key."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._files: dict[str, int] = {}
        self._sets: dict[tuple[int, ...], int] = {}
        self._numbers: dict[str, dict[str, Any]] = {}

    def add_table(self, table: Table) -> None:
        """Add the cells of a table that hold a number of ours, as `<table>:<row>:<column>`."""
        for line, column, cell in table.cells():
            if cell.ours is not None:
                number = self._add(table.key_of(line, column), f"{line.name}, {column}", cell.target, cell.ours)
                number |= _paper(cell.paper)
                number |= {"verdict": cell.label.value if cell.label else None, "reason": cell.reason}

    def add_arm(self, arm: ArmSummary) -> None:
        """Add how an arm came out, as `<arm>:accuracy`, `<arm>:tokens` and `<arm>:gain`."""
        benchmarks = tuple(self._sources.results.benchmarks)
        target = Target(arm=arm.arm, benchmark="average", quantity="accuracy", of=benchmarks)
        self._add(f"{arm.arm}:accuracy", f"{arm.label}, mean accuracy", target, arm.accuracy)
        if arm.tokens is not None:
            length = Target(arm=arm.arm, benchmark="responses", quantity="tokens")
            self._add(f"{arm.arm}:tokens", f"{arm.label}, completion tokens", length, arm.tokens)
        if arm.gain is not None:
            start = self._sources.of(target.model_copy(update={"arm": arm.start}))
            title = f"{arm.label} minus {arm.gain.start}, points"
            self._add(f"{arm.arm}:gain", title, target, arm.gain.estimate, beside=start)

    def add_comparison(self, key: str, row: Comparison) -> None:
        """Add a published number, under its key on the page."""
        if row.ours is None:
            return
        value, judged = row.published, row.judgement
        title = f"{value.model}, {value.benchmark} {value.subset}".rstrip()
        first, *others = targets_behind(value)
        beside = [path for target in others for path in self._sources.of(target)]
        number = self._add(key, title, first, row.ours, beside)
        number |= _paper(value) | {"verdict": judged.label.value, "reason": judged.reason}

    def as_data(self) -> dict[str, Any]:
        """Data of the page's script: files, manifests by content hash, sets of files, and the numbers."""
        return {
            "files": [[path, self._sources.sha(path)] for path in self._files],
            "manifests": manifests(self._sources),
            "sets": [list(numbers) for numbers in self._sets],
            "numbers": self._numbers,
        }

    def _add(
        self, name: str, title: str, target: Target | None, ours: Estimate, beside: Sequence[str] = ()
    ) -> dict[str, Any]:
        sources = self._sources.of(target)
        paths = list(dict.fromkeys([*sources, *beside]))
        files = tuple(self._files.setdefault(path, len(self._files)) for path in paths)
        number: dict[str, Any] = {
            "title": title,
            "ours": {field: _plain(value) for field, value in asdict(ours).items()},
            "files": self._sets.setdefault(files, len(self._sets)),
            "weights": sorted({sha for path in paths if (sha := self._sources.weights_of(path))}),
        }
        answered = [path.split("/") for path in sources if path.endswith(RESPONSES)]
        if answered and target is not None and target.quantity != "word_count":
            number |= {"arm": target.arm, "benchmarks": sorted({parts[2] for parts in answered})}
        self._numbers[name] = number
        return number


def manifests(sources: Sources) -> dict[str, dict[str, Any]]:
    """Each finished folder of a run and its inputs, by content hash."""
    return {
        sha: {
            "path": one.path,
            "kind": one.kind,
            "inputs": sources.inputs_of(one),
            "commit": one.commit,
            "at": one.made_at,
        }
        for sha, one in sources.artefacts.items()
    }


def _paper(value: PublishedValue | None) -> dict[str, Any]:
    if value is None:
        return {}
    names = ("id", "value", "version", "table", "metric", "source", "note")
    return {"paper": {name: getattr(value, name) for name in names}}


def _plain(value: object) -> object:
    """A field of an estimate; what is not finite is not known."""
    return value if not isinstance(value, float) else float(settled(value)) if math.isfinite(value) else None
