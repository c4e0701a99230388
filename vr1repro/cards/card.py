"""What both cards say: what the artefact was made from, with which settings, where that differs, and how to make it."""

import json
import shlex
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from vr1repro.benchmarks import lookup
from vr1repro.cards.artefacts import Artefact, Origin
from vr1repro.cards.markdown import command, escaped, table
from vr1repro.config import docs
from vr1repro.core.provenance import CONTENT

PAPER = "Vision-R1 (arXiv 2503.06749)"
TAGS = ["vr1repro", "arxiv:2503.06749"]
NOT_STATED = "not stated"
_SHORT = 12  # characters of a hash in a table
# Titles of `docs.STEPS` by what an artefact is.
STEPS = {
    "coldset": "Cold-start set",
    "sft-model": "Cold-start initialisation (SFT)",
    "rl-model": "Reinforcement learning",
}
EVALUATION = "Evaluation"
# Where the keys of a step lie in a manifest's settings: prefix of the config's key, place in the settings.
_PLACES: dict[str, dict[str, tuple[str, ...]]] = {
    "coldset": {"coldset.": ()},
    "sft-model": {"sft.": ()},
    "rl-model": {"rl.": ("rl",), "rewards.<name>.": ("reward",), "arms.<name>.stages[].": ("stage",)},
}


def made_from(artefact: Artefact, origin: Origin) -> Iterator[str]:
    """The section on commit, hashes and ancestors."""
    yield from ["## What it was made from", ""]
    yield from [
        f"- content hash: `{escaped(artefact.sha)}`",
        f"- code: commit {escaped(artefact.commit or NOT_STATED)}",
        f"- made at: {escaped(artefact.made.get('at') or NOT_STATED)}",
        f"- libraries: {escaped(_versions(artefact)) or NOT_STATED}",
    ]
    yield from [f"- fact: {escaped(name)} {escaped(_json(value))}" for name, value in artefact.part("facts").items()]
    yield ""
    rows = [
        (
            f"{'. ' * ancestor.depth}{ancestor.role}",
            ancestor.artefact.path if ancestor.artefact else "its manifest is not here",
            taken_from(ancestor.artefact) if ancestor.artefact else NOT_STATED,
            ancestor.sha[:_SHORT],
            _short_commit(ancestor.artefact),
        )
        for ancestor in origin.ancestors(artefact)
    ]
    if rows:
        yield from table(("made from", "folder", "taken from", "hash", "made by commit"), rows)
        yield ""
    weights = [(name, sha) for name, sha in artefact.part("files").items() if str(name).endswith(".safetensors")]
    if weights:
        yield from table(("weights", "SHA-256"), weights)
        yield ""


def settings(artefact: Artefact) -> Iterator[str]:
    """The section on the settings, as the manifest has them."""
    rows = sorted(_flat(artefact.part("settings")))
    if rows:
        yield from [
            "## Settings",
            "",
            "Keys of the config, as the manifest has them.",
            "",
            *table(("key", "value"), rows),
            "",
        ]


def deviations(artefact: Artefact, origin: Origin, benchmarks: Collection[str] = ()) -> Iterator[str]:
    """The section on where the method differs from the paper and which values the paper does not state.

    Args:
        artefact: What the card is of.
        origin: Its run.
        benchmarks: Slugs of those that its scores are of.
    """
    chain = [artefact, *(one.artefact for one in origin.ancestors(artefact) if one.artefact is not None)]
    by_kind = {one.kind: one for one in reversed(chain)}
    titles = [title for kind, title in STEPS.items() if kind in by_kind] + [EVALUATION] * bool(benchmarks)
    if not titles:
        return
    yield from ["## Where this differs from the paper", ""]
    yield from ["As this version of vr1repro has it (docs/DEVIATIONS.md).", ""]
    method = docs.deviations_by_step()
    for title in titles:
        if texts := [text for module, text in method[title] if _applies(module, benchmarks)]:
            yield from [f"{title}:", "", *(f"- {text}" for text in texts), ""]
    rows = [row for kind in STEPS if kind in by_kind for row in _unstated(by_kind[kind], origin)]
    if rows:
        yield from ["Values that the paper does not state:", "", *table(("key", "value"), rows), ""]


def _applies(module: str, benchmarks: Collection[str]) -> bool:
    """Whether a module is no other benchmark's than those."""
    room, _, rest = module.partition("/")
    slug = rest.partition("/")[0]
    return room != "benchmarks" or slug not in lookup.slugs() or slug in benchmarks


def make_again(artefact: Artefact, origin: Origin) -> Iterator[str]:
    """The section with the commands that make it again."""
    yield from ["## Make it again", ""]
    if origin.plan is None:
        yield from [f"{NOT_STATED.capitalize()}: the run that made it is not here.", ""]
        return
    commit = artefact.commit
    lines = []
    if commit is None:
        yield from ["The commit of the code that made it is not stated.", ""]
    else:
        clean = commit.removesuffix("-dirty")
        lines = [f"git checkout {shlex.quote(clean)}"]
        if clean != commit:
            yield from ["The code had changes that no commit holds (`-dirty`).", ""]
    path = _closing_folder(artefact)
    target = PurePosixPath(origin.plan.root) / path / CONTENT
    config = f"--configfile {shlex.quote(str(origin.config_path))}"
    yield from [*command(*lines, f"snakemake --cores all {shlex.quote(str(target))} {config}"), ""]
    yield from [
        "The same bytes come out on a machine of the same type only; `content` in two manifests compares them.",
        "",
    ]


def licence(stated: str | None) -> list[str]:
    """The section on the licence."""
    if stated is not None:
        return ["## Licence", "", f"{escaped(stated)}, as whoever made this card stated.", ""]
    text = "Not stated. It follows from those of what it was made from; look at each before you pass this on."
    return ["## Licence", "", text, ""]


def _closing_folder(artefact: Artefact) -> str:
    """The folder whose content hash the workflow's rule writes: a step's is its stage's, SFT's is above `final`."""
    if artefact.kind in ("rl-model", "sft-model"):
        parent = PurePosixPath(artefact.path).parent
        return str(parent.parent if parent.name == "candidates" else parent)
    return artefact.path


def _short_commit(artefact: Artefact | None) -> str:
    if artefact is None or artefact.commit is None:
        return NOT_STATED
    clean, dirty, _ = artefact.commit.partition("-dirty")
    return clean[:_SHORT] + dirty


def taken_from(artefact: Artefact) -> str:
    """Where an artefact comes from, if nothing of the run is behind it."""
    source = artefact.source
    if source.get("kind") == "lab":
        return "generated by the lab"
    if source.get("kind") == "path":
        return f"a local copy, {source.get('path')}"
    if source.get("kind") == "hub":
        return f"{source.get('id')}@{artefact.hub_commit or source.get('revision') or 'commit not stated'}"
    return "this run"


def _versions(artefact: Artefact) -> str:
    versions = artefact.made.get("versions")
    return ", ".join(f"{name} {one}" for name, one in versions.items()) if isinstance(versions, dict) else ""


def _unstated(artefact: Artefact, origin: Origin) -> Iterator[tuple[str, str]]:
    """Keys that the paper does not state, with the values of the artefact's manifest."""
    if origin.plan is None:
        return
    for key, _ in docs.unstated_keys(origin.plan.config):
        for prefix, place in _PLACES[artefact.kind].items():
            if key.startswith(prefix):
                value = _at(artefact.part("settings"), [*place, *key.removeprefix(prefix).split(".")])
                if value is not None:
                    yield key, _json(value)


def _at(value: Any, path: list[str]) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, item in value.items():
        key = f"{prefix}{name}"
        if isinstance(item, dict) and item:
            yield from _flat(item, f"{key}.")
        else:
            yield key, _json(item)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
