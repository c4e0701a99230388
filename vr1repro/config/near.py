"""The key that was meant: what the config knows at a place, and which of it is most like what stands there."""

import difflib
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any

from vr1repro.config.run import Config


def nearest(key: str, known: Collection[str]) -> str | None:
    """The known key that a mistyped one is most like, or None where none is like it."""
    return next(iter(difflib.get_close_matches(key, known, n=1, cutoff=0.7)), None)


def known_keys(path: Sequence[str | int]) -> list[str]:
    """The keys that a config knows below a path, of every kind of section that may stand there."""
    places = [_schema()]
    for part in path:
        places = [below for place in places for below in _below(place, part)]
    return sorted({key for place in places for section in _sections(place) for key in section.get("properties", {})})


def _below(place: dict[str, Any], part: str | int) -> Iterator[dict[str, Any]]:
    """What a place of the schema has under a key, under names of the user's own, or as an element."""
    for section in _sections(place):
        properties = section.get("properties", {})
        if part in properties:
            yield properties[part]
        elif isinstance(part, int):
            yield section.get("items", {})
        else:
            yield from section.get("patternProperties", {}).values()


def _sections(place: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The sections that a place of the schema may be: itself, what it refers to, each of a choice."""
    yield place
    if "$ref" in place:
        yield from _sections(_schema()["$defs"][place["$ref"].rpartition("/")[2]])
    for name in ("anyOf", "oneOf", "allOf"):
        for choice in place.get(name, []):
            yield from _sections(choice)


@cache
def _schema() -> dict[str, Any]:
    return Config.model_json_schema()
