"""Snakemake's literal command in a clone on the test cluster."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from slurm_cluster import Cluster
from waiting import heed_interrupts, wait_until

# What a test waits for less than a cluster's users do.
QUICK = ("--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "10")


def clone(repo: Path, folder: Path) -> None:
    """What git would clone, with the changes that a developer has not committed."""
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=repo, text=True)
    for name in filter(None, listed.split("\0")):
        if (source := repo / name).exists() and not name.startswith("results/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name, follow_symlinks=False)


@dataclass
class ClusterRun:
    """A clone, a config and a cluster."""

    cluster: Cluster
    folder: Path
    config: str = "config/smoke.yaml"
    variables: dict[str, str] = field(default_factory=dict)
    started: list["subprocess.Popen[str]"] = field(default_factory=list)

    @property
    def root(self) -> Path:
        """The run's results."""
        return self.folder / "results" / "smoke"

    @property
    def environment(self) -> dict[str, str]:
        """The cluster's commands, then this interpreter's, and the clone's package."""
        base = self.cluster.environment
        path = f"{self.cluster.bin}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**base, "PATH": path, "PYTHONPATH": str(self.folder), **self.variables}

    def command(self, *words: str) -> list[str]:
        """The literal command. Targets stand before --configfile, which takes every word that follows it."""
        return ["snakemake", "--cores", "all", "--profile", "slurm", *words, "--configfile", self.config]

    def run(self, *words: str, timeout_s: float = 900) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        process = self.start(*words)
        return self.end_of(process, timeout_s)

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start it; its output goes to a file, as a pipe that nobody reads would stop it."""
        self.said = self.folder / f"snakemake-{len(self.started) + 1}.out"
        with self.said.open("w") as out:
            process = subprocess.Popen(
                self.command(*words), cwd=self.folder, env=self.environment, stdout=out, stderr=subprocess.STDOUT,
                text=True, start_new_session=True, preexec_fn=heed_interrupts,
            )  # fmt: skip
        self.started.append(process)
        return process

    def end_all(self) -> None:
        """Leave no snakemake of a failed test behind."""
        for process in self.started:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def end_of(self, process: "subprocess.Popen[str]", timeout_s: float = 900) -> subprocess.CompletedProcess[str]:
        """Wait for its end."""
        try:
            process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"hangs:\n{self.said.read_text()[-3000:]}\n{self.cluster.jobs()}") from None
        return subprocess.CompletedProcess(process.args, process.returncode, self.said.read_text(), "")

    def vr1repro(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of ours in the clone."""
        return subprocess.run(
            [sys.executable, "-m", "vr1repro.cli", *words], cwd=self.folder, env=self.environment, capture_output=True,
            text=True, check=False,
        )  # fmt: skip

    def until(self, rule: str, process: "subprocess.Popen[str]") -> str:
        """Wait until a job of a rule runs its command (its log is there); its Slurm id."""

        def running() -> list[str]:
            assert process.poll() is None, self.said.read_text()[-3000:]
            states = self.cluster.jobs().items()
            return [number for number, (state, comment) in states if state == "RUNNING" and f"rule_{rule}" in comment]

        wait_until(running, f"a job of {rule} runs", every_s=0.1, evidence=lambda: self.said.read_text()[-1500:])
        return running()[0]

    def processes(self, *needles: str) -> list[int]:
        """Processes below this clone whose command line holds all of some words."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (entry / "cwd").readlink() == self.folder:
                    words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if all(needle in words for needle in needles):
                        found.append(int(entry.name))
        return found

    def change(self, name: str, change: dict[str, Any]) -> None:
        """Use the config with some of its sections changed."""
        values = yaml.safe_load((self.folder / self.config).read_text())
        merge(values, change)
        (self.folder / name).write_text(yaml.safe_dump(values, sort_keys=False))
        self.config = name

    def forget(self, *paths: str) -> None:
        """Remove results, so that a run has them to make."""
        for path in paths:
            target = self.root / path
            shutil.rmtree(target) if target.is_dir() else target.unlink()


def merge(values: dict[str, Any], change: dict[str, Any]) -> None:
    """Put a nested change into a config."""
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            merge(values[key], value)
        else:
            values[key] = value


def finished(states: Sequence[tuple[str, str]], rule: str) -> list[str]:
    """States of the Slurm jobs of a rule."""
    return [state for state, comment in states if f"rule_{rule}" in comment]
