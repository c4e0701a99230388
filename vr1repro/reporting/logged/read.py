"""Finds the log in a file or folder and reads it as entries: a step, and numbers under the framework's own keys.

experiment_log.jsonl     EasyR1, `trainer.logger: file`: {"step": 1, "critic": {"score": {"mean": 0.3}}, ...}
<experiment>.jsonl       verl, `trainer.logger: file`: {"step": 1, "data": {"critic/score/mean": 0.3}, ...}
trainer_state.json       TRL (transformers): {"log_history": [{"step": 1, "reward": 0.3}, ...], ...}
events.out.tfevents.*    TensorBoard, of any of the three; needs the package `tensorboard`
steps.jsonl              a stage of this package
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read_lines
from vr1repro.core.outside import json_file
from vr1repro.reporting.logged.keys import EASYR1, OURS, TRL, VERL, KeyTable
from vr1repro.reporting.run.arms import check_version

_NAMES = ("experiment_log.jsonl", "trainer_state.json", "steps.jsonl")
_EVENTS = "events.out.tfevents.*"
_KINDS = "EasyR1's experiment_log.jsonl, verl's <experiment>.jsonl, TRL's trainer_state.json, TensorBoard's event files"


@dataclass(frozen=True)
class Entry:
    """One row of a log.

    Attributes:
        place: File and line, for messages.
        values: By the framework's key; not checked yet.
    """

    place: str
    step: int
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Log:
    """A log as its framework wrote it.

    Attributes:
        files: That it was read from.
    """

    files: Sequence[Path]
    table: KeyTable
    entries: Sequence[Entry]


def read_log(path: Path) -> Log:
    """Read a log.

    Args:
        path: A log file, or the folder that holds one.

    Raises:
        UserError: There is none, or it is bad; the message names file and line.
    """
    if path.is_dir():
        path = _log_in(path)
    if path.is_dir() or path.name.startswith(_EVENTS.removesuffix("*")):
        return _read_events(path)
    if path.suffix == ".json":
        return Log([path], TRL, list(_history(path)))
    lines = list(read_lines(path))
    if not lines:
        raise UserError(f"{path}: holds no step; is it one of {_KINDS}?")
    table = _table_of_lines(lines[0][1])
    return Log([path], table, [_line_entry(f"{path}:{number}", row, table) for number, row in lines])


def _log_in(folder: Path) -> Path:
    """The log in a folder; the folder itself where it holds event files."""
    logs = [folder / name for name in _NAMES if (folder / name).exists()]
    if any(folder.glob(_EVENTS)):
        logs.append(folder)
    if not logs:
        # A checkpoint of transformers holds the history up to its step.
        states = folder.glob("checkpoint-*/trainer_state.json")
        logs = sorted(states, key=lambda state: int(state.parent.name.rpartition("-")[2]))[-1:]
    if not logs:
        raise UserError(f"{folder}: no log is in it; give one of {_KINDS}, or the folder that holds it")
    if len(logs) > 1:
        names = " and ".join(log.name if log != folder else _EVENTS for log in logs)
        raise UserError(f"{folder}: holds {names}; name the file that is meant")
    return logs[0]


def _table_of_lines(first: Mapping[str, Any]) -> KeyTable:
    if "schema_version" in first:
        return OURS
    return VERL if isinstance(first.get("data"), dict) else EASYR1


def _line_entry(place: str, row: Mapping[str, Any], table: KeyTable) -> Entry:
    step = _step(place, row)
    if table is OURS:
        check_version(place, row)
    if table is VERL:
        if not isinstance(row.get("data"), dict):
            raise UserError(f"{place}: verl's rows hold their numbers under `data`; here it is no object")
        return Entry(place, step, row["data"])
    values = dict(_flat(row)) if table is EASYR1 else dict(row)
    values.pop("step")
    return Entry(place, step, values)


def _step(place: str, row: Mapping[str, Any]) -> int:
    step = row.get("step")
    if not isinstance(step, int) or isinstance(step, bool) or step < 0:
        raise UserError(f"{place}: needs `step`, an integer from 0; here it is {json.dumps(step, default=str)}")
    return step


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """EasyR1's file has its keys unfolded at their slashes (`unflatten_dict`)."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value


def _history(path: Path) -> Iterator[Entry]:
    state = json_file(path)
    history = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(history, list):
        raise UserError(f"{path}: needs `log_history`, a list; is it the trainer_state.json of a training?")
    for number, row in enumerate(history):
        place = f"{path}: log_history[{number}]"
        if not isinstance(row, dict):
            raise UserError(f"{place}: must be an object, this is {type(row).__name__}")
        yield Entry(place, _step(place, row), row)


def _read_events(path: Path) -> Log:
    """Read TensorBoard's scalars: what TensorBoard itself would show, so steps logged again after a resume count once.

    Raises:
        UserError: The package `tensorboard` is missing, or no scalar is there.
    """
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        raise UserError(
            f"{path}: TensorBoard's event files need the package tensorboard (pip install tensorboard), which only"
            " envs/test.txt pins; or log to a file as well"
        ) from None
    reader = EventAccumulator(str(path), size_guidance={"scalars": 0})  # 0: all
    try:
        reader.Reload()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as TensorBoard's events: {error}") from None
    tags = reader.Tags()["scalars"]
    if not tags:
        raise UserError(f"{path}: no scalar can be read; is it TensorBoard's, and whole at its beginning?")
    steps: dict[int, dict[str, float]] = {}
    for tag in tags:
        for event in reader.Scalars(tag):
            steps.setdefault(event.step, {})[_log_key(tag)] = event.value
    table = _table_of_tags(tags)
    files = sorted(path.glob(_EVENTS)) if path.is_dir() else [path]
    return Log(files, table, [Entry(f"{path}: step {step}", step, steps[step]) for step in sorted(steps)])


def _log_key(tag: str) -> str:
    """TensorBoard's tags of a Trainer carry the mode in front: `train/reward`, `eval/reward`."""
    mode, _, key = tag.partition("/")
    return {"train": key, "eval": f"eval_{key}"}.get(mode, tag)


def _table_of_tags(tags: Sequence[str]) -> KeyTable:
    if any(tag.startswith("train/") for tag in tags):
        return TRL
    return VERL if "training/global_step" in tags else EASYR1
