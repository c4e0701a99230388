"""Versions of the libraries whose private names this package uses, or which it patches.

The table is `upstream.yaml`: data, so that a word in it changes no rule's code hash. docs/upstream.md is made from it.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from vr1repro.core.errors import UserError

TABLE = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class Library:
    """A library and how this package depends on its inside.

    Attributes:
        distributions: Names under which it may be installed; the first that is counts.
        least: Oldest version that fits.
        below: The first version that may not.
        uses: Rows of the table: name, where, why, issue, test.
    """

    distributions: list[str]
    least: str
    below: str
    uses: list[dict[str, str]]

    def installed(self) -> str | None:
        """The installed version, None where it is not installed."""
        for distribution in self.distributions:
            try:
                return version(distribution)
            except PackageNotFoundError:
                continue
        return None

    def fits(self, found: str) -> bool:
        """Whether a version lies in the range."""
        return _release(self.least) <= _release(found) < _release(self.below)


def libraries() -> dict[str, Library]:
    """Every library of the table."""
    rows: dict[str, dict[str, Any]] = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return {name: Library(**row) for name, row in rows.items()}


@cache
def require(name: str) -> None:
    """Refuse a version of a library for which nobody has looked at what this package uses of its inside.

    A library that is not installed passes: whoever imports it says so better.

    Args:
        name: A key of the table.

    Raises:
        UserError: The version is outside the range; the message lists what to look at.
    """
    library = libraries()[name]
    found = library.installed()
    if found is None or library.fits(found):
        return
    uses = "".join(f"\n  {use['name']} in vr1repro/{use['where']}: {use['test']}" for use in library.uses)
    raise UserError(
        f"{name} {found} is installed, this package knows >={library.least},<{library.below}. Install one of those; or"
        f" look at these uses of its inside, run their tests and widen the range in vr1repro/core/upstream.yaml:{uses}"
    )


def _release(found: str) -> tuple[int, ...]:
    """Numbers of a release, 1.16.0 of 1.16.0+cpu or 1.16.0rc1, without zeros at the end."""
    match = re.match(r"\d+(\.\d+)*", found)
    return tuple(int(part) for part in re.sub(r"(\.0+)+$", "", match[0]).split(".")) if match else ()
