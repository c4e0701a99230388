"""Generate what is written about the config from its models: `python -m vr1repro.config.docs [--check]`.

config/README.md lists every key, each section once; config/schema.json serves editors. docs/DEVIATIONS.md lists, by
pipeline step, where the method differs from the paper's and every value that the paper does not state: first the keys
whose description says so, with the value that each config takes instead, then what else paper.yaml holds and no source
states (`paper_sources.yaml`).
"""

import ast
import inspect
import json
import re
import sys
import types
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from vr1repro.config.base import NOT_STATED
from vr1repro.config.loader import load
from vr1repro.config.run import Config
from vr1repro.config.sources import Leaf, Sourced, sourced

REPO = Path(__file__).resolve().parents[2]
_LONGEST = 100  # of the values of a row


@dataclass(frozen=True)
class Step:
    """A step of the pipeline in DEVIATIONS.md.

    Attributes:
        keys: Prefixes of the config keys that belong to it.
        modules: Prefixes of the names of its modules.
        first: The keys whose values decide most. The others follow in the order of the models.
    """

    title: str
    keys: tuple[str, ...]
    modules: tuple[str, ...]
    first: tuple[str, ...] = ()


# A key or module belongs to the first step that names its beginning.
STEPS = (
    Step(
        "Cold-start set",
        ("coldset.",),
        ("coldset/",),
        ("coldset.polish", "coldset.mllm.temperature", "coldset.reasoner.temperature", "coldset.reasoner.max_tokens"),
    ),
    Step(
        "Cold-start initialisation (SFT)",
        ("sft.", "starts."),
        ("training/sft",),
        ("sft.freeze_vision", "sft.group_by_length"),
    ),
    Step(
        "Reinforcement learning",
        ("rl.", "rewards.", "arms."),
        ("training/", "answers/"),
        (
            *("rl.problems", "rl.loss", "rl.learning_rate", "rl.prompts_per_step", "rl.updates_per_rollout"),
            *("rewards.<name>.strictness", "rewards.<name>.matcher", "rl.reference"),
        ),
    ),
    Step(
        "Evaluation",
        ("evaluation.", "graders.", "selection.", "lengths."),
        ("evaluation/", "benchmarks/"),
        ("evaluation.prompts", "evaluation.preset", "evaluation.temperature", "evaluation.max_tokens"),
    ),
    Step("Report", ("reporting.",), ("reporting/",), ("reporting.profile", "reporting.protocol", "reporting.margins")),
    Step("Models, data, the run and the machine", ("",), ("",)),
)
# Keys that say where and how fast something runs or which commit is fetched: last in their step.
LAST = re.compile(
    r"(revision|prices\.\w+|tensor_parallel|dtype|max_model_len|extra|options|save_every|zero_stage|precision|memory_mb"
    r"|workers|timeout_s|max_image_pixels|max_pixels|device_batch)$"
)


def sections(model: type[BaseModel] = Config, path: str = "") -> dict[type[BaseModel], list[str]]:
    """The sections below a model, depth first, each with the paths where it stands."""
    places: dict[type[BaseModel], list[str]] = defaultdict(list)
    places[model].append(path)
    for name, field in model.model_fields.items():
        for inner_path, inner in _models(field.annotation, f"{path}.{name}" if path else name):
            for section, at in sections(inner, inner_path).items():
                places[section] += [place for place in at if place not in places[section]]
    return places


def _models(annotation: Any, path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """The sections inside a type, with the path under which their keys stand."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _models(arguments[0], path)
    elif origin in (Union, types.UnionType):
        for argument in arguments:
            yield from _models(argument, path)
    elif origin is dict:
        yield from _models(arguments[1], f"{path}.<name>")
    elif origin is list:
        yield from _models(arguments[0], f"{path}[]")
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield path, annotation


def _title(section: type[BaseModel]) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", section.__name__).capitalize()


def _type_words(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_words(arguments[0])
    if origin is Literal:
        return ", ".join(json.dumps(argument) for argument in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type_words(argument) for argument in arguments))
    if origin in (list, tuple):
        inner = ", ".join(dict.fromkeys(_type_words(a) for a in arguments if a is not Ellipsis))
        return f"list of {inner}"
    if origin is dict:
        return f"mapping of {_type_words(arguments[0])} to {_type_words(arguments[1])}"
    if annotation is type(None):
        return "null"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{_title(annotation)}](#{_title(annotation).lower().replace(' ', '-')})"
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
        "`make docs` generates this page from the models in `vr1repro/config/`; do not edit it. A config file is",
        "complete: nothing is merged under it. An unknown key, a wrong type or an impossible arm is refused before any",
        "job starts, with file, line and key.",
        "",
        "`micro.yaml` is the default (a laptop), `smoke.yaml` is as small as tests need, `paper.yaml` is the paper. v1",
        "is the first arXiv version, v4 the ICLR version, repo is Osilly/Vision-R1@c061681. Words such as *arm* and",
        "*stage* are explained in [the glossary](../docs/glossary.md).",
        "",
        "Each section is described once. The type of a key leads to its section. `<name>` stands for a name of your",
        "own, `[]` for each element of a list. Where several sections are possible, `kind` says which one it is.",
    ]
    for section, places in sections().items():
        at = f" At {', '.join(f'`{place}`' for place in places)}." if any(places) else ""
        summary = (inspect.getdoc(section) or "").split("\n\n")[0].replace("\n", " ")
        lines += ["", f"## {_title(section)}", "", f"{summary}{at}", ""]
        lines += ["| key | type | default | meaning and source |", "|---|---|---|---|"]
        for name, field in section.model_fields.items():
            lines.append(_row(f"`{name}`", _type_words(field.annotation), _default(field), field.description or ""))
    return "\n".join(lines) + "\n"


def _row(first: str, *cells: str) -> str:
    return f"| {' | '.join([first, *map(_cell, cells)])} |"


def _default(field: FieldInfo) -> str:
    return _default_words(PydanticUndefined if field.is_required() else field.get_default(call_default_factory=True))


def deviations() -> str:
    """docs/DEVIATIONS.md."""
    configs = {name: load(REPO / "config" / f"{name}.yaml") for name in ("paper", "micro")}
    values = {name: dict(unstated_keys(config)) for name, config in configs.items()}
    by_source = list(sourced(configs["paper"]))
    unstated = sum(1 for value in by_source if value.rule is None or value.rule.unstated)
    others = _named_by_source(by_source, values["paper"])
    descriptions = {key: description for used in values.values() for key, (description, _) in used.items()}
    lines = [
        "# Where this differs from the paper, and what the paper does not state",
        "",
        "`make docs` generates this page; do not edit it. Each step of the pipeline first lists where the method",
        "differs; this comes from the docstrings of the modules named. Then come the values that the paper does not",
        'state, those that decide most first: the config keys whose description says "not stated", and then what else',
        "`config/paper.yaml` holds that no source states, with whose value it is. Of its",
        f"{len(by_source)} values {len(by_source) - unstated} have a source in the paper or its repository, and",
        f"{unstated} have none (`vr1repro/config/paper_sources.yaml`).",
    ]
    keys, method = list(descriptions), deviations_by_step()
    for step in STEPS:
        own_keys = [key for key in keys if key.startswith(step.keys)]
        keys = [key for key in keys if key not in own_keys]
        lines += ["", f"## {step.title}", ""]
        lines += [f"- {text} (`vr1repro/{module}`)" for module, text in method[step.title]]
        lines += [""] * bool(method[step.title])
        lines += ["| key | paper.yaml | micro.yaml | source |", "|---|---|---|---|"]
        for key in sorted(own_keys, key=lambda key: (_rank(key, step.first), bool(LAST.search(key)))):
            shown = [_shown(used[key][1]) if key in used else "not used" for used in values.values()]
            lines.append(_row(f"`{key}`", *shown, descriptions[key]))
        if rest := [row for row in others if row[0].startswith(step.keys)]:
            lines += ["", "| further, not stated either | paper.yaml | whose value |", "|---|---|---|"]
            lines += [_row(f"`{key}`", shown, whose) for key, shown, whose in rest]
        others = [row for row in others if row not in rest]
    return "\n".join(lines) + "\n"


def _named_by_source(by_source: Sequence[Sourced], described: Collection[str]) -> list[tuple[str, str, str]]:
    """Keys as their rule writes them, their values in short, and whose these are; without what is described above."""
    rows: dict[tuple[str, str], list[Leaf]] = defaultdict(list)
    for value in by_source:
        if value.rule is not None and value.rule.unstated and value.leaf.field not in described:
            rows[str(value.written), value.rule.unstated].append(value.leaf)
    return [(key, _short(leaves), whose) for (key, whose), leaves in rows.items()]


def _short(leaves: Sequence[Leaf]) -> str:
    """The values of some keys, each once, where they are few."""
    texts = dict.fromkeys(f"`{json.dumps(leaf.value, ensure_ascii=False, default=str)}`" for leaf in leaves)
    short = ", ".join(texts)
    return short if len(short) <= _LONGEST else "see the file"


def _rank(key: str, first: tuple[str, ...]) -> int:
    return first.index(key) if key in first else len(first)


def method_deviations() -> Iterator[tuple[str, str]]:
    """Module and text of each item in a docstring's list whose title begins with "Deviations from the paper"."""
    package = REPO / "vr1repro"
    for path in sorted(package.rglob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        for paragraph, items in zip(docstring.split("\n\n"), docstring.split("\n\n")[1:], strict=False):
            if paragraph.startswith("Deviations from the paper"):
                for item in re.split(r"\n(?=\d+\. )", items):
                    yield path.relative_to(package).as_posix(), " ".join(item.split()[1:])


def deviations_by_step() -> dict[str, list[tuple[str, str]]]:
    """The items of `method_deviations` by the title of the step that their module belongs to."""
    by_step: dict[str, list[tuple[str, str]]] = {step.title: [] for step in STEPS}
    for module, text in method_deviations():
        step = next(step for step in STEPS if module.startswith(step.modules))
        by_step[step.title].append((module, text))
    return by_step


def unstated_keys(
    section: BaseModel, path: str = "", entry: str = ""
) -> Iterator[tuple[str, tuple[str, dict[str, Any]]]]:
    """The keys below a section that the paper does not state: path, description, and value by entry."""
    merged: dict[str, tuple[str, dict[str, Any]]] = {}
    for name, field in type(section).model_fields.items():
        key, value = f"{path}.{name}" if path else name, getattr(section, name)
        inner = [(key, entry, value)] if isinstance(value, BaseModel) else []
        if isinstance(value, dict):
            inner = [(f"{key}.<name>", label, item) for label, item in value.items() if isinstance(item, BaseModel)]
        elif isinstance(value, list):
            inner = [(f"{key}[]", entry, item) for item in value if isinstance(item, BaseModel)]
        if not inner and key.split(".")[0] != "lab" and NOT_STATED.search(field.description or ""):
            merged.setdefault(key, (field.description or "", {}))[1][entry] = value
        for inner_path, label, item in inner:
            for inner_key, (description, by_entry) in unstated_keys(item, inner_path, label):
                merged.setdefault(inner_key, (description, {}))[1].update(by_entry)
    yield from merged.items()


def _shown(by_entry: dict[str, Any]) -> str:
    texts = {entry: f"`{json.dumps(value, ensure_ascii=False)}`" for entry, value in by_entry.items()}
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"{entry} {text}" for entry, text in texts.items())


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
