"""Where benchmarks lie: the folders of `vr1repro/benchmarks`, and those that a config or command names besides.

A benchmark is a folder, and the folder's name is its slug. Its modules are imported by name (`benchmarks.lookup`), so
that nothing that needs one part of one benchmark (its prompts, its scorers) imports the parts of another.
"""

import importlib.util
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from vr1repro.core.adapter_names import AUTO, adapter_names
from vr1repro.core.errors import UserError

PACKAGE = "vr1repro.benchmarks"
_FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
# What every benchmark has beside its facts.
PARTS = ("adapter", "prompts", "profiles")
_NAME = re.compile(r"[a-z][a-z0-9]*")  # a name in configs, paths and Python
_further: dict[str, Path] = {}


def use(folders: Iterable[str | Path]) -> None:
    """Let further folders be benchmarks of this process, until it ends.

    A folder's parent joins Python's search path, so that grading processes find its modules too.

    Args:
        folders: Paths, from the working directory where they are relative.

    Raises:
        UserError: A folder is no benchmark, or its name is taken by another benchmark, an adapter or a Python module.
    """
    for folder in (Path(name).expanduser().resolve() for name in folders):
        slug = folder.name
        if _further.get(slug) == folder:
            continue
        _refuse_incomplete(folder)
        if slug in (*slugs(), AUTO, *adapter_names()) or not _is_free(slug, folder):
            raise UserError(
                f"{folder}: the name {slug!r} is taken by a benchmark, adapter or Python module; rename the folder"
            )
        if str(folder.parent) not in sys.path:
            sys.path.append(str(folder.parent))
        _further[slug] = folder


def _refuse_incomplete(folder: Path) -> None:
    if not (folder / "__init__.py").is_file():
        raise UserError(f"{folder}: not a benchmark's folder: it has no __init__.py")
    if not _NAME.fullmatch(folder.name):
        raise UserError(f"{folder}: a benchmark's name is of small letters and digits, a letter first")
    if missing := [f"{part}.py" for part in PARTS if not (folder / f"{part}.py").is_file()]:
        raise UserError(f"{folder}: has no {', '.join(missing)}; docs/benchmarks.md says what each file must hold")


def _is_free(slug: str, folder: Path) -> bool:
    """Whether `import slug` finds nothing but this folder, which it does where the parent is on Python's path."""
    spec = importlib.util.find_spec(slug)
    return spec is None or spec.origin == str(folder / "__init__.py")


def slugs() -> tuple[str, ...]:
    """All benchmarks, by name."""
    ours = (path.parent.name for path in _FOLDER.glob("*/__init__.py"))
    return tuple(sorted([*ours, *_further]))


def folder_of(slug: str) -> Path:
    """Where a benchmark lies: in this package, or where `use` was told.

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
