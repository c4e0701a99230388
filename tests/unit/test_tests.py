"""The tests wait for events, assert no duration, assert something, and write into no committed folder."""

from pathlib import Path

import pytest
from source_checks import CHECKS, faults, read_tests

# What may stay, by check and `file:function`, and why.
ALLOWED = {
    ("sleep", "tests/waiting.py:wait_until"): "the one place that sleeps, between two looks",
    ("duration", "tests/waiting.py:wait_until"): "the one limit: past it something hangs",
    ("sleep", "tests/unit/test_tests.py:"): "text that a check is shown to find",
    ("limit", "tests/cluster/cluster_run.py:end_of"): "a caller's, for a whole run on a cluster",
    ("limit", "tests/cluster/slurm_cluster.py:stop"): "past it the daemon is killed, and the test goes on",
    ("limit", "tests/smoke_workflow.py:_ends_by_ctrl_c"): "past it Ctrl-C is pressed again, and the test goes on",
}


def found(text: str, **others: str) -> list[str]:
    """The checks that fail in a file of tests, beside files of helpers."""
    files = {f"tests/{name}.py": helper for name, helper in others.items()}
    return [fault.check for fault in faults({"tests/test_it.py": text, **files}) if "test_it" in fault.place]


def test_the_tests_keep_to_the_rules(repo: Path) -> None:
    everything = faults(read_tests(repo))
    broken = [fault for fault in everything if (fault.check, fault.place) not in ALLOWED]
    assert not broken, "\n".join(f"{fault.place} line {fault.line}, {fault.check}: {fault.text}" for fault in broken)
    assert {(fault.check, fault.place) for fault in everything} == set(ALLOWED), "an exception is needed no longer"


@pytest.mark.parametrize(
    ("check", "text"),
    [
        ("sleep", "import time\ntime.sleep(1)"),
        ("sleep", "import asyncio\nasync def f():\n    await asyncio.sleep(0.1)"),
        ("sleep", "from time import sleep\nsleep(2)"),
        ("sleep", "time.sleep(chance() * 0.2)"),
        ("sleep", "submit(time.sleep, 600)"),
        ("sleep", "SCRIPT = 'import time; time.sleep(60)'"),
        ("sleep", "run(['sh', '-c', 'sleep 5'])"),
        ("duration", "def f():\n    began = time.monotonic()\n    assert time.monotonic() - began < 60"),
        ("duration", "def f():\n    a = perf_counter()\n    took = perf_counter() - a\n    assert took < 1"),
        ("duration", "def f():\n    b = loop.time()\n    work()\n    end = loop.time()\n    assert end >= b + 0.1"),
        ("limit", "process.wait(timeout=60)"),
        ("limit", "process.communicate(timeout=limit)"),
        ("limit", "await asyncio.wait_for(task, 5)"),
        ("nothing-asserted", "def test_f():\n    f()"),
        ("nothing-asserted", "def test_f():\n    'It works.'\n    f()"),
        ("nothing-asserted", "class TestF:\n    def test_f(self):\n        f()"),
        ("nothing-asserted", "def test_f():\n    helper()\ndef helper():\n    f()"),
        # Another test's inner function of the same name is no help.
        ("nothing-asserted", "def test_a():\n    play()\ndef test_b():\n    def play():\n        assert 1\n    play()"),
        ("committed-write", "def test_f(repo):\n    assert (repo / 'docs' / 'x.md').write_text('x')"),
        ("committed-write", "def test_f(repo):\n    path = repo / 'x'\n    path.parent.mkdir()\n    assert path"),
        ("committed-write", "HERE = Path(__file__).parent\ndef f():\n    (HERE / 'kept.json').write_bytes(b'')"),
        ("committed-write", "KEPT = Path(__file__).with_name('x')\ndef f():\n    write_atomically(KEPT, 'x')"),
        ("committed-write", "def f(repo):\n    with (repo / 'x').open('w') as file:\n        pass"),
        ("committed-write", "def f(workflow):\n    shutil.copytree('/tmp/a', workflow.repo / 'results')"),
        ("committed-write", "def f(table):\n    table.to_csv(Path('results/reference/verify/x.csv'))"),
    ],
)
def test_each_check_finds_what_it_is_for(check: str, text: str) -> None:
    assert found(text) == [check] if check != "committed-write" else check in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "import asyncio\nasync def f():\n    await asyncio.sleep(0)",
        "def f():\n    'Never sleep(1).'",
        "def test_f():\n    wait_until(ready, 'it')\n    assert seen == ['first', 'second']",
        "def test_f(monkeypatch):\n    clock.now += 5\n    assert limiter.acquire()",
        "process.wait(timeout=PATIENCE_S)\nprocess.wait()",
        "def test_f():\n    with pytest.raises(ValueError):\n        f()",
        "def test_f():\n    np.testing.assert_allclose(a, b)",
        "def test_f():\n    'No error is what it shows.'\n    f()",
        "def test_f():\n    helper()\ndef helper():\n    assert f()",
        "def test_f(workflow):\n    workflow.finish()\nclass Workflow:\n    def finish(self):\n        check(self)\n"
        "def check(it):\n    assert it",
        "def test_f(tmp_path):\n    (tmp_path / 'x').write_text('x')\n    assert f(tmp_path)",
        "def test_f(repo):\n    assert (repo / 'x').read_text() == (repo / 'y').open(encoding='latin-1').read()",
        "def test_f(repo, tmp_path):\n    assert shutil.copy(repo / 'x', tmp_path)",
        "def test_f(reference_file):\n    assert reference_file('results/reference/x.json').write_text('x')",
    ],
)
def test_what_is_fine_passes(text: str) -> None:
    assert found(text) == []


def test_helpers_of_other_files_assert_for_a_test() -> None:
    text = "from helpers import finish\ndef test_f():\n    finish()"
    assert found(text, helpers="def finish():\n    assert end()") == []
    assert found(text, helpers="def finish():\n    end()") == ["nothing-asserted"]
    assert found(text, test_helpers="def finish():\n    assert end()") == ["nothing-asserted"]


def test_every_check_is_shown_to_fail() -> None:
    (table,) = (mark for mark in test_each_check_finds_what_it_is_for.pytestmark if mark.name == "parametrize")
    assert {check for check, _ in table.args[1]} == set(CHECKS)
