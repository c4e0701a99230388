"""Names that a package offers to others, imported when they are first used.

A package is run before any of its modules. Were its names imported there, a job that needs one module would import all
of them, and its code hash would cover them. The types stand in the `.pyi` file beside the package.
"""

import importlib
from collections.abc import Callable, Mapping


def exporter(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """The `__getattr__` of a package that offers names of its modules.

    Args:
        package: The package's `__name__`.
        homes: The module below the package by name.
    """

    def find(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        return value

    return find
