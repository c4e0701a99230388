"""One head a folder, and what is refused before a run could hang."""

import asyncio
import logging
import os
import subprocess
import sys
import types
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from vr1repro.cluster import head, plugin, slurm
from vr1repro.core.errors import UserError


@pytest.fixture(autouse=True)
def queue(monkeypatch: pytest.MonkeyPatch) -> list[slurm.Job]:
    """A queue that the test fills."""
    jobs: list[slurm.Job] = []
    monkeypatch.setattr(slurm, "installed", lambda: True)
    monkeypatch.setattr(slurm, "jobs_of", lambda folder: list(jobs))
    monkeypatch.setattr(slurm, "cancel", lambda gone: jobs.clear())
    monkeypatch.setattr(head, "_held", [])
    return jobs


def living(folder: Path, on_slurm: bool) -> "subprocess.Popen[str]":
    """Another process that heads a run in the folder."""
    code = (
        "import sys; from pathlib import Path; from vr1repro.cluster import head, slurm\n"
        "slurm.jobs_of = lambda folder: []\n"
        f"head.begin(Path({str(folder)!r}), {on_slurm})\nprint('began', flush=True)\nsys.stdin.read()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True, env={**os.environ})
    assert process.stdout
    assert process.stdout.readline() == "began\n"
    return process


def test_jobs_of_a_dead_head_are_refused_and_recovered(tmp_path: Path, queue: list[slurm.Job]) -> None:
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.input.lock").touch()
    queue += [slurm.Job(str(number), "RUNNING", "vr1repro_x", "rule_y") for number in range(7)]
    with pytest.raises(UserError, match=r"7 jobs \(0, 1, 2, 3, 4, ...\) of an earlier start .*vr1repro recover"):
        head.begin(tmp_path, on_slurm=True)
    head._held.clear()
    assert head.recover(tmp_path) == ["cancelled 7 jobs (0, 1, 2, 3, 4, ...)", "unlocked the folder"]
    assert not (tmp_path / ".snakemake/locks").exists()
    assert head.recover(tmp_path) == ["nothing to recover: no job in the queue, no lock"]
    head.begin(tmp_path, on_slurm=True)


@pytest.mark.parametrize("on_slurm", [True, False])
def test_a_living_head_is_not_recovered_from(tmp_path: Path, on_slurm: bool, queue: list[slurm.Job]) -> None:
    other = living(tmp_path, on_slurm)
    try:
        queue.append(slurm.Job("1", "RUNNING", "vr1repro_x", "rule_y"))
        with pytest.raises(UserError, match="a snakemake is at work here"):
            head.recover(tmp_path)
        assert len(queue) == 1
        if on_slurm:
            with pytest.raises(UserError, match=f"another snakemake .*process {other.pid}"):
                head.begin(tmp_path, on_slurm=True)
        head.begin(tmp_path, on_slurm=False)  # local runs side by side are Snakemake's own business
        head._held.clear()
    finally:
        other.kill()
        other.wait()
    assert head.recover(tmp_path)[0].startswith("cancelled 1 job (1)")


def test_without_an_answer_of_slurm_a_local_run_is_recovered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_answer(folder: Path) -> list[slurm.Job]:
        raise UserError("squeue: Could not establish a configuration source")

    monkeypatch.setattr(slurm, "jobs_of", no_answer)
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    for _ in range(2):
        (tmp_path / ".snakemake/locks/0.input.lock").parent.mkdir(exist_ok=True)
        (tmp_path / ".snakemake/locks/0.input.lock").touch()
        assert head.recover(tmp_path) == ["unlocked the folder"]
    # Once a head has sent jobs, nobody knows whether they live.
    with pytest.raises(UserError, match="configuration source"):
        head.begin(tmp_path, on_slurm=True)
    head._held.clear()
    with pytest.raises(UserError, match="configuration source"):
        head.recover(tmp_path)


def test_jobs_that_do_not_go_are_named(tmp_path: Path, queue: list[slurm.Job], monkeypatch: pytest.MonkeyPatch) -> None:
    queue.append(slurm.Job("9", "COMPLETING", "vr1repro_x", "rule_y"))
    monkeypatch.setattr(slurm, "cancel", lambda gone: None)
    with pytest.raises(UserError, match=r"1 job \(9\) did not end"):
        head.recover(tmp_path, patience_s=0)


@pytest.mark.parametrize(
    ("command", "age", "accounting", "said"),
    [
        ("squeue", 300, "accounting_storage/none", None),
        ("squeue", 60, "accounting_storage/none", "--slurm-init-seconds-before-status-checks 20"),
        ("sacct", 300, "accounting_storage/none", "keeps no accounting"),
        ("sacct", 10, "accounting_storage/slurmdbd", None),
    ],
)
def test_settings_under_which_no_end_is_seen(command: str, age: int, accounting: str, said: str | None) -> None:
    config = {"MinJobAge": f"{age} sec", "AccountingStorageType": accounting}
    # Settings under which every end is seen pass: no error is what these rows show.
    with nullcontext() if said is None else pytest.raises(UserError, match=said):
        plugin.refuse_unseen(config, plugin.min_job_age(config), command, 40)


class Outage:
    """Slurm's answers in order; None while it is away."""

    def __init__(self, answers: list[Any]) -> None:
        self.answers = answers

    async def __call__(self, command: str, logger: logging.Logger) -> Any:
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return (None, None) if found is None else (found, 0.1)


class Pretended:
    """The plugin's executor, of which every job goes on."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    async def check_active_jobs(self, jobs: list[Any]) -> Any:
        for job in jobs:
            yield job

    def report_job_error(self, job: Any, msg: str, aux_logs: list[str]) -> None:
        self.failed.append(msg)


def mended(monkeypatch: pytest.MonkeyPatch, answers: list[Any]) -> Any:
    pretended = types.SimpleNamespace(
        query_job_status=Outage(answers), get_min_job_age=None, get_account=None, validate_account=None,
        Executor=type("Executor", (Pretended,), {}), _status_lookup_ids=lambda number: [number],
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "snakemake_executor_plugin_slurm", pretended)
    monkeypatch.setattr(slurm, "settings", lambda: {"MinJobAge": "300 sec"})
    monkeypatch.setattr(plugin, "PAUSE_S", 0.001)
    plugin.mend("squeue", 40)
    return pretended


def test_a_short_outage_is_waited_out(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    found = mended(monkeypatch, [None, None, {"1": "RUNNING"}])
    said = asyncio.run(found.query_job_status("squeue --name x", logging.getLogger("slurm")))
    assert said == ({"1": "RUNNING"}, 0.1)
    assert [record.message.split(",")[0].split(" (")[0] for record in caplog.records] == [
        "Slurm does not answer", "Slurm answers again",
    ]  # fmt: skip
    assert found.get_min_job_age() == 300
    assert found.get_account(None) is None


def test_a_long_outage_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "PATIENCE_S", 0.01)
    found = mended(monkeypatch, [None])
    with pytest.raises(Exception, match=r"has not answered for 0 s.*vr1repro recover"):
        asyncio.run(found.query_job_status("squeue", logging.getLogger("slurm")))


def test_a_job_that_slurm_forgot_counts_as_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(plugin, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    lost_s = plugin.LOST_S["squeue"]
    found = mended(monkeypatch, [{"1": "RUNNING"}])
    executor = found.Executor()
    jobs = [types.SimpleNamespace(external_jobid=number, aux={}) for number in "12"]

    async def look() -> list[str]:
        await found.query_job_status("squeue", logging.getLogger("slurm"))
        return [job.external_jobid async for job in executor.check_active_jobs(jobs)]

    assert asyncio.run(look()) == ["1", "2"]
    assert executor.failed == []
    now[0] += lost_s
    assert asyncio.run(look()) == ["1", "2"]
    now[0] += 1
    assert executor.failed == []
    assert asyncio.run(look()) == ["1"]
    assert "no longer knows job '2'" in executor.failed[0]


def test_the_pinned_plugin_has_what_is_replaced() -> None:
    module = pytest.importorskip("snakemake_executor_plugin_slurm")
    assert all(callable(getattr(module, name)) for name in plugin.REPLACED)
    assert callable(module.Executor.check_active_jobs)
    assert isinstance(module.Executor.next_seconds_between_status_checks, property)
