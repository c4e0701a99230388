"""Which module of a package needs which: every way in which one names another counts as an arrow."""

import ast
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

Arrow = tuple[str, str]
_LOADERS = ("import_module", "__import__", "run_module", "spec_from_file_location")
_LOADING = ("importlib", "core.exports")  # what a package imports that loads its modules by name


@dataclass(frozen=True)
class Package:
    """The modules of a package by dotted name.

    A module's arrows go to what it imports, at the top, inside a function or for types only, and to every module whose
    name stands in it as a string, alone or before `:name`: for `importlib`, `python -m` or a table of names. Where a
    package's `__init__.py` loads modules by name, the name of one of its own is enough.
    """

    folder: Path
    files: dict[str, Path]

    @classmethod
    def read(cls, folder: Path) -> "Package":
        """The package in a folder that has its name."""
        names = {}
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder.parent).with_suffix("").parts
            names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return cls(folder, names)

    def children(self, folder: str) -> set[str]:
        """The folders and modules of a folder, its own `__init__.py` apart."""
        beneath = (name.removeprefix(f"{folder}.") for name in self.files if name.startswith(f"{folder}."))
        return {name.split(".")[0] for name in beneath}

    def arrows(self, names_only: Collection[str] = ()) -> set[Arrow]:
        """All arrows between different modules.

        Args:
            names_only: Modules whose strings are names that they never load.
        """
        return {
            (name, target)
            for name, path in self.files.items()
            for target in self._targets(name, ast.parse(path.read_text(encoding="utf-8")), name not in names_only)
            if target != name
        }

    def loads_by_name(self) -> set[str]:
        """Modules that load another by a name that does not stand in the call."""
        return {
            name
            for name, path in self.files.items()
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call)
            and (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")) in _LOADERS
            and not (node.args and isinstance(node.args[0], ast.Constant))
        }

    def _targets(self, name: str, tree: ast.Module, strings: bool) -> Iterator[str]:
        is_package = self.files[name].name == "__init__.py"
        modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        loads = is_package and any((module or "").endswith(_LOADING) for module in modules)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from self._known(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    parts = name.split(".")
                    above = parts[: len(parts) - node.level + is_package]
                    base = ".".join([*above, base] if base else above)
                for alias in node.names:
                    yield from self._known([f"{base}.{alias.name}"]) or self._known([base])
            elif strings and isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from self._known([node.value.partition(":")[0]] if "." in node.value else [])
                if loads:
                    yield from self._known([f"{name}.{node.value.replace('-', '_')}"])
            elif strings and isinstance(node, ast.List | ast.Tuple):
                yield from self._known(self._programs(node.elts))

    def _known(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if name in self.files]

    def _programs(self, words: list[ast.expr]) -> Iterator[str]:
        """`-m package` runs the package's `__main__`."""
        texts = [word.value if isinstance(word, ast.Constant) else None for word in words]
        for before, text in pairwise(texts):
            if before == "-m" and isinstance(text, str):
                yield f"{text}.__main__"


def circle(arrows: Iterable[Arrow]) -> list[str]:
    """A circle of arrows, its first point again at the end; empty where there is none."""
    graph: dict[str, set[str]] = {}
    for source, target in arrows:
        graph.setdefault(source, set()).add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def between(arrows: Iterable[Arrow], folder: str) -> set[Arrow]:
    """The arrows between the children of a folder, its own `__init__.py` apart."""
    children = set()
    for source, target in arrows:
        if source.startswith(f"{folder}.") and target.startswith(f"{folder}."):
            first, second = (name.removeprefix(f"{folder}.").split(".")[0] for name in (source, target))
            if first != second:
                children.add((first, second))
    return children


def not_downwards(arrows: Iterable[Arrow], folder: str, floors: list[list[str]]) -> list[str]:
    """Arrows between the children of a folder that do not go to a lower floor.

    Raises:
        KeyError: A child has no floor.
    """
    floor = {child: number for number, children in enumerate(floors) for child in children}
    return [
        f"{source} -> {target}" for source, target in sorted(between(arrows, folder)) if floor[target] >= floor[source]
    ]
