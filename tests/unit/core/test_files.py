"""Files and folders that are whole or not there, whoever else writes, plants links, or was killed."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vr1repro.core import files
from vr1repro.core.errors import UserError
from vr1repro.core.files import whole_file, whole_folder, write_atomically


def partials(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(".partial"))


def test_a_planted_link_is_never_written_through(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for planted in (".x.json.partial", ".x.json.0.partial"):
        (tmp_path / planted).symlink_to(victim)
    (tmp_path / "x.json").symlink_to(victim)
    write_atomically(tmp_path / "x.json", "new")
    assert victim.read_text() == "mine"
    assert (tmp_path / "x.json").read_text() == "new"
    assert not (tmp_path / "x.json").is_symlink()


def test_a_link_under_the_very_name_is_refused(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    monkeypatch.setattr(files.secrets, "token_hex", lambda _: "guessed")
    (tmp_path / ".x.json.guessed.partial").symlink_to(victim)
    with pytest.raises(UserError, match=r"x\.json: cannot be written: File exists"):
        write_atomically(tmp_path / "x.json", "new")
    assert not victim.exists()


def test_a_folder_s_copy_names_why_it_could_not_be_written(tmp_path):
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "a").symlink_to(tmp_path / "gone")
    refused = pytest.raises(UserError, match=r"to: cannot be written: \[Errno 2\] No such file .*free space and run")
    with refused, files.explained(tmp_path / "to"):
        shutil.copytree(tmp_path / "from", tmp_path / "to")


def test_two_writers_share_no_temporary_file(tmp_path):
    path = tmp_path / "x.json"
    with whole_file(path) as first, whole_file(path) as second:
        first.write(b"a" * 1000)
        second.write(b"b" * 10)
        assert len(partials(tmp_path)) == 2
    assert path.read_bytes() == b"a" * 1000  # who ends last
    assert partials(tmp_path) == []


def test_what_a_killed_writer_left_goes_and_a_living_one_stays(tmp_path):
    left, living = tmp_path / ".x.json.dead.partial", tmp_path / ".x.json.alive.partial"
    left.write_text("half")
    with living.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        write_atomically(tmp_path / "x.json", "{}")
        assert partials(tmp_path) == [living.name]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), whole_file(path) as stream:
        stream.write(b"half" * (1 // 0))
    assert (path.read_text(), partials(tmp_path)) == ("old", [])


def test_the_bytes_are_on_disk_before_the_name(tmp_path, monkeypatch):
    calls = []
    sync, rename = os.fsync, Path.replace
    monkeypatch.setattr(files.os, "fsync", lambda handle: (calls.append(os.fstat(handle).st_size), sync(handle)))
    monkeypatch.setattr(Path, "replace", lambda path, target: (calls.append("rename"), rename(path, target)))
    write_atomically(tmp_path / "x", b"seven b")
    assert calls[:2] == [7, "rename"]
    assert len(calls) == 3  # and then the folder


@pytest.mark.parametrize("name", ["n" * 250 + ".json", "\u00e9" * 120, "[a]*?.json"])
def test_odd_names_are_written_or_named(tmp_path, name):
    write_atomically(tmp_path / name, "{}")
    assert (tmp_path / name).read_text() == "{}"
    assert partials(tmp_path) == []


def test_too_long_a_name_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nnn\.json: cannot be written: File name too long"):
        write_atomically(tmp_path / f"{'n' * 252}.json", "{}")
    assert partials(tmp_path) == []


@pytest.mark.parametrize("bad", ["file/x.json", "proc"])
def test_where_nothing_can_be_written_the_message_names_it(tmp_path, bad):
    (tmp_path / "file").write_text("")
    path = Path("/proc/vr1repro/x.json") if bad == "proc" else tmp_path / bad
    with pytest.raises(UserError, match=r"x\.json: cannot be written"):
        write_atomically(path, "{}")


def test_a_folder_is_replaced_whole_and_keeps_no_rest(tmp_path):
    folder = tmp_path / "report"
    for name in ("old", "new"):
        with whole_folder(folder) as aside:
            (aside / name).write_text(name)
            assert aside.parent == tmp_path
    assert [path.name for path in folder.iterdir()] == ["new"]
    with pytest.raises(ZeroDivisionError), whole_folder(folder) as aside:
        (aside / "half").write_text("x" * (1 // 0))
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert partials(tmp_path) == []


def test_a_folder_in_place_of_which_a_link_stands_leaves_its_target_alone(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "mine").write_text("")
    (tmp_path / "report").symlink_to(tmp_path / "target")
    with whole_folder(tmp_path / "report") as aside:
        (aside / "new").write_text("")
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["mine"]
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["new"]


_KILLED = """
import os, signal, sys
from pathlib import Path
from vr1repro.core.files import whole_file
with whole_file(Path(sys.argv[1])) as stream:
    stream.write(b"half")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kill_9_leaves_the_old_file_and_the_next_writer_cleans_up(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("old")
    assert subprocess.run([sys.executable, "-c", _KILLED, str(path)], check=False).returncode == -9
    assert path.read_text() == "old"
    assert len(partials(tmp_path)) == 1
    write_atomically(path, "new")
    assert (path.read_text(), partials(tmp_path)) == ("new", [])


def test_a_full_disk_is_one_message(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(UserError, match="x: cannot be written: No space left on device"):
        write_atomically(tmp_path / "x", "1")
    assert list(tmp_path.iterdir()) == []
