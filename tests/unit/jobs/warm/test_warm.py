"""Jobs forked from a warm process end, fail and are stopped as jobs of their own are."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-m", "vr1repro"]
# pytest names the running test in its own.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
PRETRAINING = ["stage", "lab-model", "--config"]
WARM = re.compile(r"[\d.]+ s of CPU, \d+ MB at most\n")


@contextmanager
def serving() -> Iterator[tuple[str, int]]:
    """`vr1repro warm` beside a command that waits: the server's address, and the process that started both."""
    command = [*PROGRAM, "warm", "sh", "-c", "echo $VR1REPRO_WARM; cat"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        assert process.stdout
        assert process.stdin
        found = process.stdout.readline().strip()
        wait_for(Path(found))
        yield found, process.pid
        process.stdin.close()
    assert process.returncode == 0
    assert not Path(found).exists()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as (found, _):
        yield found


def wait_for(path: Path, text: str = "", seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not path.exists() or (text and text not in path.read_text()):
        assert time.monotonic() < until, f"{path}: no {text or 'file'}"
        time.sleep(0.05)


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
            env={**ENVIRONMENT, "VR1REPRO_WARM": address}, stdout=file, stderr=file,
        )  # fmt: skip
    wait_for(log, "pretrain step 10")
    return job


def learns(out: Path) -> bool:
    """Whether the log still grows."""
    size = (out / "pretrain.jsonl").stat().st_size
    time.sleep(6)
    return (out / "pretrain.jsonl").stat().st_size > size


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
    address: str, repo: Path, tmp_path: Path, number: int, code: int
) -> None:
    job = begin(address, repo / "config" / "micro.yaml", tmp_path / "model")
    job.send_signal(number)
    assert job.wait(timeout=60) == code
    time.sleep(0.5)
    assert not learns(tmp_path / "model")


def test_a_server_that_dies_takes_its_jobs_with_it(repo: Path, tmp_path: Path) -> None:
    with serving() as (address, starter):
        job = begin(address, repo / "config" / "micro.yaml", tmp_path / "model")
        os.kill(server_of(starter), signal.SIGKILL)
        assert job.wait(timeout=60) == 1
        assert "vr1repro warm died" in (tmp_path / "model.log").read_text()
        assert not learns(tmp_path / "model")


def server_of(wrapper: int) -> int:
    """The process that forks jobs: the one child of `vr1repro warm` that is Python."""
    children = Path(f"/proc/{wrapper}/task/{wrapper}/children").read_text().split()
    (found,) = [
        child for child in children if b"vr1repro.jobs.warm.server" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    return int(found)


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
    done = run("", "warm", *words, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert said in done.stderr


@pytest.mark.parametrize(("forked", "said"), [(True, "Usage"), (False, "stayed")])
def test_a_job_that_must_import_for_itself_begins_anew(forked: bool, said: str) -> None:
    """TRL takes vLLM while it is imported, or never."""
    code = "import sys; from vr1repro.jobs.warm.client import start_cold\n"
    code += "sys.argv = ['vr1repro', 'stage', 'rl', '--help']\n"
    code += "sys.modules['transformers'] = sys\n" if forked else ""
    done = subprocess.run(
        [sys.executable, "-c", code + "start_cold(); print('stayed')"],
        env={**ENVIRONMENT, "VR1REPRO_WARM": "gone"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said in done.stdout
    assert ("stayed" in done.stdout) != forked
