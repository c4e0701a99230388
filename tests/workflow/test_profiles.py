"""The profiles, and how trainings start on one node and on several, by dry runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

STAGE = "results/paper/train/zero/s1/stage1/content.sha256"


def snakemake(repo: Path, work: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    environment = {
        **kept,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(repo),
        **variables,
    }
    command = [sys.executable, "-m", "snakemake", *arguments, "-s", str(repo / "Snakefile"), "--directory", str(work)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=repo)


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [({}, {}),
     ({"SLURM_ACCOUNT": "lab", "SLURM_PARTITION": "h100"}, {"slurm_account": "lab", "slurm_partition": "h100"}),
     ({"SLURM_ACCOUNT": ""}, {})],
)  # fmt: skip
def test_account_and_partition_come_from_the_environment_or_not_at_all(
    repo: Path, tmp_path: Path, variables: dict[str, str], wanted: dict[str, str]
) -> None:
    done = snakemake(
        repo, tmp_path, "-n", "results/smoke/problems/cold/manifest.json", "--profile", "slurm",
        "--configfile", "config/smoke.yaml", **variables,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    for key in ("slurm_account", "slurm_partition"):
        assert (f"{key}={wanted[key]}" if key in wanted else key) in said if key in wanted else key not in said
    assert "nodes=1" in said


def test_a_training_over_nodes_is_one_srun_task_a_node(repo: Path, tmp_path: Path) -> None:
    done = snakemake(repo, tmp_path, "-n", "-p", STAGE, "--profile", "slurm")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "srun --nodes=8 --ntasks=8 --ntasks-per-node=1" in said
    assert "--gres=gpu:8 torchrun --nnodes 8 --nproc-per-node 8 --rdzv-backend c10d" in said
    asked = next(line for line in said.split("rule train_rl_stage:")[1].splitlines() if "resources:" in line)
    for resource in ("mpi=srun", "nodes=8", "tasks=8", "tasks_per_gpu=0", "cpus_per_task=64", "gres=gpu:8"):
        assert resource in asked
    assert " gpu=" not in asked  # a total, which Slurm could spread unevenly


def test_a_training_on_one_node_counts_its_gpus(repo: Path, tmp_path: Path) -> None:
    stage = STAGE.replace("/paper/", "/paper-8gpu-7b/")
    done = snakemake(
        repo, tmp_path, "-n", "-p", stage, "--profile", "slurm", "--configfile", "config/paper-8gpu-7b.yaml"
    )
    said = done.stdout + done.stderr
    assert "torchrun --nnodes 1 --nproc-per-node 8 --standalone -m -- vr1repro.cli stage rl" in said
    asked = next(line for line in said.split("rule train_rl_stage:")[1].splitlines() if "resources:" in line)
    for resource in ("nodes=1", "gpu=8", "cpus_per_gpu=8"):
        assert resource in asked
    assert "srun" not in said


def small(repo: Path, work: Path, arm: str, nodes: int) -> str:
    """paper-8gpu-7b with one arm and one benchmark, from files that are not there."""
    values = yaml.safe_load((repo / "config" / "paper-8gpu-7b.yaml").read_text())
    nowhere = {"kind": "path", "path": str(work / "nowhere")}
    values["models"]["qwen2.5-vl-7b"] = {**nowhere, "context": 128000}
    values["benchmarks"] = {"mathvista": nowhere}
    values["problems"]["rl-10k"] = nowhere
    values["evaluation"]["benchmarks"] = values["selection"]["benchmarks"] = ["mathvista"]
    values["rl"]["launch"]["nodes"] = nodes
    values["run_arms"] = [arm]
    (work / "c.yaml").write_text(yaml.safe_dump(values))
    return str(work / "c.yaml")


@pytest.mark.parametrize(
    ("options", "arm", "nodes", "said"),
    [
        ([], "base", 1, "--resources gpu=None: a job needs 1 GPUs"),
        (["--resources", "gpu=4"], "zero", 1, "--resources gpu=4: a job needs 8 GPUs"),
        (["--resources", "gpu=8"], "zero", 2, "rl.launch.nodes: 2 machines need --profile slurm"),
        (["--resources", "gpu=8"], "base", 1, None),
    ],
)
def test_one_machine_never_scales_a_job_down(
    repo: Path, tmp_path: Path, options: list[str], arm: str, nodes: int, said: str | None
) -> None:
    done = snakemake(
        repo, tmp_path, "evaluate", "--profile", "workflow/profiles/local", *options,
        "--configfile", small(repo, tmp_path, arm, nodes),
    )  # fmt: skip
    text = done.stdout + done.stderr
    assert done.returncode == 1
    if said is None:  # it starts, and fails where there is no model
        assert "rule fetch_model" in text
    else:
        assert said in text
        assert "rule fetch_model" not in text
        assert "Traceback" not in text
