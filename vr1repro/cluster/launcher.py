"""How a training command starts: plain Python, torchrun on a node, or torchrun by srun on each of several."""

from vr1repro.config.run import Resources
from vr1repro.config.training import Launch


def needs_torchrun(launch: Launch) -> bool:
    """Whether processes must meet: more than one, or DeepSpeed, which sets up its groups for one too."""
    return launch.nodes * launch.processes > 1 or launch.zero_stage > 0


def launcher(launch: Launch, need: Resources) -> str:
    """What stands before `stage sft ...` or `stage rl ...` in a rule's shell command.

    Args:
        launch: Nodes and processes.
        need: What the job asks of each node.
    """
    if not needs_torchrun(launch):
        return "vr1repro"
    # `--`: else torchrun takes our options for abbreviations of its own (--start, --stage).
    called = "-m -- vr1repro.cli"
    torchrun = f"torchrun --nnodes {launch.nodes} --nproc-per-node {launch.processes}"
    if launch.nodes == 1:
        return f"{torchrun} --standalone {called}"
    srun = f"srun --nodes={launch.nodes} --ntasks={launch.nodes} --ntasks-per-node=1"
    srun += f" --kill-on-bad-exit=1 --cpu-bind=none --cpus-per-task={need.threads * launch.processes}"
    srun += f" --gres=gpu:{need.gpu}" if need.gpu else ""
    # The batch script runs on the first node, which then keeps the store at which all meet; a port of the job's own.
    meet = "--rdzv-backend c10d --rdzv-id $SLURM_JOB_ID --rdzv-endpoint $(hostname):$((20000 + SLURM_JOB_ID % 10000))"
    return f"{srun} {torchrun} {meet} {called}"
