"""Mistakes of ours: the user reads one line, and the traceback is kept under the id that the line names.

A `UserError` is about what the user gave. Anything else that gets as far as the command line is a mistake in this
package or in a library, and nobody can mend it without its traceback.
"""

import os
import secrets
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

from vr1repro.core.secrets import REDACTION

# Where the log is, if it is not to be in the user's folder of such files.
LOG_VARIABLE = "VR1REPRO_ERROR_LOG"


def keep_traceback(error: BaseException, *, here: bool) -> str:
    """Keep the traceback of a mistake.

    Args:
        here: Print it, for a job, whose output is its log; else it goes to a file.

    Returns:
        The line for the user, with the id.
    """
    identity = secrets.token_hex(4)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    lines = "".join(traceback.format_exception(error))
    entry = REDACTION.text(f"--- error {identity} at {at}: {' '.join(sys.argv)}\n{lines}")
    where = _printed(entry) if here else _written(entry) or _printed(entry)
    words = REDACTION.text(" ".join(f"{type(error).__name__}: {error}".split()))[:300]
    return f"{words}; this is a mistake in vr1repro, please report it with its traceback: {where}, error {identity}"


def log_path() -> Path:
    """The file that tracebacks are appended to."""
    if named := os.environ.get(LOG_VARIABLE):
        return Path(named)
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "vr1repro" / "errors.log"


def _written(entry: str) -> str | None:
    for path in (log_path(), Path(tempfile.gettempdir()) / f"vr1repro-{os.getuid()}" / "errors.log"):
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "a", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(entry)
        except (OSError, RuntimeError):  # RuntimeError: no home
            continue
        return str(path)
    return None


def _printed(entry: str) -> str:
    print(entry, file=sys.stderr, flush=True)
    return "above"
