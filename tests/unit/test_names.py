"""Variables of the package are named by the noun that they hold."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

# Words that name anything and so say nothing: `match`, `choices`, `rows` or `message` is meant.
CATCH_ALL = frozenset({"asked", "earned", "found", "own", "said", "wanted"})
# Rooms and modules of the package that still use them.
NOT_YET: tuple[str, ...] = ()


def catch_all_names(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of every variable, argument, attribute that is set, function and class with such a name."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name, ctx=ast.Store()):
                pass
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                pass
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                pass
            case ast.alias(asname=str(name)):
                pass
            case _:
                continue
        if name.lower().strip("_") in CATCH_ALL:
            yield node.lineno, name


def test_the_package_names_its_nouns(repo: Path) -> None:
    package = repo / "vr1repro"
    files = {path.relative_to(package).as_posix(): path for path in package.rglob("*.py")}
    places = [
        f"vr1repro/{name}:{line}: {word}"
        for name, path in sorted(files.items())
        if not name.startswith(NOT_YET)
        for line, word in catch_all_names(path.read_text(encoding="utf-8"))
    ]
    assert not places, "name the noun instead:\n" + "\n".join(places)


@pytest.mark.parametrize(
    "source",
    [
        "found = f()",
        "for asked in rows: pass",
        "f(lambda wanted: 1)",
        "def f(*, own): pass",
        "def earned(): pass",
        "class Wanted: pass",
        "self.said = 1",
        "if (_found := f()): pass",
        "try: f()\nexcept ValueError as found: pass",
        "match x:\n case [found]: pass",
        "import x as found",
    ],
)
def test_each_kind_of_name_is_seen(source: str) -> None:
    assert list(catch_all_names(source))


@pytest.mark.parametrize(
    "source", ["match = f()", "'found'", "x = reply.found", "f(found=1)", "profound = own_rows = 1"]
)
def test_other_peoples_attributes_and_longer_names_pass(source: str) -> None:
    assert not list(catch_all_names(source))
