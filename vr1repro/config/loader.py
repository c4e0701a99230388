"""Read a config file; every mistake is named by file, line and key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from vr1repro.config.near import known_keys, nearest
from vr1repro.config.run import Config
from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.core.yaml_tree import yaml_document

# Keys of older versions, by section, with the value at which they did nothing: kept runs hold them.
_RETIRED = {("rl", "skip_equal_groups"): False}
# Keys that another one replaced, with what to write instead.
_REPLACED = {
    "rl.device_batch": "passes are cut by tokens now; set rl.tokens_per_forward",
    "rl.logit_tokens": "logits are never held whole now; take it out",
    **dict.fromkeys(
        ("evaluation.engine.window", "coldset.mllm.sampler.window", "coldset.reasoner.sampler.window"),
        "requests are fed one by one now; take it out (`ahead` bounds what is prepared)",
    ),
}


def load(path: Path) -> Config:
    """Read and check a complete config file.

    Raises:
        UserError: The file cannot be read, is not YAML, names a key twice, is past a limit (`core.limits`), or breaks a
            rule of the models; one line per mistake, each with file, line and key.
    """
    values, root = yaml_document(path)
    if not isinstance(values, dict):
        raise UserError(f"{path}: a config is a mapping of sections; see config/README.md")
    return check(values, str(path), root)


def load_merged(values: dict[str, Any], files: list[Path], source: str) -> Config:
    """Check what Snakemake merged from its config files and `--config` options.

    Args:
        files: The config files, for line numbers; those of one file are given only where it is the only one.
        source: What messages name as the place of a mistake.

    Raises:
        UserError: One line per mistake.
    """
    roots = []
    for file in map(Path, files):
        _, root = yaml_document(file)
        if root is not None:
            roots.append(root)
    return check(dict(values), source, roots[0] if len(roots) == 1 else None)


def write_resolved(config: Config, path: Path) -> None:
    """Write the complete config for the jobs, if it differs from what is there."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_atomically(path, text)


def check(values: dict[str, Any], source: str, root: yaml.Node | None = None) -> Config:
    """Check the values of a config.

    Args:
        source: File name for messages.
        root: The file's node tree, for line numbers.

    Raises:
        UserError: One line per mistake.
    """
    try:
        return Config.model_validate(_without_retired(values))
    except ValidationError as error:
        raise UserError("\n".join(_lines(error, values, source, root))) from None


def _lines(error: ValidationError, values: object, source: str, root: yaml.Node | None) -> Iterator[str]:
    """A line a mistake; of a mistyped key that is required, the line on the missing one is left out."""
    parts = error.errors()
    missing = {part["loc"] for part in parts if part["type"] == "missing"}
    mistyped: set[tuple[int | str, ...]] = set()
    for part in parts:
        if part["type"] == "extra_forbidden":
            *above, key = part["loc"]
            beside = [str(loc[-1]) for loc in missing if list(loc[:-1]) == above]
            if required := nearest(str(key), beside):
                mistyped.add((*above, required))
    yield from (_explain(part, values, source, root) for part in parts if part["loc"] not in mistyped)


def _without_retired(values: dict[str, Any]) -> dict[str, Any]:
    """The values without retired keys that did nothing; one that did something stays, and is refused as unknown."""
    sections = dict(values)
    for (section, key), idle in _RETIRED.items():
        content = sections.get(section)
        if isinstance(content, dict) and content.get(key) is idle:
            sections[section] = {name: value for name, value in content.items() if name != key}
    return sections


def _explain(error: Any, values: object, source: str, root: yaml.Node | None) -> str:
    # Pydantic puts the tag of a discriminated union into the path; only parts that exist in the file are keys. A tag
    # may be a key too (`kind: model` beside `model: ...`); but a key that is not the last one has something below it.
    keys: list[str | int] = []
    for place, part in enumerate(error["loc"], start=1):
        inside = isinstance(values, dict) and part in values
        inside = inside and (place == len(error["loc"]) or isinstance(values[part], dict | list))  # type: ignore[index]
        inside = inside or (isinstance(values, list) and isinstance(part, int) and part < len(values))
        if inside:
            values = values[part]  # type: ignore[index]
            keys.append(part)
    missing = error["loc"][-1:] if error["type"] == "missing" else ()
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        meant = nearest(str(keys[-1]), known_keys(keys[:-1]))
        hint = f"did you mean {meant}? " if meant else ""
        message = f"unknown key; {hint}config/README.md has those that exist"
    key = ".".join(str(part) for part in (*keys, *missing))
    message = _REPLACED.get(key, message) if error["type"] == "extra_forbidden" else message
    # A cross-check's message starts with the key that it is about; look its line up too.
    head = message.split(":")[0]
    line = _line(root, keys or _parts(head)) if root is not None else None
    where = source if line is None else f"{source}:{line}"
    return f"{where}: {key}: {message}" if key else f"{where}: {message}"


def _parts(key: str) -> list[str | int]:
    parts: list[str | int] = []
    for part in key.replace("[", ".").replace("]", "").split("."):
        parts.append(int(part) if part.isdigit() else part)
    return parts


def _line(node: yaml.Node, keys: list[str | int]) -> int | None:
    line = None
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(key)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
        else:
            break
    return line
