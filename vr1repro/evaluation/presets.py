"""What a model's replies look like, where nobody says: by its manifest, else by its name.

Source: Vision-R1's printed samples have think and answer tags. The rest is ours: an instruct model that was trained on
no tag is asked for a box. How the paper asked the other models of its tables is not stated.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vr1repro.config.evaluation import Preset
from vr1repro.core.outside import json_file
from vr1repro.core.provenance import MANIFEST

_TRAINED = ("sft", "rl-stage")
_FAMILIES: tuple[tuple[str, Preset, str], ...] = (
    (r"vision[-_]?r1", "think-answer", "Vision-R1 writes think and answer tags"),
    (r"qwen[-_]?\d?(\.\d)?-?(vl|omni)|qvq", "boxed", "an instruct model, trained on no tag, is asked for a box"),
)


@dataclass(frozen=True)
class Choice:
    """A preset and why it was chosen.

    Attributes:
        known: Whether anything is on record; else the preset is a guess.
    """

    preset: Preset
    reason: str
    known: bool = True

    def __str__(self) -> str:
        """One line for a reader."""
        if self.known:
            return f"preset {self.preset}: {self.reason}"
        return f"WARNING preset {self.preset}: {self.reason}; another one may suit it far better: --preset"


def preset_of(location: str, served: str | None = None) -> Choice:
    """The preset that suits a model.

    Args:
        location: A checkpoint folder, `owner/name@commit` on the hub, or an endpoint's URL.
        served: The name under which an endpoint serves it.

    Raises:
        UserError: The folder has a manifest that is damaged.
    """
    content = _manifest(Path(location)) if served is None else {}
    kind, settings = content.get("kind"), content.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    if kind in _TRAINED:
        return Choice("think-answer", f"{MANIFEST} says that it was trained here ({kind}), on the paper's completion")
    source = settings.get("id") or settings.get("path")
    if kind == "model" and source is None:
        return Choice("think-answer", f"{MANIFEST} says that it is a model of the lab, made for the paper's completion")
    name = served or str(source or Path(location).resolve() if Path(location).is_dir() else source or location)
    for pattern, preset, reason in _FAMILIES:
        if re.search(pattern, name, re.IGNORECASE):
            return Choice(preset, f"{reason} (by the name {name})")
    return Choice("boxed", f"nothing is known of {name}", known=False)


def _manifest(folder: Path) -> dict[str, Any]:
    """What a folder's manifest says; nothing where it has none, or that of another program."""
    if not (folder / MANIFEST).is_file():
        return {}
    values = json_file(folder / MANIFEST)
    content = values.get("content") if isinstance(values, dict) else None
    return content if isinstance(content, dict) else {}
