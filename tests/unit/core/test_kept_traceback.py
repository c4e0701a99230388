"""A mistake in the program is one line, and its traceback is in the log under the id that the line names."""

import os
import re
import subprocess
import sys

import pytest

from vr1repro.core.mistakes import LOG_VARIABLE, keep_traceback, log_path
from vr1repro.core.secrets import REDACTION

# The command line with a mistake put into what a command calls.
_BROKEN = """
import sys
import vr1repro.evaluation.grading as grading
def broken(*_, **__):
    return {}["no such\\nkey"]
grading.equivalent_file = broken
from vr1repro import cli
sys.argv = ["vr1repro", *sys.argv[1:]]
cli.main()
"""
_STAGE = """
import sys
from vr1repro.config import loader
def broken(*_, **__):
    return {}["no such\\nkey"]
loader.load = broken
from vr1repro import cli
sys.argv = ["vr1repro", *sys.argv[1:]]
cli.main()
"""


def run(code, *arguments, **environment):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "1000", **environment}
    )


def test_a_command_says_one_line_and_the_log_holds_the_traceback(tmp_path):
    log = tmp_path / "errors.log"
    (tmp_path / "pairs.jsonl").write_text("")
    options = ["equivalent", "--pairs", tmp_path / "pairs.jsonl", "--out", tmp_path / "out.jsonl"]
    done = run(_BROKEN, *options, **{LOG_VARIABLE: str(log)})
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    identity = re.search(r"error: KeyError: .*" + re.escape(str(log)) + r", error ([0-9a-f]{8})$", line)[1]
    entry = log.read_text()
    assert f"--- error {identity} at " in entry
    assert "Traceback (most recent call last)" in entry
    assert "in broken" in entry


def test_a_job_prints_its_traceback_for_its_output_is_its_log(tmp_path):
    done = run(
        _STAGE, "stage", "tables", "--config", tmp_path / "c.yaml", "--out", tmp_path / "out", HOME=str(tmp_path)
    )
    assert done.returncode == 1
    *entry, line = done.stderr.splitlines()
    identity = re.search(r"error: KeyError: .* above, error ([0-9a-f]{8})$", line)[1]
    assert entry[0].startswith(f"--- error {identity} at ")
    assert "in broken" in "\n".join(entry)
    assert list(tmp_path.iterdir()) == []


def raised():
    try:
        {}["x"]
    except KeyError as error:
        return error
    return None


@pytest.mark.parametrize("home", ["/proc/none", "/dev/null"])
def test_without_a_home_the_traceback_is_kept_elsewhere(tmp_path, monkeypatch, capsys, home):
    monkeypatch.delenv(LOG_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", home)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    line = keep_traceback(raised(), here=False)
    (log,) = tmp_path.glob("*/errors.log")
    assert str(log) in line
    assert "Traceback" in log.read_text()
    monkeypatch.setattr("tempfile.tempdir", home)
    assert "above" in keep_traceback(raised(), here=False)
    assert "Traceback" in capsys.readouterr().err


def test_a_log_that_is_a_link_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.setenv(LOG_VARIABLE, str(tmp_path / "errors.log"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    log_path().symlink_to(tmp_path / "victim")
    keep_traceback(raised(), here=False)
    assert not (tmp_path / "victim").exists()


def test_keys_stand_in_neither(tmp_path, monkeypatch):
    key = "sk-canary-mistake-5512"
    REDACTION.register(key)
    monkeypatch.setenv(LOG_VARIABLE, str(tmp_path / "errors.log"))
    line = keep_traceback(ValueError(f"bad header {key}"), here=False)
    assert key not in line + log_path().read_text()
    assert "bad header ***" in line
