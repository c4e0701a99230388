"""The examples in docstrings, and the names that packages offer."""

import ast
import doctest
import importlib
import re
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "vr1repro"


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


FILES = {_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
WITH_EXAMPLES = [name for name, path in FILES.items() if ">>> " in path.read_text(encoding="utf-8")]
OFFERING = [_name(path) for path in sorted(PACKAGE.rglob("__init__.pyi"))]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_in_docstrings_hold(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0, f"see `{sys.executable} -m doctest {FILES[name]}`"


@pytest.mark.parametrize("name", OFFERING)
def test_what_a_package_offers_is_there_and_typed(name: str) -> None:
    package = importlib.import_module(name)
    typed = re.findall(r"^from ([\w.]+) import (\w+) as \2$", FILES[name].with_suffix(".pyi").read_text(), re.MULTILINE)
    assert sorted(package.__all__) == sorted(each for _, each in typed)
    for module, each in typed:
        assert getattr(package, each) is getattr(importlib.import_module(module), each)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = package.nothing


def test_the_package_itself_imports_from_modules() -> None:
    # A code hash does not follow a name that a package only offers.
    offered = {name: set(importlib.import_module(name).__all__) for name in OFFERING}
    through_package = [
        f"{name} imports {alias.name} of {node.module}"
        for name, path in FILES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module in offered
        for alias in node.names
        if alias.name in offered[node.module]
    ]
    assert through_package == []
