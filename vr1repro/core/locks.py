"""One process at a time on what earns its rows one by one.

On a disk of this machine the kernel holds the lock (flock), and lets go of it however the process ends. On a disk that
several machines see, flock may hold on one of them alone, or not exist: there the lock is the file itself, which only
one process can make, signed with host, process and time. One that a killed process of this host left is taken over;
whether a process of another host lives, nobody here can tell, so a person says it by removing the file.
"""

import errno
import fcntl
import json
import os
import platform
import secrets
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from vr1repro.core.errors import UserError
from vr1repro.core.files import explained
from vr1repro.core.outside import json_cell

# Kinds of disks, as Linux names them, that several machines may see.
_SHARED_DISKS = ("9p", "afs", "beegfs", "ceph", "cifs", "fuse.", "gfs2", "glusterfs", "gpfs", "lustre", "nfs", "ocfs2",
                 "orangefs", "pvfs2", "smb", "virtiofs", "wekafs")  # fmt: skip
_MOUNTS = Path("/proc/self/mountinfo")
_NO_FLOCK = {errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL}
_AGAIN_S = 0.05


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Attributes:
        host: The machine's name.
        pid: The process there.
        started: When the process began, in the kernel's ticks since the machine's start; pids are used again.
        since: Unix time at which it took the lock.
    """

    host: str
    pid: int
    started: int
    since: float

    def __str__(self) -> str:
        minutes = max(0.0, time.time() - self.since) / 60
        return f"process {self.pid} on {self.host}, for {minutes:.0f} min"

    @property
    def is_gone(self) -> bool:
        """Whether it was a process of this host and lives no more."""
        return self.host == platform.node() and _started(self.pid) != self.started


class Held(UserError):
    """Another process holds the lock.

    Attributes:
        holder: Which; None where it has not said.
    """

    def __init__(self, message: str, holder: Holder | None) -> None:
        super().__init__(message)
        self.holder = holder


class Lock:
    """What one process holds, until it lets go or ends. Use as a context manager, or `close`.

    Args:
        path: What is locked; the lock lies beside it, its name that of the path with `.lock` added, while it is held.
        what: What it is, for the message.
        patience_s: How long another process is waited for.

    Raises:
        Held: Another process holds it; the message names host and process.
        UserError: The disk is full or failing.
    """

    def __init__(self, path: Path, what: str, *, patience_s: float = 0.0) -> None:
        self._handle: int | None = None
        self._lock = path.with_name(f"{path.name}.lock")
        with explained(self._lock):
            path.parent.mkdir(parents=True, exist_ok=True)
            by_file = is_shared_disk(path.parent)
        deadline = time.monotonic() + patience_s
        while True:
            with explained(self._lock):
                handle = _made_file(self._lock) if by_file else _locked_file(self._lock)
            if handle is not None:
                break
            if time.monotonic() >= deadline:
                raise _refusal(path, what, self._lock, by_file)
            time.sleep(_AGAIN_S)
        self._handle = handle
        self._pid = os.getpid()
        with explained(self._lock):
            os.ftruncate(handle, 0)
            os.write(handle, json.dumps(asdict(_myself())).encode("ascii"))

    def close(self) -> None:
        """Let another process have it."""
        if self._handle is not None:
            # While it is still held: whoever opened the file before sees that it has no name any more.
            with suppress(OSError):
                mine = os.getpid() == self._pid  # not a copy of it in a forked process
                if mine and os.path.samestat(os.fstat(self._handle), self._lock.lstat()):
                    self._lock.unlink()
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def is_shared_disk(folder: Path) -> bool:
    """Whether a folder lies on a disk that several machines may see, or one without flock."""
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return False
    device = folder.stat().st_dev
    # A line: id, parent, device, root, mount point, options, optional fields, "-", kind, source, further options.
    name = f"{os.major(device)}:{os.minor(device)}"
    kinds = [line.partition(" - ")[2].split(" ")[0] for line in mounts if line.split(" ")[2] == name]
    return any(kind.startswith(_SHARED_DISKS) for kind in kinds) or not _has_flock(folder)


def _has_flock(folder: Path) -> bool:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _NO_FLOCK
    finally:
        os.close(handle)
    return True


def _locked_file(path: Path) -> int | None:
    """A handle that holds the kernel's lock; None where another process does."""
    while True:
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), path.lstat()):
                return handle
        os.close(handle)  # its holder let go between the opening and the lock


def _made_file(path: Path) -> int | None:
    """A handle of the file that this process has made; None where another process has."""
    with suppress(FileExistsError):
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    signature = _signature(path)
    holder = _holder(signature)
    if holder is not None and holder.is_gone:
        _remove_left(path, signature)
        with suppress(FileExistsError):
            return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    return None


def _remove_left(path: Path, signature: str) -> None:
    """Remove the file of a process that is gone, unless another process has been faster and holds the lock by now."""
    aside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.left")
    with suppress(FileNotFoundError):
        path.rename(aside)
        if _signature(aside) != signature:
            os.link(aside, path)
        aside.unlink()


def _signature(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _holder(signature: str) -> Holder | None:
    """Who signed; None for a file that its holder has not signed yet."""
    try:
        return Holder(**json_cell(signature, "a lock"))
    except (UserError, TypeError):
        return None


def _refusal(path: Path, what: str, lock: Path, by_file: bool) -> Held:
    holder = _holder(_signature(lock))
    who = "" if holder is None else f" ({holder})"
    left = f"; if it is gone for certain, remove {lock}" if by_file else ""
    return Held(f"{path}: another process is working on {what}{who}; wait for it or end it{left}", holder)


def _myself() -> Holder:
    return Holder(platform.node(), os.getpid(), _started(os.getpid()) or 0, round(time.time(), 3))


def _started(pid: int) -> int | None:
    """When a process of this host began; None where there is none."""
    try:
        # Field 22; the second, the command in brackets, may hold blanks.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        return int(fields.split()[19])
    except (OSError, IndexError, ValueError):
        return None
