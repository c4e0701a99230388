"""Where benchmarks lie: the folders of `vr1repro/benchmarks`, and those that a config or command names besides.

A benchmark is a folder, and the folder's name is its slug. Its modules are imported by name, so that nothing that needs
one part of one benchmark (its prompts, its scorers) imports the parts of another.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from vr1repro.core.errors import UserError

PACKAGE = "vr1repro.benchmarks"
_FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
_further: dict[str, Path] = {}


def use(folders: Iterable[str | Path]) -> None:
    """Let further folders be benchmarks of this process, until it ends.

    A folder's parent joins Python's search path, so that grading processes find its modules too.

    Raises:
        UserError: A folder is no benchmark, or its name is taken by another benchmark or Python module.
    """
    for folder in (Path(name).expanduser().resolve() for name in folders):
        slug = folder.name
        if _further.get(slug) == folder:
            continue
        if not (folder / "__init__.py").is_file():
            raise UserError(f"{folder}: not a benchmark's folder: it has no __init__.py")
        if slug in slugs() or importlib.util.find_spec(slug) is not None:
            raise UserError(
                f"{folder}: a benchmark or Python module named {slug!r} is there already; rename the folder"
            )
        sys.path.append(str(folder.parent))
        _further[slug] = folder


def slugs() -> tuple[str, ...]:
    """All benchmarks, by name."""
    ours = (path.parent.name for path in _FOLDER.glob("*/__init__.py"))
    return tuple(sorted([*ours, *_further]))


def folder_of(slug: str) -> Path:
    """The folder of a benchmark.

    Raises:
        UserError: There is no such benchmark; the message lists the known.
    """
    if slug not in slugs():
        raise UserError(f"benchmark {slug!r} is not known; take one of {', '.join(slugs())}")
    return _further.get(slug, _FOLDER / slug)


def further() -> dict[str, Path]:
    """The folders that `use` was called with, by slug."""
    return dict(_further)


def module_name(slug: str, part: str = "") -> str:
    """The dotted name of a benchmark's module, or of its facts where no part is named."""
    folder_of(slug)
    base = slug if slug in _further else f"{PACKAGE}.{slug}"
    return f"{base}.{part}" if part else base


def has(slug: str, part: str) -> bool:
    """Whether a benchmark has this module."""
    return (folder_of(slug) / f"{part}.py").is_file()


def load(slug: str, part: str = "") -> ModuleType:
    """A benchmark's module, imported when it is asked for.

    Raises:
        UserError: There is no such benchmark, or it has no such module.
    """
    if part and not has(slug, part):
        raise UserError(f"{folder_of(slug)}: has no {part}.py")
    return importlib.import_module(module_name(slug, part))
