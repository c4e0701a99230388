"""Logs of EasyR1, verl and TRL become the rows of `steps.jsonl`, and Figure 1 D to F.

`logs/` holds a run of TRL's own trainer and the same numbers in EasyR1's and verl's files; `make_logs.py` made them.
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from make_logs import UPDATES, as_easyr1, as_verl, rollouts_of, train_with_trl
from typer.testing import CliRunner

from vr1repro.cli import app
from vr1repro.config.reporting import ReportSettings
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read_lines
from vr1repro.core.records import STEPS_VERSION
from vr1repro.reporting.figures.logged import logged_figure
from vr1repro.reporting.figures.style import drawing
from vr1repro.reporting.logged.convert import log_rows, read_stages
from vr1repro.reporting.logged.keys import EASYR1, TRL, VERL
from vr1repro.reporting.logged.read import read_log

LOGS = Path(__file__).with_name("logs")
TRL_LOG, EASYR1_LOG, VERL_LOG = (
    LOGS / name for name in ("trainer_state.json", "experiment_log.jsonl", "verl_digits.jsonl")
)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return log_rows(read_log(path))


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def trl_state(path: Path, *history: dict[str, Any]) -> Path:
    return write(path, {"log_history": list(history)})


def test_the_row_of_a_step_is_what_each_framework_logged() -> None:
    trl, easyr1, verl = (rows_of(path) for path in (TRL_LOG, EASYR1_LOG, VERL_LOG))
    assert [len(rows) for rows in (trl, easyr1, verl)] == [37, 37, 37]
    assert trl[0] == easyr1[0] == verl[0] == {"step": 0, "validation_accuracy": 0.140625}
    first = {"step": 1, "reward": 0.078125, "mean_length": 8.484375, "max_length": 12.0, "clipped_share": 0.40625}
    assert verl[1] == first
    assert easyr1[1] == first | {"accuracy": 0.078125, "format_share": 0.0}
    assert {column: trl[1][column] for column in easyr1[1]} == easyr1[1]
    assert (trl[1]["updates"], trl[1]["tokens"], trl[1]["zero_variance_share"]) == (2, 607.0, 0.625)
    for ours, others in zip(trl, easyr1, strict=True):
        assert {column: ours[column] for column in others} == others


def test_an_update_without_a_rollout_joins_the_rollout_before() -> None:
    history = json.loads(TRL_LOG.read_text())["log_history"]
    losses = [row["loss"] for row in history if "loss" in row]
    rows = [row for row in rows_of(TRL_LOG) if "loss" in row]
    assert len(losses) == UPDATES * len(rows) == 72
    assert rows[4]["loss"] == pytest.approx((losses[8] + losses[9]) / 2)


@pytest.mark.parametrize(
    ("history", "rows"),
    [
        ([{"step": 1, "reward": 0.5, "loss": 1.0}, {"step": 2, "reward": 0.7, "loss": 3.0}],
         [{"step": 1, "loss": 1.0, "reward": 0.5}, {"step": 2, "loss": 3.0, "reward": 0.7}]),
        # Ten updates between two entries: how many rollouts these were is not in the log.
        ([{"step": 10, "reward": 0.5, "loss": 1.0}, {"step": 20, "reward": 0.7, "loss": 3.0}],
         [{"step": 10, "loss": 1.0, "reward": 0.5}, {"step": 20, "loss": 3.0, "reward": 0.7}]),
        ([{"step": 2, "reward": 0.5, "loss": 1.0}, {"step": 4, "loss": 3.0}, {"step": 6, "reward": 0.7, "loss": 1.0}],
         [{"step": 1, "loss": 2.0, "reward": 0.5}, {"step": 2, "loss": 1.0, "reward": 0.7}]),
        # A reward that is no number belongs to a rollout of its own all the same.
        ([{"step": 1, "reward": 0.5, "loss": 1.0}, {"step": 2, "reward": None, "loss": 3.0}],
         [{"step": 1, "loss": 1.0, "reward": 0.5}, {"step": 2, "loss": 3.0}]),
        # TRL of March 2025.
        ([{"step": 1, "reward": 0.5, "completion_length": 90.5, "rewards/accuracy_reward": 0.25, "clip_ratio": 0.1}],
         [{"step": 1, "reward": 0.5, "accuracy": 0.25, "mean_length": 90.5, "ratio_clipped_share": 0.1}]),
    ],
    ids=["a rollout an update", "thinned", "thinned, several updates", "no number", "older names"],
)  # fmt: skip
def test_steps_of_trl(tmp_path: Path, history: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    assert rows_of(trl_state(tmp_path / "trainer_state.json", *history)) == rows


def test_verl_averages_its_validation_sets_and_nothing_else(tmp_path: Path) -> None:
    accuracies = {"val-core/openai/gsm8k/acc/mean@8": 0.5, "val-core/geo3k/acc/mean@1": 0.1}
    others = {"val-core/geo3k/acc/best@8/mean": 0.9, "val-aux/geo3k/reward/mean@1": 0.9, "val-core/x/reward/mean@1": 1}
    log = write(tmp_path / "run.jsonl", {"step": 5, "data": {"critic/score/mean": 0.4, **accuracies, **others}})
    assert rows_of(log) == [{"step": 5, "reward": 0.4, "validation_accuracy": pytest.approx(0.3)}]


def test_a_number_that_is_nan_is_absent(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", '{"step": 1, "critic": {"score": {"mean": 0.2}}, "reward": {"format": NaN}}')
    assert rows_of(log) == [{"step": 1, "reward": 0.2}]


def test_a_log_of_ours_passes(tmp_path: Path) -> None:
    row = {"schema_version": STEPS_VERSION, "arm": "long", "stage": 2, "step": 7, "reward": 0.4, "kl": None,
           "outcomes": {"right": 0.4}}  # fmt: skip
    assert rows_of(write(tmp_path / "steps.jsonl", row)) == [{"step": 7, "reward": 0.4}]
    with pytest.raises(UserError, match=r"steps\.jsonl:1: an older version wrote it"):
        rows_of(write(tmp_path / "steps.jsonl", row | {"schema_version": 1}))


@pytest.mark.parametrize("table", [EASYR1, VERL, TRL], ids=lambda table: table.framework)
def test_every_column_drawn_has_a_key(table: Any) -> None:
    assert {"reward", "mean_length"} <= set(table.columns)


SCORE = {"critic": {"score": {"mean": 0.5}}}


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("log.jsonl", [{"step": 1, **SCORE}, '{"step": 2, "cri'], r"log\.jsonl:2: not JSON"),
        ("log.jsonl", [{"step": 1, **SCORE}, [2]], r"log\.jsonl:2: a row must be a JSON object"),
        ("log.jsonl", [SCORE], r"log\.jsonl:1: needs `step`, an integer from 0; here it is null"),
        ("log.jsonl", [{"step": 1.5, **SCORE}], r"log\.jsonl:1: needs `step`"),
        ("log.jsonl", [{"step": 1, "critic": {"score": {"mean": "high"}}}],
         r"log\.jsonl:1: `critic/score/mean` must be a number, this is \"high\""),
        ("log.jsonl", [{"step": 1, **SCORE}, {"step": 1, "critic": {"score": {"mean": 0.6}}}],
         r"log\.jsonl:2: step 1 stands twice, with reward 0\.5 and 0\.6"),
        ("log.jsonl", [{"step": 1, "loss": 2.0}], r"neither critic/score/mean nor response_length/mean; .*: loss"),
        ("log.jsonl", [], r"log\.jsonl: holds no step"),
        ("log.jsonl", [{"step": 1, "data": {"critic/score/mean": 1}}, {"step": 2, "data": 3}], r"log\.jsonl:2: verl's"),
        ("state.json", ['{"log_history": [', "oops]}"], r"state\.json:2: not JSON"),
        ("state.json", [{"global_step": 3}], r"state\.json: needs `log_history`"),
        ("state.json", [{"log_history": [{"step": 1, "reward": 1.0}, {"reward": 1.0}]}],
         r"state\.json: log_history\[1\]: needs `step`"),
        ("state.json", [{"log_history": [3]}], r"state\.json: log_history\[0\]: must be an object, this is int"),
        ("state.json", [{"log_history": [{"step": 1, "loss": 1.0}]}], r"TRL's log, it has neither reward nor"),
        ("events.out.tfevents.1", ["no event"], r"tfevents\.1: no scalar can be read"),
    ],
)  # fmt: skip
def test_a_bad_log_is_named_with_its_line(tmp_path: Path, name: str, rows: Sequence[object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_stages("run", [write(tmp_path / name, *rows)])


def test_a_folder_is_looked_through(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no log is in it"):
        read_log(tmp_path)
    for step in (9, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
        trl_state(tmp_path / f"checkpoint-{step}" / "trainer_state.json", {"step": step, "reward": 0.5})
    assert [entry.step for entry in read_log(tmp_path).entries] == [10]
    write(tmp_path / "experiment_log.jsonl", {"step": 3, **SCORE})
    assert read_log(tmp_path).table is EASYR1
    trl_state(tmp_path / "trainer_state.json", {"step": 1, "reward": 0.5})
    with pytest.raises(UserError, match=r"holds experiment_log\.jsonl and trainer_state\.json; name the file"):
        read_log(tmp_path)
    with pytest.raises(UserError, match=r"gone\.jsonl: cannot be read"):
        read_log(tmp_path / "gone.jsonl")


EVENTS: dict[str, Callable[[int], dict[str, float]]] = {
    "EasyR1": lambda step: {"critic/score/mean": step / 8, "val/accuracy_reward": 0.25},
    "verl": lambda step: {"training/global_step": step, "critic/score/mean": step / 8, "val-core/a/acc/mean@1": 0.25},
    "TRL": lambda step: {"train/reward": step / 8, "eval/rewards/accuracy_reward/mean": 0.25},
}


@pytest.mark.parametrize("framework", EVENTS)
@pytest.mark.parametrize("torn", [False, True], ids=["whole", "torn at the end"])
def test_tensorboard(tmp_path: Path, framework: str, torn: bool) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(tmp_path))
    for step in range(1, 4):
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in EVENTS[framework](step).items()]
        writer.add_event(Event(step=step, summary=Summary(value=values)))
    writer.close()
    (file,) = tmp_path.iterdir()
    if torn:
        file.write_bytes(file.read_bytes()[:-3])
    log = read_log(tmp_path)
    rows = [{"step": step, "reward": step / 8, "validation_accuracy": 0.25} for step in range(1, 3 if torn else 4)]
    assert (log.table.framework, log_rows(log)) == (framework, rows)
    assert log_rows(read_log(file)) == rows


def test_tensorboard_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.backend.event_processing.event_accumulator", None)
    with pytest.raises(UserError, match="need the package tensorboard"):
        read_log(write(tmp_path / "events.out.tfevents.1", "no event"))


def stage_log(path: Path, *steps: int) -> Path:
    return write(path, *({"step": step, "critic": {"score": {"mean": 0.5}}} for step in steps))


@pytest.mark.parametrize(
    ("second", "steps"),
    [((1, 2, 3), [4, 5, 6]), ((4, 5), [4, 5]), ((10, 11), [10, 11])],
    ids=["begins anew", "goes on", "leaves a gap"],
)
def test_stages_are_counted_on(tmp_path: Path, second: tuple[int, ...], steps: list[int]) -> None:
    paths = [stage_log(tmp_path / "one.jsonl", 1, 2, 3), stage_log(tmp_path / "two.jsonl", *second)]
    first, last = read_stages("run", paths)
    assert [(row["stage"], row["step"]) for row in (*first.rows, *last.rows)] == [
        *((1, step) for step in (1, 2, 3)),
        *((2, step) for step in steps),
    ]


def test_a_stage_that_begins_inside_the_one_before_is_refused(tmp_path: Path) -> None:
    paths = [stage_log(tmp_path / "one.jsonl", 1, 2, 3), stage_log(tmp_path / "two.jsonl", 3, 4)]
    with pytest.raises(UserError, match=r"two\.jsonl: begins at step 3, inside the log before it, which ends at 3"):
        read_stages("run", paths)


def frame(path: Path) -> pd.DataFrame:
    (stage,) = read_stages("run", [path])
    return pd.DataFrame(stage.rows).assign(train_seed=0)


def test_panels_show_the_logs_numbers() -> None:
    with drawing():
        figure = logged_figure({"verl": frame(VERL_LOG)}, ReportSettings(), paper=False)
    length, accuracy, reward = (axes.lines for axes in figure.axes)
    rows = rows_of(VERL_LOG)[1:]
    assert list(length[0].get_xdata()) == list(range(3, 37, 3))
    assert length[0].get_ydata()[0] == pytest.approx(sum(row["mean_length"] for row in rows[:3]) / 3)
    assert reward[0].get_ydata()[-1] == pytest.approx(sum(row["reward"] for row in rows[-3:]) / 3)
    assert list(accuracy[0].get_xdata()) == [0, *range(6, 37, 6)]
    assert accuracy[0].get_ydata()[0] == pytest.approx(14.0625)


def test_accuracy_of_the_rollouts_is_hollow_where_there_is_no_validation() -> None:
    log = frame(EASYR1_LOG).drop(columns="validation_accuracy")
    with drawing():
        axes = logged_figure({"easyr1": log}, ReportSettings(), paper=False).axes[1]
        nothing = logged_figure({"easyr1": log.drop(columns="accuracy")}, ReportSettings(), paper=False).axes[1]
    assert axes.lines[0].get_markerfacecolor() == "white"
    assert [text.get_text() for text in nothing.texts] == ["not logged"]


def test_the_command_draws_three_frameworks_beside_the_paper(tmp_path: Path) -> None:
    names = {"trl": TRL_LOG, "easyr1": EASYR1_LOG, "verl": VERL_LOG}
    options = [word for name, path in names.items() for word in ("--logs", f"{name}={path}")]
    result = CliRunner().invoke(app, ["figures", *options, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "trl stage 1: TRL, steps 0 to 36" in result.output
    pictures = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"figure1-logs.png", "figure1-logs.svg", "figure1-logs.pdf", "figure1-logs-column.png"} <= pictures
    for name in names:
        (_, last) = list(read_lines(tmp_path / "run" / "train" / name / "s0" / "stage1" / "steps.jsonl"))[-1]
        assert (last["schema_version"], last["arm"], last["stage"], last["step"]) == (STEPS_VERSION, name, 1, 36)
    sources = json.loads((tmp_path / "run" / "sources.json").read_text())
    assert [source["framework"] for source in sources.values()] == ["TRL", "EasyR1", "verl"]


@pytest.mark.parametrize("text", ["trl", "trl=", "=x", "A b=x"])
def test_an_option_that_is_no_pair_is_refused(text: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["figures", "--logs", text, "--out", str(tmp_path)])
    assert isinstance(result.exception, UserError)
    assert "must be NAME=PATH" in str(result.exception)


def test_the_files_are_what_the_script_makes_of_trls() -> None:
    numbers = rollouts_of(TRL_LOG)
    assert (as_easyr1(*numbers), as_verl(*numbers)) == (EASYR1_LOG.read_text(), VERL_LOG.read_text())


@pytest.mark.slow
def test_trl_still_logs_under_these_keys(tmp_path: Path) -> None:
    rows = rows_of(train_with_trl(tmp_path, rollouts=2, every=2))
    assert [row["step"] for row in rows] == [0, 1, 2]
    assert set(TRL.columns) | {"step", "updates"} == set(rows[1])
    assert rows[2]["validation_accuracy"] >= 0
