# What a start looks at before its first job: docs/cluster.md.
from vr1repro.cluster import head, plugin
from vr1repro.core.provenance import MANIFEST, mark_planned, planned_params
from vr1repro.jobs.common import GUARDED_RULES, may_remake

GPU_KINDS = {"bridge_shard": "bridge", "train_sft": "sft", "train_rl_stage": "rl", "evaluate_checkpoint": "evaluate"}


def begin_run(workflow):
    """Take this folder's place before the first job; on Slurm also mend the executor plugin. Jobs do neither, nor does --touch."""
    if workflow.remote_exec or workflow.touch:
        return
    slurm = workflow.executor_plugin.name == "slurm"
    if workflow.executor_plugin.name == "local":
        refuse_too_small(workflow)
    try:
        refuse_to_remake(workflow)
        head.begin(Path.cwd(), slurm)
        mark_finished(workflow)
        if slurm:
            chosen = workflow.executor_settings
            plugin.mend(chosen.status_command, chosen.init_seconds_before_status_checks)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def finished_again(workflow):
    """Planned jobs of guarded rules whose artefact is finished, each with its folder and whether it has itself changed.

    Where another job is to update an input, Snakemake's reason names that alone, so its records are asked as well. A job
    that only waits for updated inputs has not changed itself: it compares their content once they are there (`guard`).
    """
    records = workflow.persistence
    for job in workflow.dag.needrun_jobs():
        folder = Path(job.output.closed).parent if job.rule.name in GUARDED_RULES else None
        if folder is None or not (folder / MANIFEST).exists():
            continue
        reason = workflow.dag.reason(job)
        changed = bool(reason.forced or reason.updated_input - reason.updated_input_run)
        if (folder / CONTENT).exists():
            changed |= bool(records.params_changed(job))
            changed |= any(records.code_changed(job)) or any(records.input_changed(job))
        else:  # an earlier job was stopped or refused, and its records are gone with its output
            changed |= planned_params(folder) != params_of(job)
        yield job, folder, changed


def params_of(job):
    """The params on which a job reruns."""
    return {"code": job.params.code, "settings": job.params.settings}


def refuse_to_remake(workflow):
    """Stop before the first job where a finished artefact has changed itself and nobody has said that it may be remade."""
    if not CONFIG.guard_finished:
        return
    kept = sorted(
        str(folder) for _, folder, changed in finished_again(workflow) if changed and not may_remake(folder, REMAKE)
    )
    if kept:
        raise WorkflowError(
            f"guard_finished: these are finished and would be made again: {', '.join(kept)}\n"
            f"  what has changed: vr1repro why-rerun {kept[0]}\n"
            f"  take them as they are: vr1repro accept {kept[0]}\n"
            f"  make them again: snakemake ... --config remake={','.join(kept)}"
        )


def mark_finished(workflow):
    """Mark what is planned again, before Snakemake removes its closing file."""
    for job, folder, changed in list(finished_again(workflow)):
        mark_planned(folder, None if changed or may_remake(folder, REMAKE) else params_of(job))


def refuse_too_small(workflow):
    """On one machine: GPUs must be counted, and no job be scaled down to fewer than it asks for, as Snakemake would."""
    kinds = {GPU_KINDS[job.rule.name] for job in workflow.dag.needrun_jobs() if job.rule.name in GPU_KINDS}
    for kind in sorted(kinds):
        if (nodes := max((launch.nodes for launch in launches(kind)), default=1)) > 1:
            raise WorkflowError(f"{kind}.launch.nodes: {nodes} machines need --profile slurm, or set nodes: 1")
    need = max((CONFIG.gpus(kind) for kind in kinds), default=0)
    given = workflow.global_resources["gpu"].value if "gpu" in workflow.global_resources else None
    if need and (given is None or given < need):
        raise WorkflowError(
            f"--resources gpu={given}: a job needs {need} GPUs; give --resources gpu=N with N the GPUs of this machine, and"
            " a config whose jobs fit (config/evaluate.yaml needs one)"
        )
