"""Generate what is written about the config from its models: `python -m vr1repro.config.docs [--check]`.

config/README.md lists every key; config/schema.json serves editors; docs/DEVIATIONS.md lists every value that the paper
does not state, with the value that each config takes instead.
"""

import json
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from vr1repro.config.base import NOT_STATED
from vr1repro.config.loader import load
from vr1repro.config.run import Config

REPO = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Key:
    """One key of the config.

    Attributes:
        path: Dotted path; `<name>` stands for a name of the user's, `[]` for a list's element.
        type: Its type in words.
        default: Its default as JSON, or "required".
        description: From the model.
        section: Whether it has keys of its own.
    """

    path: str
    type: str
    default: str
    description: str
    section: bool


def keys(model: type[BaseModel] = Config, prefix: str = "") -> Iterator[Key]:
    """Every key below a model, depth first, in the order of the models."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        default = field.get_default(call_default_factory=True) if not field.is_required() else PydanticUndefined
        inner = list(_models(field.annotation, path))
        yield Key(path, _type_words(field.annotation), _default_words(default), field.description or "", bool(inner))
        for inner_path, inner_model in inner:
            yield from keys(inner_model, f"{inner_path}.")


def _models(annotation: Any, path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """The sections inside a type, with the path under which their keys stand."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _models(arguments[0], path)
    elif origin in (Union, types.UnionType):
        options = [found for argument in arguments for found in _models(argument, path)]
        for inner_path, model in options:
            kind = model.model_fields.get("kind")
            labels = ", ".join(get_args(kind.annotation)) if kind is not None and len(options) > 1 else ""
            yield (f"{inner_path}({labels})" if labels and inner_path == path else inner_path), model
    elif origin is dict:
        yield from _models(arguments[1], f"{path}.<name>")
    elif origin is list:
        yield from _models(arguments[0], f"{path}[]")
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield path, annotation


def _type_words(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_words(arguments[0])
    if origin is Literal:
        return ", ".join(json.dumps(argument) for argument in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type_words(argument) for argument in arguments))
    if origin in (list, tuple):
        inner = " ,".join(dict.fromkeys(_type_words(a) for a in arguments if a is not Ellipsis))
        return f"list of {inner}"
    if origin is dict:
        return f"mapping of {_type_words(arguments[0])} to {_type_words(arguments[1])}"
    if annotation is type(None):
        return "null"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    words = {str: "text", int: "integer", float: "number", bool: "true or false"}
    return words.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default_words(default: Any) -> str:
    if default is PydanticUndefined:
        return "required"
    if isinstance(default, BaseModel):
        return "see its keys"
    if isinstance(default, list) and default and isinstance(default[0], BaseModel):
        default = [item.model_dump(mode="json") for item in default]
    return f"`{json.dumps(default, ensure_ascii=False)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def readme() -> str:
    """config/README.md."""
    lines = [
        "# The config, key by key",
        "",
        "Generated from the models in `vr1repro/config/` by `make docs`; do not edit. A config file is complete:",
        "nothing is merged under it. An unknown key, a wrong type or an impossible arm is refused before any job",
        "starts, with file, line and key. `micro.yaml` is the default (a laptop), `smoke.yaml` is as small as tests",
        "need, `paper.yaml` is the paper. v1 is the first arXiv version, v4 the ICLR version, repo is",
        "Osilly/Vision-R1@c061681.",
        "`<name>` stands for a name of your own, `[]` for each element of a list, `(hub)` for the keys of that `kind`.",
        "",
        "| key | type | default | meaning and source |",
        "|---|---|---|---|",
    ]
    for key in keys():
        row = (f"`{key.path}`", _cell(key.type), _cell(key.default), _cell(key.description))
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def deviations() -> str:
    """docs/DEVIATIONS.md."""
    shown = {name: load(REPO / "config" / f"{name}.yaml").model_dump(mode="json") for name in ("paper", "micro")}
    lines = [
        "# What the paper does not state, and what is taken instead",
        "",
        'Generated from every config field whose source says "not stated" by `make docs`; do not edit. Deviations of',
        "method stand in the docstrings of `vr1repro/training/sft.py`, `vr1repro/training/grpo.py` and",
        "`vr1repro/coldset/bridge.py`.",
        "",
        "| key | paper.yaml | micro.yaml | source |",
        "|---|---|---|---|",
    ]
    for key in keys():
        if key.path.startswith("lab.") or not NOT_STATED.search(key.description) or key.section:
            continue
        values = [_cell(_value(shown[name], key.path)) for name in ("paper", "micro")]
        lines.append(f"| `{key.path}` | {values[0]} | {values[1]} | {_cell(key.description)} |")
    return "\n".join(lines) + "\n"


def _value(values: Any, path: str) -> str:
    for part in path.split("."):
        part = part.split("(")[0]
        if "<name>" in part or part.endswith("[]") or not isinstance(values, dict) or part not in values:
            return "by entry"
        values = values[part]
    return f"`{json.dumps(values, ensure_ascii=False)}`"


def generated() -> dict[Path, str]:
    """Every generated file and its text."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}
    return {
        REPO / "config" / "README.md": readme(),
        REPO / "config" / "schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
        REPO / "docs" / "DEVIATIONS.md": deviations(),
    }


def main() -> None:
    """Write the files, or with --check only compare and exit 1 where one is out of date."""
    stale = [path for path, text in generated().items() if not path.exists() or path.read_text("utf-8") != text]
    if "--check" in sys.argv:
        if stale:
            sys.exit(f"out of date: {', '.join(str(path.relative_to(REPO)) for path in stale)}; run `make docs`")
        return
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(generated()[path], encoding="utf-8")
        print(f"wrote {path.relative_to(REPO)}")


if __name__ == "__main__":
    main()
