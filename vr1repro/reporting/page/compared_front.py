"""What the first page of a report on anyone's models shows; `reporting.compare` fills it."""

from collections.abc import Sequence
from dataclasses import dataclass

from vr1repro.reporting.claims.comparison import Comparison


@dataclass(frozen=True, kw_only=True)
class PrintedRow:
    """A printed number beside a model's.

    Attributes:
        key: Its name on the page.
        arm: The model.
        what: Benchmark and sub-score, as printed.
        beside: The printed model.
        where: The places that print the number.
        says: What the difference says, in words.
    """

    key: str
    arm: str
    what: str
    beside: str
    where: str
    says: str
    row: Comparison


@dataclass(frozen=True, kw_only=True)
class ComparedFront:
    """The first page.

    Attributes:
        title: The models' names, and beside whom they stand.
        tally: How many claims are reproduced, a sentence a model.
        chance: What chance does to that; empty where nothing was tested.
        scorers: Which scorer suits whose printed numbers.
        regraded: The commands that grade by those scorers, a text for each benchmark; empty where all graded here.
        would_tell: What would tell of the claims that cannot be told, with how many.
        rows: Each printed number with each model, once.
        without: Which printed scores have no counterpart, a sentence; empty where all have.
        pairs: The models against each other, a sentence each.
    """

    title: str
    tally: Sequence[str]
    chance: str
    scorers: str
    regraded: Sequence[str]
    would_tell: Sequence[tuple[str, int]]
    rows: Sequence[PrintedRow]
    without: str
    pairs: Sequence[str]
