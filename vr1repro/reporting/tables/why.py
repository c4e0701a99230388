"""`vr1repro why`: from a table's cell down to its responses, the checkpoints that wrote them, and their ancestors."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from vr1repro.core.errors import UserError
from vr1repro.core.outside import json_object
from vr1repro.core.provenance import file_sha, json_sha
from vr1repro.reporting.lineage.sources import FILE, RESPONSES, Sources
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.tables.render import estimate, number
from vr1repro.reporting.tables.table import KEY_FORM, Cell, Line, Table, all_tables

_SHORT = 12  # characters of a hash on screen
_SEEDS = ("seed", "step")
T = TypeVar("T")


@dataclass(frozen=True)
class LocatedCell:
    """A cell with its table, row and column."""

    table: Table
    line: Line
    column: str
    cell: Cell


def find(tables: list[Table], name: str) -> LocatedCell:
    """The cell with a name; case does not matter, a row may be named by its arm.

    Raises:
        UserError: There is no such table, row or column; the message names those that there are.
    """
    parts = parts_of(name)
    table = _pick("table", parts[0], {table.key: table for table in tables})
    arms = {line.arm: line for line in reversed(table.lines) if line.arm}
    line = _pick("row", parts[1], {line.name: line for line in table.lines}, arms)
    column = _pick("column", parts[2], {column: column for column in table.columns})
    return LocatedCell(table, line, column, line.cells[table.columns.index(column)])


def parts_of(name: str) -> list[str]:
    """Table, row and column of a cell's name.

    Raises:
        UserError: They are not three.
    """
    parts = name.split(":")
    if len(parts) != 3:
        raise UserError(f"{name}: must be {KEY_FORM}, for example T1:Vision-R1-7B:MathVista")
    return parts


def _pick(kind: str, name: str, choices: Mapping[str, T], aliases: Mapping[str, T] | None = None) -> T:
    for names in (choices, aliases or {}):
        for spelling, value in names.items():
            if spelling.lower() == name.strip().lower():
                return value
    close = difflib.get_close_matches(name, choices, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise UserError(f"no {kind} `{name}`; {hint}There are: {', '.join(choices)}")


@dataclass(frozen=True, kw_only=True)
class Explained:
    """What `why` looks into: a run, or a comparison of anyone's models.

    Attributes:
        config: The file that says how it was made.
        tables: Its tables.
        written: Folder of the tables as they were written.
    """

    results: Results
    config: Path
    tables: Sequence[Table]
    written: Path


def explain(results: Results, config: Path, name: str) -> str:
    """The chain behind a cell of a run as text; arguments as for `explain_cell`."""
    written = results.run / "tables"
    return explain_cell(Explained(results=results, config=config, tables=all_tables(results), written=written), name)


def explain_cell(explained: Explained, name: str) -> str:
    """The chain behind a cell as text.

    Args:
        name: `<table>:<row>:<column>`.

    Raises:
        UserError: There is no such cell.
    """
    located = find(list(explained.tables), name)
    return "\n".join(_lines(explained, located, Sources(explained.results)))


def _lines(explained: Explained, located: LocatedCell, sources: Sources) -> Iterator[str]:
    results, config, cell = explained.results, explained.config, located.cell
    yield f"{located.table.key_of(located.line, located.column)}   ({located.table.title})"
    if cell.paper is not None:
        yield f"paper: {cell.paper.value} ({cell.paper.value_class.value}, {cell.paper.id})"
        yield f"  read in: {cell.paper.source}"
    ours = cell.ours
    if ours is None:
        yield f"ours: none. {cell.reason or located.line.note or 'the paper prints a dash, or we have no such model'}"
        return
    yield f"ours: {estimate(ours)}, n {ours.n}, clusters {ours.clusters}, {ours.method}"
    if cell.difference is not None:
        judged = f"; {cell.label.value}: {cell.reason}" if cell.label else ""
        yield f"difference: {number(cell.difference, signed=True)}{judged}"
    settings = results.settings
    yield f"headline: protocol {settings.protocol}, scoring profile {settings.profile}"
    yield f"config: {config} sha256 {file_sha(config)[:_SHORT]}"
    paths = sources.of(cell.target)
    together = json_sha([sources.sha(path) for path in paths])
    since = _since(explained.written, located, together)
    yield f"made from {len(paths)} files, together sha256 {together[:_SHORT]}{since}:"
    yield from _files(paths, sources)


def _files(paths: Sequence[str], sources: Sources) -> Iterator[str]:
    """Files with their makers, then the models that wrote responses, each with its ancestors."""
    run, folders = sources.results.run, {artefact.path: artefact for artefact in sources.artefacts.values()}
    models: dict[str, str] = {}
    for path in paths:
        yield f"  {path}  {sources.sha(path)[:_SHORT]}"
        folder = Path(path).parent
        if path.endswith(RESPONSES) and (evaluation := _json(run / folder / "run.json")):
            content = evaluation["content"]
            models[content["model_sha"]] = content["model"]
            yield (
                f"    asked of {content['model']} ({content['model_sha'][:_SHORT]}), seed {content['seed']}, settings"
                f" {json_sha(content['generation'])[:_SHORT]}, commit {_short(evaluation['made'].get('commit'))}"
            )
        elif path.endswith("steps.jsonl") and (stage := folders.get(folder.as_posix())):
            yield f"    logged by commit {_short(stage.commit)}, settings {json_sha(stage.settings)[:_SHORT]}"
    if models:
        yield "written by:"
    told: set[str] = set()
    for sha in sorted(models, key=lambda each: models[each]):
        yield from _ancestry(sha, f"model {models[sha]}", sources, told)


def _since(folder: Path, located: LocatedCell, together: str) -> str:
    """Whether the table that was written there was made of the files as they are now."""
    written = _json(folder / FILE)
    if written is None:
        return ""
    cell = written["cells"].get(located.table.key_of(located.line, located.column))
    same = cell is not None and cell["sha256"] == together
    return " (as when tables/ was written)" if same else " (CHANGED since tables/ was written)"


def _ancestry(sha: str, role: str, sources: Sources, told: set[str], indent: str = "  ") -> Iterator[str]:
    """A finished folder and, below it, those that it was made of; described once, named again."""
    artefact = sources.artefacts.get(sha)
    if artefact is None:
        yield f"{indent}{role}: {sha[:_SHORT]} (its manifest is not in this run's files)"
        return
    if sha in told:
        yield f"{indent}{role}: {artefact.path}  {sha[:_SHORT]} (above)"
        return
    told.add(sha)
    settings = artefact.settings
    seeds = ", ".join(f"{name} {settings[name]}" for name in _SEEDS if name in settings)
    yield (
        f"{indent}{role}: {artefact.path}  {sha[:_SHORT]}, commit {_short(artefact.commit)}, settings"
        f" {json_sha(settings)[:_SHORT]}" + (f" ({seeds})" if seeds else "")
    )
    for name, digest in artefact.files.items():
        if name.endswith(".safetensors"):
            yield f"{indent}  weights {name}  {digest[:_SHORT]}"
    for name, child in sources.inputs_of(artefact).items():
        yield from _ancestry(child, name, sources, told, f"{indent}  ")


def _json(path: Path) -> dict[str, Any] | None:
    return json_object(path) if path.exists() else None


def _short(commit: str | None) -> str:
    return str(commit or "unknown")[:_SHORT]
