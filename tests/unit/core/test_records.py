import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import Appender, read, write_rows
from vr1repro.core.problem_files import read_problems, write_problems
from vr1repro.core.records import Outcome, Problem, Response, Verdict, dump_line

PIXEL = bytes.fromhex("89504e470d0a1a0a")


def test_unknown_keys_survive(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": 7, "verdict": "right", "judge": "someone"}\n')
    (row,) = read(path, Verdict)
    assert row.id == "7"
    assert row.correct is True
    assert json.loads(dump_line(row))["judge"] == "someone"


@pytest.mark.parametrize(
    ("outcome", "correct"),
    [("right", True), ("wrong", False), ("unparsable", False), ("timeout", None), ("judge_error", None)],
)
def test_correct_follows_from_the_outcome(outcome: str, correct: bool | None) -> None:
    assert Verdict(id="1", verdict=Outcome(outcome), correct=not correct).correct is correct


def test_only_a_timeout_has_a_cause_in_its_row() -> None:
    wrong, timeout = Verdict(id="1", verdict="wrong"), Verdict(id="2", verdict="timeout", cause="memory", attempt=1)
    assert "cause" not in dump_line(wrong)
    assert dump_line(timeout).endswith('"verdict":"timeout","correct":null,"cause":"memory","attempt":1}')
    assert Verdict(**json.loads(dump_line(timeout))) == timeout


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "rows.jsonl:2: not JSON"),
        ("[1]", "rows.jsonl:2: a row must be a JSON object"),
        ('{"id": "1"}', "rows.jsonl:2: not a Verdict: verdict"),
        ('{"id": "1", "verdict": "maybe"}', "rows.jsonl:2: not a Verdict: verdict"),
    ],
)
def test_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": "1", "verdict": "right"}\n' + line + "\n")
    with pytest.raises(UserError, match=message):
        list(read(path, Verdict))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.jsonl: cannot be read"):
        list(read(tmp_path / "absent.jsonl", Verdict))


@given(st.binary(max_size=200))
def test_a_torn_last_line_is_cut_off(tmp_path_factory: pytest.TempPathFactory, torn: bytes) -> None:
    path = tmp_path_factory.mktemp("torn") / "rows.jsonl"
    whole = dump_line({"id": "1"}) + "\n"
    path.write_bytes(whole.encode() + torn.replace(b"\n", b""))
    with Appender(path) as appender:
        appender.append({"id": "2"})
    assert path.read_text() == whole + dump_line({"id": "2"}) + "\n"


def test_a_long_torn_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id":"1"}\n' + "x" * 200_000)
    Appender(path).close()
    assert path.read_text() == '{"id":"1"}\n'


@given(st.text())
def test_any_text_survives_a_line(text: str) -> None:
    line = dump_line({"response": text})
    assert "\n" not in line
    assert json.loads(line)["response"] == text


def test_lone_surrogates_survive(tmp_path: Path) -> None:
    row = {"run": "r", "model": "m", "eval_seed": 1, "protocol": "single", "benchmark": "b", "prompt_sha": "p"}
    path = tmp_path / "responses.jsonl"
    write_rows(path, [Response(**row, id="1", response="\ud800 \x00")])
    (back,) = read(path, Response)
    assert back.response == "\ud800 \x00"


def test_problems_survive_parquet(tmp_path: Path) -> None:
    problems = [
        Problem(id="1", source="s", question="q", answer="a", choices=["x", "y"], image=PIXEL, metadata={"k": [1]}),
        Problem(id="2", source="s", question="q", answer="a"),
    ]
    assert write_problems(tmp_path / "p.parquet", problems) == 2
    assert list(read_problems(tmp_path / "p.parquet")) == problems


@pytest.mark.parametrize("ending", ["close", "kill"])
def test_a_file_that_another_process_appends_to_is_let_be(tmp_path: Path, ending: str) -> None:
    """Its last row may be half written: a second writer does not cut it off, it is refused."""
    code = """
import sys
from pathlib import Path
from vr1repro.core.jsonl import Appender
appender = Appender(Path(sys.argv[1]))
appender.append({"i": 1})
appender._stream.write(b'{"i": 2, "te')
print("writing", flush=True)
sys.stdin.read()
"""
    path = tmp_path / "rows.jsonl"
    writer = subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=-1, stdout=-1, text=True)
    assert writer.stdout
    assert writer.stdout.readline() == "writing\n"
    with pytest.raises(UserError, match=r"rows\.jsonl: another process appends to it"):
        Appender(path)
    assert path.read_text() == '{"i":1}\n{"i": 2, "te'
    writer.kill() if ending == "kill" else writer.communicate()
    writer.wait()
    with Appender(path) as appender:  # now it is the mark of a crash
        appender.append({"i": 3})
    assert path.read_text() == '{"i":1}\n{"i":3}\n'


def test_not_parquet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    path.write_text("no")
    with pytest.raises(UserError, match=r"p\.parquet: not a Parquet file"):
        list(read_problems(path))


@pytest.mark.parametrize("writer", ["append", "rows", "problems"])
def test_a_full_disk_is_one_message_and_loses_nothing(tmp_path: Path, writer: str) -> None:
    """The limit on file size is the kernel's own refusal to write, as on a full disk."""
    code = """
import resource, signal, sys
from pathlib import Path
from vr1repro.core.jsonl import Appender, write_rows
from vr1repro.core.problem_files import write_problems
from vr1repro.core.records import Problem
from vr1repro.core.errors import UserError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
path, rows = Path(sys.argv[1]), ({"id": str(n), "text": "x" * 100} for n in range(10_000))
try:
    if sys.argv[2] == "append":
        appender = Appender(path)
        for row in rows:
            appender.append(row)
    elif sys.argv[2] == "rows":
        write_rows(path, rows)
    else:
        write_problems(path, (Problem(id=str(n), source="s", question=str(n) * 50, answer="1") for n in range(9999)))
except UserError as error:
    print(error)
    sys.exit(2)
"""
    path = tmp_path / "file"
    done = subprocess.run([sys.executable, "-c", code, str(path), writer], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert f"{path}: cannot be written: File too large" in done.stdout
    if writer == "append":
        assert all(json.loads(line)["text"] == "x" * 100 for line in path.read_text().splitlines())
    else:
        assert list(tmp_path.iterdir()) == []
