# What a start looks at before its first job: docs/cluster.md.
from vr1repro.cluster import head, plugin
from vr1repro.core.provenance import MANIFEST

TRAININGS = ("train_sft", "train_rl_stage")
GPU_KINDS = {"bridge_shard": "bridge", "train_sft": "sft", "train_rl_stage": "rl", "evaluate_checkpoint": "evaluate"}


def begin_run(workflow):
    """Take this folder's place before the first job; on Slurm also mend the executor plugin. Jobs do neither."""
    if workflow.remote_exec:
        return
    slurm = workflow.executor_plugin.name == "slurm"
    if workflow.executor_plugin.name == "local":
        refuse_too_small(workflow)
    try:
        refuse_to_remake(workflow)
        head.begin(Path.cwd(), slurm)
        if slurm:
            chosen = workflow.executor_settings
            plugin.mend(chosen.status_command, chosen.init_seconds_before_status_checks)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def refuse_to_remake(workflow):
    """Stop before the first job where a finished training would be made again and nobody has said so."""
    if not CONFIG.guard_finished:
        return
    allowed = os.environ.get("VR1REPRO_REMAKE", "").split(",")
    folders = {Path(job.output.closed).parent for job in workflow.dag.needrun_jobs() if job.rule.name in TRAININGS}
    kept = sorted(f"{folder}" for folder in folders if (folder / MANIFEST).exists() and f"{folder}" not in allowed)
    if kept:
        raise WorkflowError(
            f"guard_finished: these trainings are finished and would be made again: {', '.join(kept)}\n"
            f"  what has changed: vr1repro why-rerun {kept[0]}\n"
            f"  take them as they are: snakemake --touch ... {kept[0]}/{CONTENT}\n"
            f"  make them again: snakemake ... --config remake={','.join(kept)}"
        )


def refuse_too_small(workflow):
    """On one machine: GPUs must be counted, and no job be scaled down to fewer than it asks for, as Snakemake would."""
    kinds = {GPU_KINDS[job.rule.name] for job in workflow.dag.needrun_jobs() if job.rule.name in GPU_KINDS}
    for kind in sorted(kinds):
        launch = {"sft": CONFIG.sft.launch, "rl": CONFIG.rl.launch}.get(kind)
        if launch and launch.nodes > 1:
            raise WorkflowError(f"{kind}.launch.nodes: {launch.nodes} machines need --profile slurm, or set nodes: 1")
    need = max((getattr(CONFIG.resources, kind).gpu for kind in kinds), default=0)
    given = workflow.global_resources["gpu"].value if "gpu" in workflow.global_resources else None
    if need and (given is None or given < need):
        raise WorkflowError(
            f"--resources gpu={given}: a job needs {need} GPUs; give --resources gpu=N with N the GPUs of this machine, and"
            " a config whose jobs fit (config/evaluate.yaml needs one)"
        )
