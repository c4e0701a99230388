"""What an adapter's file defines as `SCHEMA`."""

from collections.abc import Callable
from dataclasses import dataclass

from vr1repro.benchmarks.base import Numbering
from vr1repro.core.images import ImageStore
from vr1repro.core.records import Problem
from vr1repro.core.rows import Row


@dataclass(frozen=True, kw_only=True)
class Schema:
    """How rows of one kind are known and adapted.

    Attributes:
        columns: A row that has all columns of one of these sets is of this kind.
        adapt: Makes the problem, from the row, its number in the file and where image paths lead.
        without: A row that has one of these columns is of another kind.
        position: Schemas of a low position are tried first, those below 0 before the benchmarks.
        numbered: Makes what numbers rows whose ids come several times, before they are adapted.
    """

    columns: tuple[frozenset[str], ...]
    adapt: Callable[[Row, int, ImageStore | None], Problem]
    without: frozenset[str] = frozenset()
    position: int = 100
    numbered: Callable[[], Numbering] | None = None

    def fits(self, columns: frozenset[str]) -> bool:
        """Whether a row of these columns is of this kind."""
        return any(required <= columns for required in self.columns) and not self.without & columns
