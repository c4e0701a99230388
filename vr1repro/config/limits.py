"""Limits on what a run reads from outside (`core.limits`), where the defaults are too small for somebody's data."""

from pydantic import Field

from vr1repro.config.base import Section
from vr1repro.core.limits import Limits, use


class InputLimits(Section):
    """What a file from outside may hold; one that holds more is refused before it fills memory or disk."""

    unpacked_bytes: int = Field(
        default=Limits.unpacked_bytes,
        gt=0,
        description="Most bytes that an archive, or a row group of a Parquet file, unpacks to. Ours.",
    )
    unpacked_ratio: int = Field(
        default=Limits.unpacked_ratio,
        gt=0,
        description="Most times its own size that an archive unpacks to; up to 64 MB it may be more. Ours.",
    )
    members: int = Field(default=Limits.members, gt=0, description="Most files in an archive. Ours.")
    nesting: int = Field(default=Limits.nesting, ge=16, le=500, description="Most levels of JSON or YAML. Ours.")
    digits: int = Field(default=Limits.digits, ge=20, le=4_300, description="Most digits of an integer. Ours.")
    aliases: int = Field(
        default=Limits.aliases, gt=0, description="Most values in a YAML file, its aliases written out. Ours."
    )

    def put_in_force(self) -> None:
        """Apply them to all that this process reads from now on."""
        use(Limits(**self.model_dump()))
