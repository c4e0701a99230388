"""What the tests' own sources must not hold, found in their syntax trees: see `CHECKS`."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef

_CLOCKS = {"time", "monotonic", "perf_counter", "process_time", "time_ns", "monotonic_ns", "perf_counter_ns"}
# A program or a shell command that a test holds as text.
_SLEEP_IN_TEXT = re.compile(r"\bsleep\W{1,3}\d*\.?\d*[1-9]")
_LIMITS = {"wait", "communicate", "run", "check_output", "wait_procs", "join", "wait_for", "result", "urlopen"}
_CONTEXTS = {"raises", "warns", "fail", "deprecated_call"}  # pytest's own assertions
_WRITES_TO_ITSELF = {
    "write_text", "write_bytes", "mkdir", "touch", "unlink", "rename", "rmdir", "symlink_to", "to_csv", "to_parquet",
    "savefig",
}  # fmt: skip
_WRITES_TO_AN_ARGUMENT = re.compile(r"write_\w+|append_\w+|copy\w*|move|rmtree|to_csv|to_parquet|savefig|dump")
_RELATIVE = re.compile(r"(results|paper_figs|docs|config|tests|bench|examples|envs|workflow|vr1repro)/")
_NO_ERROR = re.compile(r"\bno error\b", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """One file of tests, and the names of the helpers that it has and that assert.

    Attributes:
        path: Relative to the repository.
        tree: Its syntax tree.
        asserting: Its functions and methods, and those of the files that hold no tests, that assert.
    """

    path: str
    tree: ast.Module
    asserting: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Fault:
    """A place that breaks a rule.

    Attributes:
        check: The rule's name in `CHECKS`.
        place: `file:function`, as `ALLOWED` names it; `file:` at the top of a module.
        line: Where to look.
        text: The source.
    """

    check: str
    place: str
    line: int = field(compare=False)
    text: str = field(compare=False)


def called_name(call: ast.Call) -> str:
    """The last part of the name of what is called, or an empty text."""
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def calls(node: ast.AST) -> Iterator[ast.Call]:
    """Every call below a node."""
    return (one for one in ast.walk(node) if isinstance(one, ast.Call))


def is_test(function: Function) -> bool:
    """Whether pytest collects a function by its name."""
    return function.name.startswith("test_")


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function and method, nested ones included."""
    return (one for one in ast.walk(tree) if isinstance(one, Function))


def asserts_itself(node: ast.AST) -> bool:
    """Whether a node asserts without the help of another function of the tests."""
    if any(isinstance(one, ast.Assert) for one in ast.walk(node)):
        return True
    names = {called_name(call) for call in calls(node)}
    return bool(names & _CONTEXTS) or any(name.startswith("assert") for name in names)


def asserting_helpers(trees: list[ast.Module], known: frozenset[str] = frozenset()) -> frozenset[str]:
    """Names of functions and methods that assert, through any chain of calls, and those known; no test is a helper."""
    bodies = [part.body for tree in trees for part in (tree, *tree.body) if isinstance(part, ast.Module | ast.ClassDef)]
    helpers = [one for body in bodies for one in body if isinstance(one, Function) and not is_test(one)]
    found = {*known, *(function.name for function in helpers if asserts_itself(function))}
    while more := {
        function.name
        for function in helpers
        if function.name not in found and any(called_name(call) in found for call in calls(function))
    }:
        found |= more
    return frozenset(found)


def _sleeps(source: Source) -> Iterator[ast.AST]:
    """Sleeps of any length but none: a test waits for an event (`waiting.wait_until`)."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Module | ast.ClassDef | Function) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and any(_is_sleep(part) for part in (node.func, *node.args)):
            # `asyncio.sleep(0)` lets other tasks run, and takes no time.
            if not (_is_sleep(node.func) and [ast.unparse(value) for value in node.args] == ["0"]):
                yield node
        elif isinstance(node, ast.Constant) and id(node) not in docstrings and _SLEEP_IN_TEXT.search(str(node.value)):
            yield node


def _is_sleep(node: ast.AST) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name == "sleep"


def _durations(source: Source) -> Iterator[ast.AST]:
    """Assertions on a clock: what they show depends on how busy the machine is."""
    for function in functions(source.tree):
        clocked: set[str] = set()
        for node in sorted((n for n in ast.walk(function) if isinstance(n, ast.Assign)), key=lambda n: n.lineno):
            if _reads_clock(node.value, clocked):
                clocked |= {one.id for target in node.targets for one in ast.walk(target) if isinstance(one, ast.Name)}
        for node in ast.walk(function):
            if isinstance(node, ast.Assert) and _reads_clock(node.test, clocked):
                yield node


def _reads_clock(node: ast.AST, clocked: set[str]) -> bool:
    names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return bool(names & clocked) or any(
        called_name(call) in _CLOCKS and not call.args and not call.keywords for call in calls(node)
    )


def _limits(source: Source) -> Iterator[ast.AST]:
    """Limits of another length than `waiting.PATIENCE_S` on a wait: a busy machine passes them."""
    for call in calls(source.tree):
        if called_name(call) in _LIMITS:
            limits = [word.value for word in call.keywords if word.arg == "timeout"]
            limits += call.args[1:2] if called_name(call) == "wait_for" else []
            if any(ast.unparse(limit) not in ("None", "PATIENCE_S") for limit in limits):
                yield call


def _nothing_asserted(source: Source) -> Iterator[ast.AST]:
    """Tests that assert nothing, and whose docstring does not say that no error is what they show."""
    for function in functions(source.tree):
        if is_test(function) and not asserts_itself(function):
            helped = any(called_name(call) in source.asserting for call in calls(function))
            if not helped and not _NO_ERROR.search(ast.get_docstring(function) or ""):
                yield function


def _committed_writes(source: Source) -> Iterator[ast.AST]:
    """Writes below the repository: a test asks the fixture `reference_file` for the place."""
    top = {name for name, value in _assigned(source.tree.body) if _in_repository(value, {"repo", "REPO"})}
    for function in functions(source.tree):
        committed = {"repo", "REPO", *top}
        statements = sorted((n for n in ast.walk(function) if isinstance(n, ast.stmt)), key=lambda n: n.lineno)
        for name, value in _assigned(statements):
            if _in_repository(value, committed):
                committed.add(name)
        for call in calls(function):
            if _writes_to(call, committed):
                yield call


def _assigned(statements: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for node in statements:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value


def _in_repository(node: ast.expr, committed: set[str]) -> bool:
    """Whether an expression is a path below the repository: `repo / "x"`, `HERE.with_name(...)`, `Path(__file__)`."""
    if isinstance(node, ast.Name):
        return node.id in committed or node.id == "__file__"
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Div) and _in_repository(node.left, committed)
    if isinstance(node, ast.Attribute):
        return (node.attr in committed and node.attr == "repo") or (
            node.attr in ("parent", "parents") and _in_repository(node.value, committed)
        )
    if isinstance(node, ast.Subscript):
        return _in_repository(node.value, committed)
    if isinstance(node, ast.Call):
        if called_name(node) in ("with_name", "with_suffix", "resolve", "joinpath", "absolute"):
            return isinstance(node.func, ast.Attribute) and _in_repository(node.func.value, committed)
        return called_name(node) == "Path" and any(_in_repository(value, committed) for value in node.args)
    # A relative path, as `Path("results/reference")`: tests run in the repository.
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(_RELATIVE.match(node.value))


def _writes_to(call: ast.Call, committed: set[str]) -> bool:
    name = called_name(call)
    owner = [call.func.value] if isinstance(call.func, ast.Attribute) else []
    arguments = [*call.args, *(word.value for word in call.keywords)]
    targets: list[ast.expr] = []
    if name == "open":
        modes = [*call.args, *(word.value for word in call.keywords if word.arg == "mode")]
        mode = next((one.value for one in modes if isinstance(one, ast.Constant)), "r")
        targets = [*owner, *call.args] if set(str(mode)) & set("wax+") else []
    elif name in _WRITES_TO_ITSELF:
        targets = owner
    if _WRITES_TO_AN_ARGUMENT.fullmatch(name):
        # What copies only reads its first argument, and a helper that gets the whole repository reads it.
        targets += [one for one in arguments[name.startswith("copy") :] if ast.unparse(one) != "repo"]
    return any(_in_repository(target, committed) for target in targets)


CHECKS: dict[str, Callable[[Source], Iterator[ast.AST]]] = {
    "sleep": _sleeps,
    "duration": _durations,
    "limit": _limits,
    "nothing-asserted": _nothing_asserted,
    "committed-write": _committed_writes,
}


def faults(sources: dict[str, str]) -> list[Fault]:
    """Every fault of every check in files of tests, given by path and text."""
    trees = {path: ast.parse(text) for path, text in sources.items()}
    helpers = [tree for path, tree in trees.items() if not Path(path).name.startswith("test_")]
    shared = asserting_helpers(helpers)
    found = []
    for path, tree in trees.items():
        asserting = asserting_helpers([tree], shared)
        for check, find in CHECKS.items():
            for node in find(Source(path, tree, asserting)):
                line = getattr(node, "lineno", 0)
                text = ast.unparse(node).splitlines()[0]
                found.append(Fault(check, f"{path}:{_function_of(tree, line)}", line, text[:100]))
    return list(dict.fromkeys(found))


def _function_of(tree: ast.Module, line: int) -> str:
    """The outermost function or the method around a line."""
    inside = [one for one in functions(tree) if one.lineno <= line <= (one.end_lineno or one.lineno)]
    return min(inside, key=lambda one: one.lineno).name if inside else ""


def read_tests(repo: Path) -> dict[str, str]:
    """The text of every file of the tests, by its path in the repository."""
    paths = sorted((repo / "tests").rglob("*.py"))
    return {path.relative_to(repo).as_posix(): path.read_text(encoding="utf-8") for path in paths}
