"""The hash of a job's code, on which its rule reruns and a training resumes.

A rule names its job's module. The hash covers the syntax trees of that module and of all that it imports inside this
package, imports inside functions included, but for `OUTSIDE`. Modules that a job loads by name are not seen in its
imports, so the rule names them too (`engines.load.engine_modules`, `problems.lookup.adapter_modules`, ...).
Docstrings and comments do not count: editing a line of code reruns what it made, a touch, a checkout or a comment does
not.
"""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from vr1repro.core import benchmark_folders
from vr1repro.core.errors import UserError

PACKAGE = Path(__file__).resolve().parents[1]
# Modules that no hash covers, by the beginning of their name, and why.
OUTSIDE = {
    "vr1repro.config": "the values of a config are in its rules' `settings`",
    "vr1repro.__main__": "it starts the command line",
    "vr1repro.cli": "it finds the job and decides nothing that a job writes",
    "vr1repro.commands": "what a person calls; no rule does",
    "vr1repro.jobs.interrupts": "messages",
    "vr1repro.jobs.warm": "it starts jobs, and a job started warm writes what it writes cold (tests/unit/jobs/warm)",
    "vr1repro.core.adapter_names": "it lists the adapters, which are covered themselves",
    "vr1repro.core.benchmark_folders": "it finds a benchmark's modules, which are covered themselves",
    "vr1repro.core.code_hash": "it says whether a checkpoint may be resumed, and decides nothing in it",
    "vr1repro.core.errors": "messages",
    "vr1repro.core.mistakes": "messages",
    "vr1repro.core.locks": "it refuses a second process, and decides nothing that the first one writes",
    "vr1repro.core.processes": "it ends a process with its parent, and decides nothing that one writes",
    "vr1repro.core.progress": "progress bars",
    "vr1repro.core.secrets": "it removes keys that a server echoes; for an edit of it no server is asked again",
    "vr1repro.core.yaml_tree": "it refuses a config, whose values are in the rules' `settings`",
    "vr1repro.reporting.run.regraded": "it says whether verdicts were edited, and decides no number",
}


@cache
def code_hash(*modules: str) -> str:
    """Hash of modules and of all they import, 16 hex digits.

    Args:
        modules: Dotted names, for example `vr1repro.jobs.sft`. A package means its `__init__`.

    Raises:
        UserError: There is no such module.
    """
    digest = hashlib.sha256()
    for name, sha in module_hashes(*modules).items():
        digest.update(f"{name} {sha}\n".encode())
    return digest.hexdigest()[:16]


def module_hashes(*modules: str) -> dict[str, str]:
    """The hash of each module that `code_hash` covers, by name."""
    return {name: _module_hash(_module_file(name)) for name in sorted(closure(modules))}


def closure(modules: Iterable[str]) -> set[str]:
    """The modules and all that they import inside the package, but for `OUTSIDE`."""
    seen: set[str] = set()
    waiting = [name for name in _with_packages(modules) if not is_outside(name)]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(imported for imported in imports(_module_file(name)) if not is_outside(imported))
    return seen


def imports(file: Path) -> set[str]:
    """The modules of the package, and of further benchmark folders, that a file imports."""
    names: set[str] = set()
    for node in ast.walk(_bare_tree(file)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names if _is_ours(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module and _is_ours(node.module):
            # `from vr1repro.x import y`: y is a submodule or a name in x.
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            names.update(submodule for submodule in submodules if _find_module(submodule))
            names.add(node.module)
    return _with_packages(names)


def _with_packages(names: Iterable[str]) -> set[str]:
    """Modules and the packages above them, which Python runs before a module."""
    return {name.rsplit(".", depth)[0] for name in names for depth in range(name.count(".") + 1)}


def is_outside(name: str) -> bool:
    """Whether no hash covers a module, see `OUTSIDE`."""
    return name == "vr1repro" or any(name == prefix or name.startswith(f"{prefix}.") for prefix in OUTSIDE)


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in ("vr1repro", *benchmark_folders.further())


def _find_module(name: str) -> Path | None:
    first, *rest = name.split(".")
    base = (PACKAGE if first == "vr1repro" else benchmark_folders.further()[first]).joinpath(*rest)
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _module_file(name: str) -> Path:
    path = _find_module(name) if _is_ours(name) else None
    if path is None:
        raise UserError(f"{name}: no such module below {PACKAGE}")
    return path


@cache
def _module_hash(path: Path) -> str:
    return hashlib.sha256(ast.dump(_bare_tree(path)).encode()).hexdigest()[:16]


@cache
def _bare_tree(path: Path) -> ast.Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            node.body = node.body[1:]
    return tree
