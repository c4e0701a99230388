"""The sizes of the lab's world that tests start from: those of config/micro.yaml, its only home."""

from pathlib import Path
from typing import Any

from vr1repro.config.lab import Lab
from vr1repro.config.loader import load


def micro_lab() -> Lab:
    """The section `lab` of config/micro.yaml."""
    lab = load(Path(__file__).parents[1] / "config" / "micro.yaml").lab
    assert lab is not None
    return lab


LAB = micro_lab()


def changed(**sections: dict[str, Any]) -> Lab:
    """Micro's lab with some values of its sections changed, checked again."""
    values = LAB.model_dump()
    for section, new in sections.items():
        values[section] |= new
    return Lab.model_validate(values)
