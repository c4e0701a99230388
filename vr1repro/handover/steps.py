"""The engine's own step log as our `steps.jsonl`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vr1repro.core.errors import UserError
from vr1repro.core.records import STEPS_VERSION
from vr1repro.handover.engines import Engine
from vr1repro.handover.names import CHECKPOINTS, LOGS
from vr1repro.reporting.logged.convert import read_stages
from vr1repro.reporting.logged.read import read_log

Row = dict[str, Any]
# Of a row of SFT; the Trainer's names and ours are the same.
_SFT = ("loss", "grad_norm", "learning_rate")


def logs_of(engine: Engine, export: Path) -> list[Path]:
    """Logs that an engine wrote beside an export, the oldest first; verl begins a new one at each start.

    Raises:
        UserError: There is none.
    """
    places = {
        "llama-factory": [export / CHECKPOINTS / "trainer_state.json"],
        "verl": sorted((export / LOGS).glob("experiment-*.jsonl")),
        "easyr1": [export / CHECKPOINTS / "experiment_log.jsonl"],
    }[engine.name]
    if not (logs := [path for path in places if path.is_file()]):
        raise UserError(f"{export}: no step log of {engine.title} in it; name it with --log")
    return logs


def sft_steps(log: Path) -> list[Row]:
    """Rows of a fine-tuning from trainer_state.json.

    Raises:
        UserError: The log is bad, or of a training that did not end.
    """
    rows = [
        {"schema_version": STEPS_VERSION, "step": entry.step, **{key: entry.values[key] for key in _SFT}}
        for entry in read_log(log).entries
        if all(key in entry.values for key in _SFT)
    ]
    if [row["step"] for row in rows] != list(range(1, len(rows) + 1)) or not rows:
        raise UserError(f"{log}: must hold every step's loss, grad_norm and learning_rate; set logging_steps: 1")
    return rows


def rl_steps(logs: Sequence[Path], arm: str, stage: int, first_step: int) -> list[Row]:
    """Rows of a stage, counted over the arm; of a step that a resumed training logged again the later one.

    Raises:
        UserError: A log is bad.
    """
    by_step: dict[int, Row] = {}
    for log in logs:
        (read,) = read_stages(arm, [log])
        by_step |= {row["step"]: row for row in read.rows}
    return [{**by_step[step], "stage": stage, "step": step + first_step} for step in sorted(by_step)]
