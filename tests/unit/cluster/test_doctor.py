"""`vr1repro doctor` and `plan` as a user runs them, on a machine without Slurm and network."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from vr1repro.cli import app
from vr1repro.cluster import doctor, slurm
from vr1repro.core.errors import UserError


class Endpoint(BaseHTTPRequestHandler):
    """Lists its models to who has the key."""

    def do_GET(self) -> None:
        self.send_response(200 if self.headers.get("Authorization") == "Bearer right" else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()


def vr1repro(repo: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    # A PATH without Slurm, whatever this machine has.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "DEEPSEEK"))}
    environment = {**kept, "PYTHONPATH": str(repo), "PATH": str(Path(sys.executable).parent), **variables}
    command = [sys.executable, "-m", "vr1repro.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=repo)


@pytest.mark.parametrize(
    ("key", "said"),
    [("", "no  coldset.reasoner: {url} wants a key, MY_KEY is not set; fix: export MY_KEY=..."),
     ("wrong", "no  coldset.reasoner: {url} wants a key, MY_KEY is refused"),
     ("right", "ok  coldset.reasoner: {url} answers 200")],
)  # fmt: skip
def test_one_line_a_finding_with_its_fix(repo: Path, tmp_path: Path, endpoint: str, key: str, said: str) -> None:
    values = yaml.safe_load((repo / "config" / "paper.yaml").read_text())
    values["coldset"]["reasoner"] |= {
        "model": endpoint,
        "sampler": {"kind": "openai", "model": "m", "key_env": "MY_KEY"},
    }
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(values))
    done = vr1repro(repo, "doctor", "--configfile", str(tmp_path / "c.yaml"), MY_KEY=key, HF_HOME=str(tmp_path))
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert any(line.startswith(said.format(url=endpoint)) for line in lines), done.stdout + done.stderr
    assert all(line.startswith(("ok  ", "no  ", "-   ")) for line in lines)
    assert any(line.startswith("no  disk: ") for line in lines)
    assert any("Qwen/Qwen2.5-VL-72B-Instruct" in line and "`vr1repro fetch CONFIG`" in line for line in lines)
    assert "-   Slurm: not on this host; --profile local" in lines
    assert "Traceback" not in done.stderr
    assert not key or f"Bearer {key}" not in done.stdout


def test_a_laptop_needs_nothing(repo: Path) -> None:
    done = vr1repro(repo, "doctor", "--configfile", "config/smoke.yaml")
    assert done.returncode == 0, done.stdout
    assert "-   hub: nothing is taken from it" in done.stdout


def test_the_plan_of_the_paper(repo: Path) -> None:
    done = vr1repro(repo, "plan", "--configfile", "config/paper.yaml")
    assert done.returncode == 0, done.stderr
    table = done.stdout.split("\n\n")[0].splitlines()
    assert [line.split("  ")[0] for line in table] == [
        "stage", "models, data", "cold set", "SFT", "RL", "evaluation", "choosing the best", "lengths on RL set",
        "extraction, judging", "grading, report", "sum",
    ]  # fmt: skip
    assert "v1          RL of 7B: 64 H800 for about 2 days" in done.stdout
    assert "What is lacking:" in done.stdout


def test_what_the_laptops_environment_lacks_is_no_failure(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {"snakemake-executor-plugin-slurm", "deepspeed", "vllm"}  # envs/micro.txt has none of them
    pins = (repo / "envs" / "micro.txt").read_text(encoding="utf-8")
    assert not [name for name in absent if f"\n{name}==" in pins]

    def installed(name: str) -> str:
        if name in absent:
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(doctor, "version", installed)
    monkeypatch.setattr(slurm, "installed", lambda: False)
    result = CliRunner().invoke(app, ["doctor", "--configfile", str(repo / "config" / "micro.yaml")])
    assert result.exit_code == 0, result.output
    for name in absent:
        assert f"-   {name}: not here, not needed by this config" in result.output.splitlines()


def test_a_slurm_that_does_not_answer_matters_only_to_who_needs_it(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent() -> dict[str, str]:
        raise UserError("scontrol: no controller")

    monkeypatch.setattr(slurm, "installed", lambda: True)
    monkeypatch.setattr(slurm, "settings", silent)
    micro = CliRunner().invoke(app, ["doctor", "--configfile", str(repo / "config" / "micro.yaml")])
    assert micro.exit_code == 0, micro.output
    assert "-   Slurm: scontrol: no controller; not needed by this config" in micro.output
    paper = CliRunner().invoke(app, ["doctor", "--configfile", str(repo / "config" / "paper-1gpu-3b.yaml")])
    assert paper.exit_code == 1
    assert "no  Slurm: scontrol: no controller; fix: " in paper.output
