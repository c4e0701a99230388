"""What each key of a stage is in another engine, by the committed table `counterparts.yaml`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml
from pydantic import Field

from vr1repro.config.base import Section
from vr1repro.core.errors import UserError
from vr1repro.handover.engines import Engine

FILE = "counterparts.yaml"
# What stands in counterparts.json and in the folder of a stage that came back.
COUNTERPARTS = "counterparts.json"


class Likeness(StrEnum):
    """How much of a key another engine has."""

    EXACT = "exact"
    OPERATIONAL = "operational"
    APPROXIMATE = "approximate"
    NONE = "none"
    REFUSED = "refused"


class Case(Section):
    """One case of a key in the table."""

    values: list[Any] | None = Field(default=None, alias="is")
    stage: Literal["later"] | None = None
    epochs: Literal["several"] | None = None
    likeness: Likeness = Field(alias="class")
    theirs: str | None = Field(default=None, alias="as")
    why: str = Field(min_length=1)


@dataclass(frozen=True, kw_only=True)
class Counterpart:
    """A key of a stage in another engine.

    Attributes:
        theirs: Its key or keys, where it has any.
    """

    key: str
    value: Any
    likeness: Likeness
    theirs: str | None
    why: str


@cache
def table() -> Mapping[str, Mapping[str, Sequence[Case]]]:
    """Cases by engine and key; `rl` holds what verl and EasyR1 share."""
    rows = yaml.safe_load(files(__package__).joinpath(FILE).read_text(encoding="utf-8"))
    return {
        engine: {
            key: [Case.model_validate(case) for case in (cases if isinstance(cases, list) else [cases])]
            for key, cases in keys.items()
        }
        for engine, keys in rows.items()
    }


def cases_of(engine: Engine) -> dict[str, Sequence[Case]]:
    """Cases of one engine by key, its own before the shared ones."""
    shared = table()["rl"] if engine.trains == "rl" else {}
    return {**shared, **table()[engine.name]}


def counterparts(engine: Engine, values: Mapping[str, Any], stage: int) -> list[Counterpart]:
    """Every key of a stage as it is in an engine, in the order of the keys.

    Args:
        values: Of the stage, by flat key.
        stage: Its number from 1; 0 for SFT.

    Raises:
        UserError: The table does not know a key: somebody added it and did not say what it is there.
    """
    known, rows = cases_of(engine), []
    for key, value in values.items():
        case = next((case for case in known.get(key, []) if _fits(case, value, stage, values)), None)
        if case is None:
            raise UserError(
                f"vr1repro/handover/{FILE}: says nothing of {key}: {value!r} in {engine.title}; add a case for it"
            )
        rows.append(Counterpart(key=key, value=value, likeness=case.likeness, theirs=case.theirs, why=case.why))
    return rows


def refuse(engine: Engine, rows: Iterable[Counterpart], approximate: bool) -> None:
    """Refuse a stage that an engine cannot train as it says.

    Args:
        approximate: Keys without a counterpart may go by their reasons.

    Raises:
        UserError: A key has no counterpart and `approximate` is false, or it would make another loss; all are named.
    """
    refused = [row for row in rows if row.likeness is Likeness.REFUSED]
    missing = [] if approximate else [row for row in rows if row.likeness is Likeness.NONE]
    if not refused and not missing:
        return
    lines = [f"{row.key}: {row.value!r} cannot be handed to {engine.title}: {row.why}" for row in [*refused, *missing]]
    end = (
        "change it, or train here" if refused else "change them, or take that with --approximate (config: approximate)"
    )
    raise UserError("\n".join([*lines, end]))


def as_json(engine: Engine, rows: Sequence[Counterpart]) -> dict[str, Any]:
    """What counterparts.json holds: the engine, how many keys are of each class, and each key with its reason."""
    counts = {likeness.value: sum(row.likeness is likeness for row in rows) for likeness in Likeness}
    keys = [{**asdict(row), "likeness": row.likeness.value} for row in rows]
    return {
        "engine": engine.name,
        "version": engine.version,
        "support": engine.support,
        "counts": {name: count for name, count in counts.items() if count},
        "keys": keys,
    }


def _fits(case: Case, value: Any, stage: int, values: Mapping[str, Any]) -> bool:
    if case.values is not None and not any(type(value) is type(one) and value == one for one in case.values):
        # 0 and 0.0 are the same number to a config.
        numbers = [one for one in case.values if isinstance(one, int | float) and not isinstance(one, bool)]
        if isinstance(value, bool) or value not in numbers:
            return False
    if case.stage == "later" and stage < 2:
        return False
    return not (case.epochs == "several" and values.get("sft.epochs", 1) <= 1)
