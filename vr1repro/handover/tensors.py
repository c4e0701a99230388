"""Headers of safetensors files: whether a model that came back is of the same shape as the one that went."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.core.outside import json_cell, json_object

_NAMES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}


def check_shapes(model: Path, start: Path) -> str:
    """Refuse weights whose tensors are not as many and as large as those that the stage started from.

    Versions of transformers name tensors in several ways, so names are not compared. A head whose weights are the
    embedding's may be saved or not.

    Returns:
        The type of the weights.

    Raises:
        UserError: They differ; the message says in what.
    """
    came, went = headers(model), headers(start)
    shapes, before = _shapes(came), _shapes(went)
    if shapes != before:
        more, fewer = shapes - before, before - shapes
        example = next(iter(more or fewer))
        raise UserError(
            f"{model}: its tensors are not those of {start}: {more.total()} more and {fewer.total()} fewer, one of"
            f" shape {list(example)}; it is another model's, or was merged in part"
        )
    types = Counter(tensor["dtype"] for tensor in came.values())
    return _NAMES.get(types.most_common(1)[0][0], "float32")


def headers(folder: Path) -> dict[str, dict[str, Any]]:
    """Type and shape of every tensor of a folder; its files are checked already (`engines.model_folder`)."""
    tensors: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            header = stream.read(int.from_bytes(stream.read(8), "little")).decode("utf-8")
        tensors |= json_cell(header, f"{path}: header")
    tensors.pop("__metadata__", None)
    if not tensors:
        raise UserError(f"{folder}: holds no *.safetensors")
    return tensors


def set_dtype(model: Path, dtype: str) -> None:
    """Say in config.json of which type the weights are now."""
    config = json_object(model / "config.json")
    for section in (config, config.get("text_config"), config.get("vision_config")):
        for key in ("dtype", "torch_dtype"):
            if isinstance(section, dict) and key in section:
                section[key] = dtype
    write_atomically(model / "config.json", json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def _shapes(tensors: dict[str, dict[str, Any]]) -> Counter[tuple[int, ...]]:
    return Counter(tuple(tensor["shape"]) for name, tensor in tensors.items() if not name.endswith("lm_head.weight"))
