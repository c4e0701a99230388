"""The environment of the pages' templates."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def page_environment() -> "Environment":
    """The templates. Autoescape is on for everything, and no value is ever marked as safe."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("vr1repro.reporting.page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
