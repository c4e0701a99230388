"""Variants of one seed question that come under the seed's id, a file or split each (DynaMath)."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class Variants:
    """Numbers rows by how often their id came so far, from 1. Feed rows in the order of the variants."""

    def __init__(self) -> None:
        self._times: Counter[str] = Counter()

    def numbered(self, row: dict[str, Any], id_key: str = "id") -> dict[str, Any]:
        """The row with `seed`, `variant` and an id that is unique; one that has them stays as it is."""
        if row.get(id_key) is None or row.get("seed") is not None:
            return row
        seed = str(row[id_key])
        self._times[seed] += 1
        return {**row, "seed": seed, "variant": self._times[seed], id_key: f"{seed}-{self._times[seed]}"}


def in_order(files: Iterable[Path]) -> list[Path]:
    """Files by name, numbers by value: `sample2` before `sample10`."""
    return sorted(files, key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.as_posix())]
