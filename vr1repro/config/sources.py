"""Where each value of config/paper.yaml comes from: the paper, the repository, or nowhere (`paper_sources.yaml`)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, Self

import yaml
from pydantic import BaseModel, model_validator

from vr1repro.config.base import Section

FILE = "paper_sources.yaml"
# owner/name at a commit and there a path, or an issue.
REFERENCE = re.compile(r"[\w.-]+/[\w.-]+(@[0-9a-f]{7,40}:[\w./-]+|#\d+)")


class SourceRule(Section):
    """Where the values of some keys come from; exactly one of `paper`, `published`, `repo` and `unstated`.

    Attributes:
        values: By key what the source says. `*` stands for any part of a key.
        keys: Keys that no source states.
        paper: Words of the notes on the paper.
        published: Id of a published value.
        repo: Repository, commit and path, or issue.
        quote: With `repo`: words of the notes on it.
        unstated: Whose value is used.
    """

    values: Mapping[str, Any] = {}
    keys: tuple[str, ...] = ()
    paper: str | None = None
    published: str | None = None
    repo: str | None = None
    quote: str | None = None
    unstated: str | None = None

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        sources = [name for name in ("paper", "published", "repo", "unstated") if getattr(self, name)]
        if len(sources) != 1:
            raise ValueError(f"needs exactly one source, has {sources or 'none'}")
        if bool(self.keys) != bool(self.unstated) or bool(self.values) == bool(self.unstated):
            raise ValueError("`keys` go with `unstated`, `values` with every other source")
        if self.repo and not REFERENCE.fullmatch(self.repo):
            raise ValueError(f"repo: {self.repo} is neither owner/name@commit:path nor owner/name#issue")
        return self

    @cached_property
    def patterns(self) -> Mapping[str, re.Pattern[str]]:
        """By key as written, what matches it."""
        return {key: re.compile(re.escape(key).replace(r"\*", ".*")) for key in (*self.values, *self.keys)}

    def match(self, key: str) -> str | None:
        """The first of the rule's keys that stands for a key."""
        return next((written for written, pattern in self.patterns.items() if pattern.fullmatch(key)), None)


@dataclass(frozen=True)
class Leaf:
    """One value of a config.

    Attributes:
        key: `arms.zero.stages[0].steps`.
        field: The same as the documentation writes it, `arms.<name>.stages[].steps`.
    """

    key: str
    field: str
    value: Any


@dataclass(frozen=True)
class Sourced:
    """A value with its rule and the key of the rule that stands for it; None where there is none."""

    leaf: Leaf
    rule: SourceRule | None
    written: str | None


@cache
def source_rules() -> Sequence[SourceRule]:
    """All rules, in their order."""
    rows = yaml.safe_load(files(__package__).joinpath(FILE).read_text(encoding="utf-8"))
    return tuple(SourceRule.model_validate(row) for row in rows)


def leaves(value: Any, key: str = "", field: str = "") -> Iterator[Leaf]:
    """Every value of a section that is written, in the order of the models; an empty list or mapping is a value."""
    if isinstance(value, BaseModel):
        written = value.model_dump()
        for name in (name for name in type(value).model_fields if name in written):
            dot = "." if key else ""
            yield from leaves(getattr(value, name), f"{key}{dot}{name}", f"{field}{dot}{name}")
    elif isinstance(value, dict) and value:
        for name, item in value.items():
            yield from leaves(item, f"{key}.{name}", f"{field}.<name>" if isinstance(item, BaseModel) else field)
    elif isinstance(value, list | tuple) and value and isinstance(value[0], BaseModel):
        for number, item in enumerate(value):
            yield from leaves(item, f"{key}[{number}]", f"{field}[]")
    else:
        yield Leaf(key, field, value)


def sourced(config: BaseModel) -> Iterator[Sourced]:
    """Every value of a config with the first rule that fits its key."""
    for leaf in leaves(config):
        matches = ((rule, rule.match(leaf.key)) for rule in source_rules())
        rule, written = next(((rule, written) for rule, written in matches if written is not None), (None, None))
        yield Sourced(leaf, rule, written)
