"""What one published number is, and the reader of the committed list."""

import json
from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

NUMBERS = "numbers.json"


class ValueClass(StrEnum):
    """What kind of statement a published number is.

    Attributes:
        CLAIM: The authors' own measurement.
        DERIVED: Arithmetic on other printed numbers (mean column, delta row, rank); the arithmetic is checked.
        SETTING: A hyper-parameter, size or cost; compared as equal, differs or not stated.
        QUOTED_BASELINE: A model or data set that is not the paper's own, or a third party's measurement.
        DIGITISED: Read off a printed curve; drawn as a ghost, never judged.
        PHENOMENON: A sentence, mostly of a caption, that says in which direction something goes, as its value.
        EXAMPLE: One output that is printed as an illustration; never judged.
        SCORE_FILE: Of a file of scores that somebody gave to `compare`: no statement of the authors, equal or not.
    """

    CLAIM = "claim"
    DERIVED = "derived"
    SETTING = "setting"
    QUOTED_BASELINE = "quoted-baseline"
    DIGITISED = "digitised"
    PHENOMENON = "phenomenon"
    EXAMPLE = "example"
    SCORE_FILE = "score-file"


class Status(StrEnum):
    """How a derived number agrees with the printed numbers that it was derived from.

    Attributes:
        EXACT: The printed operands give the printed result after rounding.
        WITHIN_ROUNDING: They give it only if the operands' own rounding is allowed for.
        DISAGREES: They do not give it.
    """

    EXACT = "exact"
    WITHIN_ROUNDING = "within rounding"
    DISAGREES = "disagrees"


class Formula(StrEnum):
    """How a derived number was calculated from its operands.

    Attributes:
        MEAN: Of all of them.
        DIFFERENCE: First minus second.
        MEAN_DIFFERENCE: Of pairs, each first minus second: the mean.
        RANK: Place of the first among all, the largest in place 1.
        RATIO: First over second.
        REPEAT: The one operand, printed again.
    """

    MEAN = "mean"
    DIFFERENCE = "difference"
    MEAN_DIFFERENCE = "mean difference"
    RANK = "rank"
    RATIO = "ratio"
    REPEAT = "repeat"


def compute(formula: Formula, values: Sequence[float]) -> float:
    """What a formula gives for the values of its operands."""
    match formula:
        case Formula.MEAN:
            return sum(values) / len(values)
        case Formula.DIFFERENCE:
            return values[0] - values[1]
        case Formula.MEAN_DIFFERENCE:
            return 2 * (sum(values[::2]) - sum(values[1::2])) / len(values)
        case Formula.RANK:
            return 1.0 + sum(value > values[0] for value in values[1:])
        case Formula.RATIO:
            return values[0] / values[1]
        case Formula.REPEAT:
            return values[0]


class Frozen(BaseModel):
    """A value that nothing may change after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Target(Frozen):
    """Which of our own results a published number speaks about.

    Attributes:
        arm: Arm of the experiment; None where no arm is meant (word counts of the cold-start set).
        benchmark: Slug of the benchmark; `average` for the mean of several; `rl-train` for the RL training set;
            `rl-curve` for a training curve; `coldset` for the cold-start set, `llava-cot` and `mulberry` for what it is
            made from.
        subset: `overall`, a sub-score (`geo`, `vision-only`), a length bin, or a word.
        quantity: `accuracy`, `proportion`, `tokens`, `reward`, `word_count` or `score`.
        of: For `average`, the benchmarks (and `benchmark:subset`) whose mean is meant.
        step: Global RL step on a curve.
        checkpoint: `best` for the best of an arm's last checkpoints; None for its end.
    """

    arm: str | None = None
    benchmark: str
    subset: str = "overall"
    quantity: str
    of: tuple[str, ...] = ()
    step: int | None = None
    checkpoint: Literal["best"] | None = None


class Arithmetic(Frozen):
    """The check of a derived number.

    Attributes:
        formula: How it is calculated.
        operands: Ids of the printed numbers.
        computed: What the formula gives.
        status: How that agrees with what is printed.
    """

    formula: Formula
    operands: tuple[str, ...]
    computed: float
    status: Status


class PublishedValue(Frozen):
    """One printed number.

    Attributes:
        id: Stable slug of version, table, model, benchmark, subset and metric; unique.
        value_class: What kind of statement it is (`class` in the file).
        table: Table, figure or section, as its source numbers it.
        version: v1, v4, README, repo, or who else printed it.
        model: As it is printed.
        benchmark: As it is printed; a group of benchmarks for an average.
        subset: The printed column or sub-score, empty where there is none.
        metric: What is measured, with its unit.
        value: The number; settings may be text, a phenomenon is a quote.
        source: Document, revision and place where it was read.
        rounding: Half a unit of the last printed digit, or the digitising tolerance; settings have none, but for sizes
            of sets.
        target: Which of our results it speaks about, None where we have no such result.
        arithmetic: The check, for derived numbers whose operands are printed.
        note: What is peculiar about it.
        step: RL step, for curves.
        ptst_stage: PTST stage that the step belongs to, for curves.
        stages: `length x samples` of each stage, for the PTST ablation.
        relation: `over` where the text gives a bound from below, not a value.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    id: str
    value_class: ValueClass = Field(alias="class")
    table: str
    version: str
    model: str
    benchmark: str
    subset: str
    metric: str
    value: int | float | str
    source: str
    rounding: float | None = None
    target: Target | None = None
    arithmetic: Arithmetic | None = None
    note: str | None = None
    step: int | None = None
    ptst_stage: int | None = None
    stages: str | None = None
    relation: Literal["over"] | None = None

    @property
    def number(self) -> float:
        """The value, for those who calculate with it.

        Raises:
            TypeError: The value is a text.
        """
        if isinstance(self.value, str):
            raise TypeError(f"{self.id}: {self.value!r} is not a number")
        return float(self.value)


def load_values() -> list[PublishedValue]:
    """All published values, in the order of their sources."""
    return list(_load())


@cache
def _load() -> tuple[PublishedValue, ...]:
    rows = json.loads(files(__package__).joinpath(NUMBERS).read_text(encoding="utf-8"))
    return tuple(PublishedValue.model_validate(row) for row in rows)


def table_values(name: str, version: str) -> list[PublishedValue]:
    """The values of one table of one version, in printed order.

    Raises:
        KeyError: There is no such table.
    """
    rows = [value for value in load_values() if value.table == name and value.version == version]
    if not rows:
        raise KeyError(f"no published table {name!r} in version {version!r}")
    return rows
