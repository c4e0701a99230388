"""Snakemake over the smoke config, or another of the lab, run, stopped and read by tests."""

import base64
import gzip
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
from waiting import heed_interrupts, wait_until

# Pressed again where a job has swallowed it; no limit, the workflow may take longer to end.
_NEXT_PRESS_S = 20
# The key of all endpoints, the lab's grader among them. No file that a run leaves may hold it, however it is spelt.
CANARY = 'sk-canary/smoke"5583+Zq0xYw7'
# What Python and the package cost before a job works.
_LOADED_CPU_S = 1.0


@dataclass(frozen=True)
class Workflow:
    """Snakemake over a config of the lab in a folder of its own."""

    repo: Path
    folder: Path
    package: Path | None = None  # a copy of the repository whose `vr1repro` is used in place of the installed one
    warm: bool = False  # jobs are forked from a warm process, as `make smoke` has it
    overrides: tuple[str, ...] = ()  # further words of the command line
    config: str = "smoke"  # the run's, and its config's, name

    @property
    def root(self) -> Path:
        """The run's results."""
        return self.folder / "results" / self.config

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
                "--configfile", str(source / "config" / f"{self.config}.yaml"), *self.overrides]  # fmt: skip

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
            "OPENAI_API_KEY": CANARY,
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

    def interrupt_at(self, *logs: str) -> str:
        """Press Ctrl-C when the first of some jobs is at work, seen by its log under `logs/`; says which it was."""
        before = self._written(*logs)
        process = subprocess.Popen(
            self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=self.environment, cwd=self.source,
            start_new_session=True, preexec_fn=heed_interrupts,
        )  # fmt: skip
        try:
            wait_until(
                lambda: process.poll() is not None or self._written(*logs) != before, f"one of {logs}", every_s=0.05
            )
            assert process.poll() is None, f"the workflow ended before any of {logs} began"
            started = next(log for log in logs if self._written(log) != {log: before[log]})
            seen: set[int] = set()
            wait_until(lambda: _is_at_work(process, seen), "the job's imports, or its end", every_s=0.05)
            # What a terminal does: workflow and jobs alike. A job that is importing may swallow the first.
            wait_until(lambda: _ends_by_ctrl_c(process), "the workflow's end by Ctrl-C")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        return started

    def _written(self, *logs: str) -> dict[str, dict[Path, int]]:
        """For each pattern under `logs/`: its files, and when each was last written."""
        return {log: {path: path.stat().st_mtime_ns for path in (self.root / "logs").glob(log)} for log in logs}

    def evidence(self) -> dict[str, bytes]:
        """Every deterministic file of the run by path: weights, logs, responses, verdicts, tables, figures."""
        patterns = ("train/**/*.safetensors", "train/**/steps.jsonl", "coldset/*.jsonl", "coldset/*.parquet",
                    "eval/**/responses.jsonl", "eval/**/verdicts/*.jsonl", "tables/*.csv", "figures/*.png")  # fmt: skip
        paths = sorted({path for pattern in patterns for path in self.root.glob(pattern)})
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in paths}


def spellings(key: str) -> list[str]:
    """A key as it is, escaped as in JSON once and twice, as in an address, and in base64 by itself and as a header."""
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in key)
    shifted = (base64.b64encode(before + key.encode()).decode() for before in (b"", b"Bearer ", b'{"k":"'))
    # The letters at both ends depend on what stands around the key.
    return [key, json.dumps(key)[1:-1], json.dumps(json.dumps(key)[1:-1])[1:-1], escaped, quote(key, safe=""),
            *(text.rstrip("=")[-24:-2] for text in shifted)]  # fmt: skip


def holding(key: str, folder: Path) -> list[Path]:
    """Files below a folder, packed ones unpacked, that hold a key in any spelling."""
    patterns = [spelling.encode() for spelling in spellings(key)]
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 3
    return [path for path in files if any(pattern in _unpacked(path) for pattern in patterns)]


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def _is_at_work(workflow: "subprocess.Popen[bytes]", seen: set[int]) -> bool:
    """Whether a job has had the processor for a second, or one that was `seen` has ended, or the workflow has."""
    jobs = {}
    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process(workflow.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if "stage" in process.cmdline():
                    jobs[process.pid] = process.cpu_times().user
    seen |= jobs.keys()
    return (
        any(used >= _LOADED_CPU_S for used in jobs.values()) or bool(seen - jobs.keys()) or workflow.poll() is not None
    )


def _ends_by_ctrl_c(process: "subprocess.Popen[bytes]") -> bool:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_NEXT_PRESS_S)
    return process.returncode is not None
