"""Limits on what is read from outside: whatever is larger or deeper is refused before it fills memory or disk.

A config may raise them (`limits`); whoever reads a file takes those that are in force in this process.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a file from outside may hold.

    Attributes:
        unpacked_bytes: Most bytes that an archive may unpack to.
        unpacked_ratio: Most times its own size that an archive may unpack to; small ones are let be.
        members: Most members of an archive.
        nesting: Most levels of JSON or YAML.
        digits: Most digits of an integer.
        aliases: Most nodes of a YAML file once its aliases are written out.
    """

    unpacked_bytes: int = 2_000_000_000
    unpacked_ratio: int = 100
    members: int = 10_000
    nesting: int = 64
    digits: int = 4_000
    aliases: int = 100_000


class _InForce:
    limits = Limits()


def limits() -> Limits:
    """The limits in force in this process."""
    return _InForce.limits


def use(chosen: Limits) -> None:
    """Put other limits in force for the rest of this process."""
    _InForce.limits = chosen
