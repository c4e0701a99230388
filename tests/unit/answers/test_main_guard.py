"""Scripts that use the grader as a library: one without a guard is told so, and starts nothing."""

import os
import subprocess
import sys

import pytest

CALL = 'print(Grader(workers=2).equivalent("1/2", "0.5 x"))'
pytestmark = pytest.mark.slow  # each imports the graders anew
IMPORT = "from vr1repro.answers import Grader\n"
LEAVE = 'open("runs", "a").write("x")\n'

# The script, and the line that its message names.
REFUSED = {
    "at the top": (IMPORT + LEAVE + CALL, 3),
    "in a function": (IMPORT + LEAVE + f"def work():\n    {CALL}\nwork()", 5),
    "as a context": (IMPORT + LEAVE + "with Grader() as grader:\n    print(grader.equivalent('1/2', '0.5 x'))", 4),
    "after the guard": (IMPORT + LEAVE + f'if __name__ == "__main__":\n    print("hello")\n{CALL}', 5),
    "under another condition": (IMPORT + LEAVE + f"if True:\n    {CALL}", 4),
    "in a class": (IMPORT + LEAVE + f"class Work:\n    {CALL}", 3),
}
ALLOWED = {
    "guarded": IMPORT + LEAVE + f'if __name__ == "__main__":\n    {CALL}',
    "guarded function": IMPORT + LEAVE + f"def work():\n    {CALL}\nif '__main__' == __name__:\n    work()",
    "guarded within try": IMPORT + LEAVE + f'try:\n    if __name__ == "__main__":\n        {CALL}\nfinally:\n    pass',
    "nothing to start": IMPORT + LEAVE + 'print(Grader().equivalent("2", "2"))',
}


def run(tmp_path, *arguments, **options):
    return subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, **options,
    )  # fmt: skip


def written(tmp_path, text):
    (tmp_path / "script.py").write_text(text)


@pytest.mark.parametrize("case", REFUSED)
def test_a_script_without_guard_is_told_so_and_runs_once(tmp_path, case):
    text, line = REFUSED[case]
    written(tmp_path, text)
    done = run(tmp_path, "script.py")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "UserError: " in last
    assert f"script.py:{line}: starts grading processes at its top level" in last
    assert 'if __name__ == "__main__":' in last
    assert (tmp_path / "runs").read_text() == "x"


@pytest.mark.parametrize("case", ALLOWED)
def test_a_script_with_guard_grades(tmp_path, case):
    written(tmp_path, ALLOWED[case])
    done = run(tmp_path, "script.py")
    assert (done.returncode, done.stdout.strip()) == (0, "right" if "nothing" in case else "wrong"), done.stderr


def test_a_script_from_standard_input_is_told_that_it_needs_a_file(tmp_path):
    done = run(tmp_path, "-", input=IMPORT + CALL)
    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stdout
    assert done.stdout.strip() == "wrong" or "into a file" in done.stderr.splitlines()[-1]


def test_code_on_the_command_line_grades(tmp_path):
    done = run(tmp_path, "-c", IMPORT + CALL)
    assert (done.returncode, done.stdout.strip()) == (0, "wrong"), done.stderr
