"""Rows of `steps.jsonl` from the entries of a log, and the folder of a run that holds them.

A step is a rollout. EasyR1 and verl count rollouts. TRL counts updates: where its log has several of a rollout, which
one sees by the missing reward, they become one row, as in our own logs. Where every entry has a reward, an entry is a
row with TRL's step: the number of updates behind it is then in no log of TRL's.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.core.jsonl import write_rows
from vr1repro.core.provenance import file_sha
from vr1repro.core.records import STEPS_VERSION
from vr1repro.reporting.logged.keys import TRL, TRL_OF_UPDATES, VALIDATION, KeyTable
from vr1repro.reporting.logged.read import Entry, Log, read_log

Row = dict[str, Any]
_DRAWN = ("reward", "mean_length")  # a log without both is no log of RL


@dataclass(frozen=True, kw_only=True)
class LoggedStage:
    """A log as a stage of a run.

    Attributes:
        rows: Of `steps.jsonl`.
        framework: Who wrote it.
        files: Where it was read.
    """

    rows: Sequence[Row]
    framework: str
    files: Sequence[Path]


def read_stages(name: str, paths: Sequence[Path]) -> list[LoggedStage]:
    """Read the logs of one arm, a stage each, in the order of training.

    A stage's log that begins anew at its first step is counted on from the stage before.

    Raises:
        UserError: A log is bad, or begins inside the one before it.
    """
    stages: list[LoggedStage] = []
    last = 0
    for number, path in enumerate(paths, start=1):
        log = read_log(path)
        rows = log_rows(log)
        if not any(column in row for row in rows for column in _DRAWN):
            keys = sorted({key for entry in log.entries for key in entry.values})
            raise UserError(
                f"{path}: read as {log.table.framework}'s log, it has neither"
                f" {' nor '.join(log.table.columns[column][0] for column in _DRAWN)}; its keys: {', '.join(keys[:8])}"
            )
        trained = [row["step"] for row in rows if set(row) - {"step", VALIDATION}]
        first = trained[0]
        if 1 < first <= last:
            raise UserError(
                f"{path}: begins at step {first}, inside the log before it, which ends at {last}: a stage begins at"
                " step 1, or after the last step of the stage before"
            )
        offset = last if first <= last else 0
        labels = {"schema_version": STEPS_VERSION, "arm": name, "stage": number}
        counted = [labels | row | {"step": row["step"] + offset} for row in rows]
        stages.append(LoggedStage(rows=counted, framework=log.table.framework, files=log.files))
        last = trained[-1] + offset
    return stages


def write_stages(run: Path, arms: Mapping[str, Sequence[LoggedStage]]) -> None:
    """Write `train/<arm>/s0/stage<k>/steps.jsonl`, and in `sources.json` which files each was made from."""
    sources: dict[str, Any] = {}
    for name, stages in arms.items():
        for number, stage in enumerate(stages, start=1):
            path = f"train/{name}/s0/stage{number}/steps.jsonl"
            write_rows(run / path, stage.rows)
            files = [{"name": file.name, "sha256": file_sha(file)} for file in stage.files]
            sources[path] = {"framework": stage.framework, "files": files}
    write_atomically(run / "sources.json", json.dumps(sources, indent=1) + "\n")


def log_rows(log: Log) -> list[Row]:
    """The rows of a log in the order of their steps, without schema version, arm and stage.

    Raises:
        UserError: A number is none, or two rows of one step disagree; the message names file and line.
    """
    numbers = [(entry, dict(_columns(entry, log.table))) for entry in log.entries]
    rows: dict[int, Row] = {}
    for entry, step, columns in _by_rollout(numbers) if log.table is TRL else ((e, e.step, row) for e, row in numbers):
        row = rows.setdefault(step, {"step": step})
        for column, value in columns.items():
            if row.setdefault(column, value) != value:
                raise UserError(f"{entry.place}: step {step} stands twice, with {column} {row[column]} and {value}")
    return [rows[step] for step in sorted(rows) if len(rows[step]) > 1]


def _columns(entry: Entry, table: KeyTable) -> Iterator[tuple[str, float]]:
    for column, keys in table.columns.items():
        key = next((key for key in keys if key in entry.values), None)
        if key is not None and (number := _number(entry, key)) is not None:
            yield column, number
    scores = [_number(entry, key) for key in entry.values if table.validation.fullmatch(key)]
    if known := [score for score in scores if score is not None]:
        yield VALIDATION, sum(known) / len(known)


def _number(entry: Entry, key: str) -> float | None:
    """A logged number; None where NaN or null says that there was none."""
    value = entry.values[key]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{entry.place}: `{key}` must be a number, this is {json.dumps(value, default=str)[:60]}")
    return value if math.isfinite(value) else None


def _by_rollout(numbers: Sequence[tuple[Entry, Row]]) -> Iterator[tuple[Entry, int, Row]]:
    """TRL's entries by rollout: an update without a reward learns from the rollout before it."""
    rollouts: list[list[tuple[Entry, Row]]] = []
    validations: list[tuple[Entry, int, Row]] = []
    for entry, columns in numbers:
        validation = {VALIDATION: columns.pop(VALIDATION)} if VALIDATION in columns else {}
        if "reward" in entry.values:
            rollouts.append([(entry, columns)])
        elif "loss" in columns and rollouts:
            rollouts[-1].append((entry, columns))
        if validation:
            validations.append((entry, len(rollouts), validation))
    counted = any(len(updates) > 1 for updates in rollouts)
    steps = [entry.step for updates in rollouts for entry, _ in updates]
    every_update = all(after == before + 1 for before, after in pairwise(steps))
    for entry, rollout, validation in validations:
        yield entry, rollout if counted else entry.step, validation
    for number, updates in enumerate(rollouts, start=1):
        entry, row = updates[0]
        means = {column: _mean([columns for _, columns in updates], column) for column in TRL_OF_UPDATES & row.keys()}
        known = {"updates": len(updates)} if counted and every_update else {}
        yield entry, number if counted else entry.step, known | row | means


def _mean(updates: Sequence[Row], column: str) -> float:
    values = [columns[column] for columns in updates if column in columns]
    return float(sum(values) / len(values))
