"""Versions of the libraries whose private names this package uses, or which it patches.

The table is `table.yaml`: data, so that a word in it changes no rule's code hash. docs/upstream.md is generated from it
(`python -m vr1repro.core.upstream`).
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from vr1repro.core.errors import UserError

TABLE = Path(__file__).with_name("table.yaml")


@dataclass(frozen=True, kw_only=True)
class Use:
    """One private name, patch or internal structure of a library.

    Attributes:
        name: The names, as the library spells them.
        where: The module that uses them, below vr1repro/.
        symbols: The same as `module:attribute` paths; a test resolves them in the installed library.
        why: What the package does with them, and why no public name does.
        issue: The library's issue or pull request on the subject, or "none found".
        test: The test that fails where the library changes them.
    """

    name: str
    where: str
    symbols: tuple[str, ...]
    why: str
    issue: str
    test: str


@dataclass(frozen=True, kw_only=True)
class Library:
    """A library, the versions that fit, and what this package uses of its inside.

    Attributes:
        distributions: Names under which pip may know it.
        least: The first version that fits.
        below: The first later version that may not fit.
    """

    name: str
    distributions: tuple[str, ...]
    least: str
    below: str
    uses: tuple[Use, ...]

    def installed(self) -> str | None:
        """The installed version, None where the library is not installed."""
        for distribution in self.distributions:
            try:
                return version(distribution)
            except PackageNotFoundError:
                continue
        return None

    def fits(self, release: str) -> bool:
        """Whether a version lies in the range."""
        return _numbers(self.least) <= _numbers(release) < _numbers(self.below)


def libraries() -> dict[str, Library]:
    """Every library of the table."""
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return {
        name: Library(
            name=name,
            distributions=tuple(entry.get("distributions", [name])),
            least=entry["least"],
            below=entry["below"],
            uses=tuple(Use(**{**use, "symbols": tuple(use.get("symbols", ()))}) for use in entry["uses"]),
        )
        for name, entry in table.items()
    }


@cache
def require(name: str) -> None:
    """Refuse a version of a library whose inside nobody has compared with the table.

    A library that is not installed passes: its import fails with a better message.

    Args:
        name: A key of the table.

    Raises:
        UserError: The installed version is outside the range; the message lists every use of the library's inside.
    """
    library = libraries()[name]
    release = library.installed()
    if release is None or library.fits(release):
        return
    uses = "".join(f"\n  {use.name} (vr1repro/{use.where}): {use.test}" for use in library.uses)
    raise UserError(
        f"{name} {release} is installed; this package knows >={library.least},<{library.below}. Install one of those,"
        f" or look at each of these uses, run its test, and widen the range in vr1repro/core/upstream/table.yaml:{uses}"
    )


def _numbers(release: str) -> tuple[int, ...]:
    """(1, 16) of 1.16.0, 1.16.0+cpu and 1.16.0rc1: the release's numbers without zeros at the end."""
    match = re.match(r"\d+(?:\.\d+)*", release)
    numbers = [int(part) for part in match[0].split(".")] if match else []
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
