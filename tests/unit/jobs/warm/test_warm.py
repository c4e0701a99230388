"""Jobs forked from a warm process end, fail and are stopped as jobs of their own are."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from waiting import PATIENCE_S, heed_interrupts, wait_until

from vr1repro.core.code_hash import PACKAGE, closure
from vr1repro.jobs import JOBS
from vr1repro.jobs.warm.client import HEAVY

PROGRAM = [sys.executable, "-m", "vr1repro"]
# pytest names the running test in its own.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
PRETRAINING = ["stage", "lab-model", "--config"]
WARM = re.compile(r"[\d.]+ s of CPU, \d+ MB at most\n")


@dataclass(frozen=True)
class Warm:
    """`vr1repro warm` beside a command that waits."""

    address: str
    starter: psutil.Process

    @property
    def server(self) -> psutil.Process:
        """The process that forks jobs: the one child of `vr1repro warm` that is Python."""
        (server,) = [child for child in self.starter.children() if "vr1repro.jobs.warm.server" in child.cmdline()]
        return server


@contextmanager
def serving() -> Iterator[Warm]:
    command = [*PROGRAM, "warm", "sh", "-c", "echo $VR1REPRO_WARM; cat"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        assert process.stdout
        assert process.stdin
        address = process.stdout.readline().strip()
        wait_until(Path(address).exists, "the server's socket")
        yield Warm(address, psutil.Process(process.pid))
        process.stdin.close()
    assert process.returncode == 0
    assert not Path(address).exists()


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with serving() as beside:
        yield beside


@pytest.fixture
def address(warm: Warm) -> str:
    return warm.address


def run(address: str, *words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *words],
        cwd=cwd,
        env={**ENVIRONMENT, "VR1REPRO_WARM": address, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def begin(address: str, config: Path, out: Path) -> subprocess.Popen[bytes]:
    """Start the micro run's pretraining, and wait until it learns."""
    log = out.with_suffix(".log")
    with log.open("wb") as file:
        job = subprocess.Popen(
            [*PROGRAM, *PRETRAINING, str(config), "--out", str(out)],
            env={**ENVIRONMENT, "VR1REPRO_WARM": address}, stdout=file, stderr=file, preexec_fn=heed_interrupts,
        )  # fmt: skip
    wait_until(lambda: "pretrain step 10" in log.read_text() or job.poll() is not None, "ten steps")
    assert job.poll() is None, log.read_text()
    return job


def test_a_job_is_forked_and_ends_as_it_would(address: str, tmp_path: Path) -> None:
    wrong = ["stage", "evaluate", "--config", "nowhere.yaml", "--out", "x", "--checkpoint", "base"]
    warm, cold = run(address, *wrong, cwd=tmp_path), run("", *wrong, cwd=tmp_path)
    assert WARM.search(warm.stderr)
    assert (warm.returncode, WARM.sub("", warm.stderr)) == (cold.returncode, cold.stderr)
    assert cold.returncode == 2
    assert "nowhere.yaml" in cold.stderr
    shown, asked = (run(to, "stage", "sft", "--help", cwd=tmp_path, COLUMNS="80").stdout for to in (address, ""))
    assert shown == asked
    assert "seed" in shown


def test_a_light_job_and_one_with_another_environment_start_as_usual(address: str, tmp_path: Path) -> None:
    light = run(address, "stage", "grade", "--help", cwd=tmp_path)
    assert light.returncode == 0
    assert not WARM.search(light.stderr)
    other = run(address, "stage", "evaluate", "--help", cwd=tmp_path, HF_HUB_OFFLINE="0")
    assert other.returncode == 0
    assert "its environment differs in HF_HUB_OFFLINE" in other.stderr
    pools = run(address, "stage", "evaluate", "--help", cwd=tmp_path, OMP_NUM_THREADS="2", TMPDIR=str(tmp_path))
    assert WARM.search(pools.stderr)


def test_without_a_server_jobs_start_as_usual(tmp_path: Path) -> None:
    done = run(str(tmp_path / "gone"), "stage", "evaluate", "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert not WARM.search(done.stderr)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_a_signal_to_the_waiting_process_ends_the_job(
    warm: Warm, repo: Path, tmp_path: Path, number: int, code: int
) -> None:
    job = begin(warm.address, repo / "config" / "micro.yaml", tmp_path / "model")
    forked = warm.server.children()
    assert len(forked) == 1
    job.send_signal(number)
    assert job.wait(timeout=PATIENCE_S) == code
    assert not psutil.wait_procs(forked, timeout=PATIENCE_S)[1]


def test_a_server_that_dies_takes_its_jobs_with_it(repo: Path, tmp_path: Path) -> None:
    with serving() as beside:
        job = begin(beside.address, repo / "config" / "micro.yaml", tmp_path / "model")
        forked = beside.server.children()
        assert len(forked) == 1
        beside.server.kill()
        assert job.wait(timeout=PATIENCE_S) == 1
        assert "vr1repro warm died" in (tmp_path / "model.log").read_text()
        assert not psutil.wait_procs(forked, timeout=PATIENCE_S)[1]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "Missing argument"),
        (["no-such-program"], 2, "no-such-program: No such file"),
        (["sh", "-c", "exit 3"], 3, ""),
        (["sh", "-c", "kill -TERM $$"], -signal.SIGTERM, ""),
    ],
)
def test_the_command_ends_it(tmp_path: Path, words: list[str], code: int, said: str) -> None:
    """Also a server that has not come to the end of its imports, as here none does."""
    (tmp_path / "trl.py").write_text("import signal\nsignal.pause()\n")
    search = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = run("", "warm", *words, cwd=tmp_path, PYTHONPATH=search)
    assert done.returncode == code, done.stderr
    assert said in done.stderr


@pytest.mark.parametrize(("forked", "said"), [(True, "Usage"), (False, "stayed")])
def test_a_job_that_must_import_for_itself_begins_anew(forked: bool, said: str) -> None:
    """TRL takes vLLM while it is imported, or never."""
    code = "import sys; from vr1repro.jobs.warm.client import start_cold\n"
    code += "sys.orig_argv = [sys.executable, '-m', 'vr1repro', 'stage', 'rl', '--help']\n"
    code += "sys.modules['transformers'] = sys\n" if forked else ""
    done = subprocess.run(
        [sys.executable, "-c", code + "start_cold(); print('stayed')"],
        env={**ENVIRONMENT, "VR1REPRO_WARM": "gone"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said in done.stdout
    assert ("stayed" in done.stdout) != forked


def test_the_jobs_that_start_warm_are_those_that_import_torch() -> None:
    def is_heavy(module: str) -> bool:
        path = PACKAGE.joinpath(*module.split(".")[1:])
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        imports_torch = re.search(r"^\s*(import|from) (torch|transformers|trl)\b", path.read_text(), re.MULTILINE)
        return bool(imports_torch) or module == "vr1repro.engines.load"  # which loads an engine by name

    assert {job for job, module in JOBS.items() if any(map(is_heavy, closure([module])))} == HEAVY
