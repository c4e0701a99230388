"""The verification goes on where it was: what passed on this code is not run again, what failed or was cut off is."""

import subprocess
from pathlib import Path

import pytest

from bench import verify
from bench.verify import Part

TESTS = """
import pytest
def test_good():
    pass
def test_absent():
    pytest.skip("no Slurm here")
"""


def run(*words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["verify", *words])
    with pytest.raises(SystemExit) as stop:
        verify.main()
    return int(stop.value.code or 0)


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in which each part that runs leaves its name."""
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "code.py").write_text("1")
    (tmp_path / "test_it.py").write_text(TESTS)
    subprocess.run(["git", "add", "code.py", "test_it.py"], cwd=tmp_path, check=True)
    monkeypatch.setattr(verify, "REPO", tmp_path)
    monkeypatch.chdir(tmp_path)
    note = "{python} -c \"import sys, pathlib; p = pathlib.Path('ran'); t = p.read_text() if p.exists() else ''; "
    note += "p.write_text(t + sys.argv[1]); sys.exit(pathlib.Path('broken').exists() and sys.argv[1] == 'b')\" "
    monkeypatch.setattr(
        verify,
        "PARTS",
        (
            Part(name="one", what="the first", command=note + "a"),
            Part(name="two", what="the second", command=note + "b"),
            Part(name="tests", what="tests", command="{python} -m pytest -q -p no:xdist --junitxml {junit} test_it.py"),
            Part(name="real", what="on real data", command=note + "c", needs_data=True),
        ),
    )
    return tmp_path / "ran"


def test_what_passed_is_not_run_again_on_the_same_code(
    ran: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran.with_name("broken").touch()
    assert run("--data", "none", monkeypatch=monkeypatch) == 1
    assert ran.read_text() == "ab"
    ran.with_name("broken").unlink()
    assert run("--data", "none", monkeypatch=monkeypatch) == 0
    assert ran.read_text() == "abb"
    assert "one: passed before on this code" in capsys.readouterr().out
    ran.with_name("code.py").write_text("2")
    assert run("--only", "one", "--data", "none", monkeypatch=monkeypatch) == 0
    assert ran.read_text() == "abba"
    rows = {line.split(" | ")[0].strip("| "): line for line in Path("results/verify/table.md").read_text().splitlines()}
    assert "| passed |" in rows["one"]
    assert "| passed on other code |" in rows["two"]
    assert "1 passed, 1 skipped | 1: no Slurm here" in rows["tests"]
    assert "| skipped on other code |" in rows["real"]
    assert "real benchmark data are not in the repository" in rows["real"]


def test_a_limit_stops_between_parts_and_in_one(ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("--limit", "0", monkeypatch=monkeypatch) == 0
    assert not ran.exists()
    forever = Part(name="one", what="the first", command="{python} -c 'import threading; threading.Event().wait()'")
    monkeypatch.setattr(verify, "PARTS", (forever,))
    assert run("--limit", "0.001", monkeypatch=monkeypatch) == 1
    assert "| stopped |" in Path("results/verify/table.md").read_text()


def test_each_part_runs_what_is_there(repo: Path) -> None:
    words = [word for part in verify.PARTS for word in part.command.split() if word.startswith(("tests", "bench/"))]
    assert [word for word in words if not (repo / word).exists()] == []
    assert len(words) > 8


def test_the_makefile_calls_it(repo: Path) -> None:
    assert "bench/verify.py --workers" in (repo / "Makefile").read_text()
