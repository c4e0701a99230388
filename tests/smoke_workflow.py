"""Snakemake over the smoke config, run, stopped and read by tests."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from waiting import heed_interrupts


@dataclass(frozen=True)
class Workflow:
    """Snakemake over the smoke config in a folder of its own."""

    repo: Path
    folder: Path
    package: Path | None = None  # a copy of the repository whose `vr1repro` is used in place of the installed one
    warm: bool = False  # jobs are forked from a warm process, as `make smoke` has it
    overrides: tuple[str, ...] = ()  # further words of the command line

    @property
    def root(self) -> Path:
        """The run's results."""
        return self.folder / "results" / "smoke"

    @property
    def source(self) -> Path:
        """Where the rules and the package come from; Python looks in the working directory first."""
        return self.package or self.repo

    def command(self, *words: str) -> list[str]:
        """The command line, one core, so that interruptions meet the stages in order."""
        source = self.source
        warm = [sys.executable, "-m", "vr1repro", "warm"] if self.warm else []
        command = [
            *warm,
            sys.executable,
            "-m",
            "snakemake",
            *words,
            "-s",
            str(source / "Snakefile"),
            "--rerun-incomplete",
        ]
        return [*command, "--directory", str(self.folder), "--cores", "1",
                "--configfile", str(source / "config" / "smoke.yaml"), *self.overrides]  # fmt: skip

    @property
    def imports(self) -> Path:
        """Where each job's process notes the modules of the package that it imports (tests/trace/sitecustomize.py)."""
        return self.folder / "imports"

    @property
    def environment(self) -> dict[str, str]:
        """The tests' own, with the interpreter's scripts first and the copy of the package where there is one."""
        search = [str(self.source), str(self.repo / "tests" / "trace")]
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(search),
            "VR1REPRO_NOTED_IMPORTS": str(self.imports),
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        return subprocess.run(
            self.command(*words), capture_output=True, text=True, env=self.environment, check=False, cwd=self.source
        )

    def finish(self) -> None:
        """Run to the end and show the logs of what failed."""
        done = self.run()
        logs = "\n".join(f"{path}:\n{path.read_text()[-1500:]}" for path in self.root.rglob("logs/**/*.log"))
        assert done.returncode == 0, done.stderr[-3000:] + logs

    def interrupt_at(self, *logs: str, timeout_s: float = 600) -> str:
        """Press Ctrl-C when the first of some jobs begins, seen by its log under `logs/`; says which it was."""
        began = time.time()
        process = subprocess.Popen(
            self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=self.environment, cwd=self.source,
            start_new_session=True, preexec_fn=heed_interrupts,
        )  # fmt: skip
        try:
            while not (found := [log for log in logs if self._written_since(log, began)]):
                assert process.poll() is None, f"the workflow ended before any of {logs} began"
                assert time.time() - began < timeout_s, f"none of {logs} began"
                time.sleep(0.05)
            time.sleep(1)  # let the job load and work
            # What a terminal does: workflow and jobs alike. A job that is importing may swallow the first.
            for _ in range(6):
                os.killpg(process.pid, signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=20)
                    break
            assert process.poll() is not None, "Ctrl-C does not end it"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        return found[0]

    def _written_since(self, log: str, began: float) -> bool:
        return any(path.stat().st_mtime >= began for path in (self.root / "logs").glob(log))

    def evidence(self) -> dict[str, bytes]:
        """Every deterministic file of the run by path: weights, logs, responses, verdicts, tables, figures."""
        patterns = ("train/**/*.safetensors", "train/**/steps.jsonl", "coldset/*.jsonl", "coldset/*.parquet",
                    "eval/**/responses.jsonl", "eval/**/verdicts/*.jsonl", "tables/*.csv", "figures/*.png")  # fmt: skip
        paths = sorted({path for pattern in patterns for path in self.root.glob(pattern)})
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in paths}
