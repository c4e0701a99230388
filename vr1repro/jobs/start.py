"""What a start of the workflow looks at before its first job (docs/cluster.md); workflow/rules/start.smk calls it.

The names of Snakemake's workflow that this module reads are no public interface: `core/upstream/table.yaml` lists them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vr1repro.cluster import head, plugin
from vr1repro.config.plan import Plan
from vr1repro.config.run import Config
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import CONTENT, MANIFEST, mark_planned, planned_params
from vr1repro.core.upstream import require
from vr1repro.jobs.common import GUARDED_RULES, may_remake
from vr1repro.reporting.run.commits import without_commit

# Rules whose jobs may need GPUs, and their key of the config's `resources`.
GPU_KINDS = {
    "bridge_shard": "bridge", "train_sft": "sft", "train_rl_stage": "rl", "evaluate_checkpoint": "evaluate",
    "sample_lengths": "evaluate", "extract_answers": "graders", "judge_answers": "graders",
    "train_start_elsewhere": "sft", "train_stage_elsewhere": "rl",
}  # fmt: skip
# Rules whose jobs guard a finished training that came from elsewhere (workflow/rules/elsewhere.smk).
ELSEWHERE_RULES = ("train_start_elsewhere", "train_stage_elsewhere", "adopt_start", "adopt_stage")


@dataclass(frozen=True)
class PlannedAgain:
    """A planned job of a guarded rule whose artefact is finished.

    Attributes:
        params: Hashes of code and settings on which the job reruns.
        changed: The job has itself changed: it is forced, or its code, settings or inputs are other ones. A job that
            only waits for updated inputs has not: it compares their content once they are there (`jobs.common.guard`).
    """

    folder: Path
    params: dict[str, str]
    changed: bool


def begin(workflow: Any, config: Config, remake: str) -> None:
    """Take the working directory's place before the first job; on Slurm also mend the executor plugin.

    Jobs do neither, nor does `--touch`.

    Args:
        remake: `--config remake=...`: finished folders that may be made again, with commas.

    Raises:
        UserError: This start may not go on; the message says why, and what to do.
    """
    require("snakemake")
    if workflow.remote_exec or workflow.touch:
        return
    slurm = workflow.executor_plugin.name == "slurm"
    if workflow.executor_plugin.name == "local":
        refuse_too_small(workflow, config)
    if config.guard_finished:
        refuse_to_remake(list(planned_again(workflow)), remake)
    refuse_without_commits(config)
    head.begin(Path.cwd(), slurm)
    # Marked before Snakemake removes their closing files.
    for job in list(planned_again(workflow)):
        mark_planned(job.folder, None if job.changed or may_remake(job.folder, remake) else job.params)
    if slurm:
        chosen = workflow.executor_settings
        plugin.mend(chosen.status_command, chosen.init_seconds_before_status_checks)


def planned_again(workflow: Any) -> Iterator[PlannedAgain]:
    """Planned jobs whose artefact is finished.

    Where another job is to update an input, Snakemake's reason names that alone, so its records are asked as well.
    """
    records = workflow.persistence
    for job in workflow.dag.needrun_jobs():
        folder = Path(job.output.closed).parent if job.rule.name in (*GUARDED_RULES, *ELSEWHERE_RULES) else None
        if folder is None or not (folder / MANIFEST).exists():
            continue
        params = {"code": job.params.code, "settings": job.params.settings}
        reason = workflow.dag.reason(job)
        changed = bool(reason.forced or reason.updated_input - reason.updated_input_run)
        if (folder / CONTENT).exists():
            changed |= bool(records.params_changed(job))
            changed |= any(records.code_changed(job)) or any(records.input_changed(job))
        else:  # an earlier job was stopped or refused, and its records are gone with its output
            changed |= planned_params(folder) != params
        yield PlannedAgain(folder, params, changed)


def refuse_to_remake(jobs: list[PlannedAgain], remake: str) -> None:
    """Stop before the first job where a finished artefact has changed itself and nobody has said that it may be remade.

    Raises:
        UserError: There are such artefacts; the message names them all.
    """
    kept = sorted(str(job.folder) for job in jobs if job.changed and not may_remake(job.folder, remake))
    if kept:
        raise UserError(
            f"guard_finished: these are finished and would be made again: {', '.join(kept)}\n"
            f"  what has changed: vr1repro why-rerun {kept[0]}\n"
            f"  take them as they are: vr1repro accept {kept[0]}\n"
            f"  make them again: snakemake ... --config remake={','.join(kept)}"
        )


def refuse_without_commits(config: Config) -> None:
    """Stop before the first job where a run that is to be compared does not know what it fetched, not after its last.

    Raises:
        UserError: Something was fetched whose commit is not on record.
    """
    plan = Plan(config)
    if config.comparable and (lines := list(without_commit(plan, Path(plan.root)))):
        raise UserError("\n".join(lines))


def refuse_too_small(workflow: Any, config: Config) -> None:
    """On one machine: GPUs must be counted, and no job be scaled down to fewer than it asks for, as Snakemake would.

    Raises:
        UserError: A planned job needs more machines, or more GPUs than are counted.
    """
    kinds = {GPU_KINDS[job.rule.name] for job in workflow.dag.needrun_jobs() if job.rule.name in GPU_KINDS}
    for kind in sorted(kinds):
        if (nodes := max((launch.nodes for launch in config.launches(kind)), default=1)) > 1:
            raise UserError(f"{kind}.launch.nodes: {nodes} machines need --profile slurm, or set nodes: 1")
    need = max((config.gpus(kind) for kind in kinds), default=0)
    given = workflow.global_resources["gpu"].value if "gpu" in workflow.global_resources else None
    if need and (given is None or given < need):
        raise UserError(
            f"--resources gpu={given}: a job needs {need} GPUs; give --resources gpu=N with N the GPUs of this machine,"
            " and a config whose jobs fit (config/evaluate.yaml needs one)"
        )
