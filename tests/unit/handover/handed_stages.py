"""Stages that the engines' tests hand over."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vr1repro.config.loader import check
from vr1repro.config.run import Config
from vr1repro.core.provenance import write_manifest
from vr1repro.handover.stage import HandedStage, handed_stage


@dataclass(frozen=True)
class Run:
    """A run's folder with what stages are made from, and its config.

    Attributes:
        results: The folder that holds the run's.
    """

    config: Config
    results: Path

    def stage(self, arm: str, number: int, **changed: Any) -> HandedStage:
        """A stage of it; `changed` keys of the config's `sft` or `rl`."""
        section = "rl" if number else "sft"
        values = self.config.model_dump(mode="json")
        values[section] |= changed
        return handed_stage(check(values, "test"), arm, number, 1, str(self.results))


def json_lines(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def with_template(model: Path, template: Path, out: Path) -> Path:
    """A model's folder with another chat template."""
    out.mkdir()
    for path in model.iterdir():
        if path.name not in ("manifest.json", "content.sha256", "chat_template.jinja"):
            os.link(path.resolve(), out / path.name)
    (out / "chat_template.jinja").write_text(template.read_text())
    write_manifest(out, "model", {}, {})
    return out


def of_model(stage: HandedStage, model: Path) -> HandedStage:
    """The same stage from another model's folder."""
    return replace(stage, model=model)
