"""Six functions of snakemake-executor-plugin-slurm that let a run hang or refuse it, replaced in its module.

Their upstream issues and the versions that fit stand in docs/upstream.md.

- `get_min_job_age` asks the controller at every look, and where the controller is away for a moment the plugin turns to
  sacct. It is asked once, at the start.
- `query_job_status` returns nothing where the controller is away, and the plugin then forgets every job that it waits
  for: the run hangs for ever. Here it asks again, and after a while ends the run with one line.
- A job that Slurm no longer knows, because its controller fell before it had saved it, is waited for for ever. Here it
  counts as failed after a while.
- Looks are put off by ten seconds more each time that nothing has ended, up to three minutes; the option names an
  interval, so that is what it is.
- `get_account`, `validate_account` fail where sacct or sacctmgr are absent, and misread them where accounting is off.
  sbatch knows the user's default account, and refuses a wrong one itself.
"""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from typing import Any

from vr1repro.cluster import slurm
from vr1repro.core.errors import UserError
from vr1repro.core.upstream import require

# How long Slurm's controller may be away.
PATIENCE_S = float(os.environ.get("VR1REPRO_SLURM_PATIENCE_S", "300"))
PAUSE_S = 3.0
# How long a job may be missing from squeue's list, in which a new one appears at once. sacct's list lags behind.
LOST_S = {"squeue": 60.0, "sacct": 600.0}
REPLACED = ("get_min_job_age", "query_job_status", "get_account", "validate_account", "_status_lookup_ids", "Executor")


def mend(status_command: str, interval_s: float) -> None:
    """Replace them, after a look whether finished jobs can be seen at all.

    Args:
        status_command: The plugin's setting, squeue or sacct.
        interval_s: Its seconds between looks.

    Raises:
        UserError: Slurm does not answer, finished jobs would go unseen, or the plugin is not the one that is known.
    """
    import snakemake_executor_plugin_slurm as plugin
    from snakemake_interface_common.exceptions import WorkflowError

    require("snakemake-executor-plugin-slurm")
    config = slurm.settings()
    age = min_job_age(config)
    refuse_unseen(config, age, status_command, interval_s)
    if absent := [name for name in REPLACED if not hasattr(plugin, name)]:
        raise UserError(
            f"snakemake-executor-plugin-slurm: has no {absent[0]}; install the version that envs/cluster.txt pins"
        )
    ask, check = plugin.query_job_status, plugin.Executor.check_active_jobs
    listed: set[str] = set()
    lost_s = LOST_S.get(status_command, LOST_S["sacct"])
    missing: dict[str, float] = {}

    async def patient(command: str, logger: Any) -> Any:
        began = None
        while (answer := await ask(command, logger)) == (None, None):
            if began is None:
                began = time.monotonic()
                logger.warning(f"Slurm does not answer ({command.split()[0]}); asking again for {PATIENCE_S:.0f} s.")
            elif time.monotonic() - began > PATIENCE_S:
                raise WorkflowError(
                    f"Slurm has not answered for {PATIENCE_S:.0f} s. Its jobs may go on: when it is back, run"
                    " `vr1repro recover`, then start again."
                )
            await asyncio.sleep(PAUSE_S)
        if began is not None:
            logger.warning(f"Slurm answers again, after {time.monotonic() - began:.0f} s.")
        listed.clear()
        listed.update(answer[0])
        return answer

    async def watchful(self: Any, active_jobs: list[Any]) -> AsyncIterator[Any]:
        async for job in check(self, active_jobs):
            number = job.external_jobid
            if listed.intersection(plugin._status_lookup_ids(number)):
                missing.pop(number, None)
            elif time.monotonic() - missing.setdefault(number, time.monotonic()) > lost_s:
                message = f"Slurm no longer knows job '{number}': its controller lost or forgot it. "
                self.report_job_error(job, msg=message, aux_logs=[str(job.aux.get("slurm_logfile"))])
                continue
            yield job

    plugin.query_job_status = patient
    plugin.Executor.check_active_jobs = watchful
    plugin.Executor.next_seconds_between_status_checks = property(lambda _: interval_s, lambda _, value: None)
    plugin.get_min_job_age = lambda: age
    plugin.get_account = lambda logger: None
    plugin.validate_account = lambda account, logger: account


def min_job_age(config: dict[str, str]) -> int:
    """Seconds for which the controller remembers a finished job; 0 where it does not say."""
    match = re.match(r"\d+", config.get("MinJobAge", ""))
    return int(match[0]) if match else 0


def refuse_unseen(config: dict[str, str], age: int, status_command: str, interval_s: float) -> None:
    """Refuse settings under which the end of a job is never seen.

    Raises:
        UserError: One line that says which and what to do.
    """
    if status_command == "sacct" and config.get("AccountingStorageType", "").endswith("/none"):
        raise UserError("slurm-status-command: sacct, but this cluster keeps no accounting; leave it at squeue")
    if status_command == "squeue" and age < 3 * interval_s:
        raise UserError(
            f"squeue forgets a finished job after {age} s here (MinJobAge), and is asked every {interval_s:.0f} s: add"
            f" --slurm-init-seconds-before-status-checks {max(age // 3, 1)}, or --slurm-status-command sacct where"
            " accounting runs"
        )
