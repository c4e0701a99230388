import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console
from waiting import PATIENCE_S, heed_interrupts

from vr1repro.core.errors import UserError
from vr1repro.training.monitor import read_stages, sparkline, view


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for number, stage in enumerate(("stage1", "stage2")):
        folder = tmp_path / "train" / "vision-r1" / "s1" / stage
        folder.mkdir(parents=True)
        rows = [{"step": step, "reward": step / 10, "mean_length": 30.0 + step, "clipped_share": 0.1,
                 "outcomes": {"right": 0.4, "wrong": 0.6, "timeout": 0.0}} for step in range(1, 6)]  # fmt: skip
        (folder / "steps.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 6, "rew')
        timing = {"step": 5, "seconds": 2.0, "generate": 1.0, "reward": 0.1, "log_probs": 0.2, "update": 0.7}
        (folder / "timing.jsonl").write_text(json.dumps(timing) + "\n")
        sample = {"id": "q7", "completion": "[red]<think>\x1b[31m2+2[/red]", "gold": "4", "reward": 1.0}
        (folder / "samples.jsonl").write_text(json.dumps(sample) + "\n")
        os.utime(folder / "steps.jsonl", (number, number))
    (tmp_path / "train" / "vision-r1" / "s1" / "stage1" / "manifest.json").write_text("{}")
    return tmp_path


def test_the_view_shows_the_stage_that_changed_last(run: Path) -> None:
    console = Console(record=True, width=120, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(view(read_stages(run)))
    text = console.export_text()
    assert "vision-r1/s1/stage1 ✓" in text
    assert "vision-r1/s1/stage2 ✓" not in text
    assert "0.100 → 0.500" in text
    assert "right 40%, wrong 60%" in text
    assert "timeout" not in text
    assert "generate 1.00, reward 0.10, log_probs 0.20, update 0.70" in text
    assert "[red]<think>" in text  # a completion is text, neither markup nor terminal control
    assert "\x1b" not in text


def test_a_folder_without_training_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no training here yet"):
        read_stages(tmp_path)


@example([0.0, 1.1e-308], 2)  # a span whose inverse is infinite
@given(st.lists(st.floats(-1e6, 1e6), max_size=300), st.integers(1, 60))
def test_a_sparkline_fits_and_spans_its_range(values: list[float], width: int) -> None:
    line = sparkline(values, width)
    assert len(line) <= width
    assert (line == "") == (not values)
    assert set(line) <= set("▁▂▃▄▅▆▇█")


def test_ctrl_c_ends_the_watching(run: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "vr1repro.cli", "watch", str(run), "--every", "0.2"], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "FORCE_COLOR": "1"},  # it draws at once, as on a terminal
        preexec_fn=heed_interrupts,
    )  # fmt: skip
    assert process.stdout
    drawn = ""
    while "stage2" not in drawn:
        line = process.stdout.readline()
        assert line, f"it ended before it drew: {drawn}"
        drawn += line
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
