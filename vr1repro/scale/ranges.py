"""Figures of an estimate: ranges, and where they come from."""

from typing import Literal, NamedTuple

# v1, v4: versions of the paper; calculated from the config; assumed, with the reason.
Tag = Literal["v1", "v4", "calculated", "assumed"]


class Range(NamedTuple):
    """The least and the most."""

    low: float
    high: float

    def __add__(self, other: object) -> "Range":
        """Least and most of a sum."""
        assert isinstance(other, Range)  # noqa: S101 - NamedTuple's own + joins tuples
        return Range(self.low + other.low, self.high + other.high)

    def times(self, low: float, high: float | None = None) -> "Range":
        """Least and most of a product."""
        return Range(self.low * low, self.high * (low if high is None else high))


NOTHING = Range(0.0, 0.0)
