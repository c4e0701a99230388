"""The journal of an endpoint's replies: on disk before they are read, so that a kill loses none that arrived whole.

A row says that a request was sent, what came back to it or why nothing did, and that the caller has taken it. Requests
are named by the hash of their body. What was taken is needed no longer: the file goes when a call ends, and is made
small on the way.
"""

import base64
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import Appender, read, write_rows
from vr1repro.core.records import Record, sha256

# A journal larger than this is rewritten with what is still open.
_LARGE = 64 * 2**20


class Row(Record):
    """A row of the journal.

    Attributes:
        what: `sent` before a try, `reply` with what came back, `failed` where nothing whole did, `unanswered` where the
            process was killed before, `taken` by the caller.
        request: Hash of the request's body.
        attempt: Number of the try.
        status: Of the reply.
        body: Of the reply, where it is UTF-8.
        base64: Of the reply, where it is not.
        reason: Why it failed.
    """

    what: Literal["sent", "reply", "failed", "unanswered", "taken"]
    request: str = ""
    attempt: int = 0
    status: int | None = None
    body: str | None = None
    base64: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Received:
    """A reply that an earlier process received: to which request, its status, its body."""

    request: str
    status: int
    body: bytes


class Journal:
    """Replies that a call received and its caller has not taken yet. Opened at the first request.

    Attributes:
        unanswered: Tries that a killed process had sent and that no reply came to, over all processes before.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Name the file; None keeps nothing."""
        self._path = path
        self._appender: Appender | None = None
        self._open: dict[str, list[dict[str, Any]]] = {}
        self._size = self._large = 0
        self.unanswered = 0

    def begin(self) -> list[Received]:
        """Open the file for a call.

        Returns:
            What earlier processes received, in the order of arrival.

        Raises:
            UserError: The file is damaged or cannot be written.
        """
        if self._path is None:
            return []
        flying: dict[tuple[str, int], None] = {}
        self._open.clear()
        self._appender, self.unanswered = Appender(self._path), 0  # which cuts off a torn last line
        self._size, self._large = self._path.stat().st_size, _LARGE
        for row in read(self._path, Row):
            if row.what == "sent":
                flying[row.request, row.attempt] = None
                continue
            flying.pop((row.request, row.attempt), None)
            self.unanswered += row.what == "unanswered"
            if row.what == "reply":
                self._open.setdefault(row.request, []).append(row.model_dump(exclude_none=True))
            elif row.what == "taken":
                self._open.pop(row.request, None)
        for request, number in flying:
            self.unanswered += 1
            self._append({"what": "unanswered", "request": request, "attempt": number})
        if self.unanswered:
            print(
                f"{self._path}: {self.unanswered} requests were sent and not answered before a kill; sent once more",
                file=sys.stderr,
            )
        rows = [row for rows in self._open.values() for row in rows]
        return [Received(row["request"], row.get("status", 0), _bytes(row)) for row in rows]

    def sent(self, request: str, number: int) -> None:
        """Note a try before it is sent."""
        self._note({"what": "sent", "request": request, "attempt": number})

    def failed(self, request: str, number: int, reason: str) -> None:
        """Note a try that no whole reply came to."""
        self._note({"what": "failed", "request": request, "attempt": number, "reason": reason})

    def reply(self, request: str, number: int, status: int, body: bytes) -> None:
        """Keep a reply as it came, keys removed."""
        try:
            content: dict[str, Any] = {"body": body.decode("utf-8")}
        except UnicodeDecodeError:
            content = {"base64": base64.b64encode(body).decode("ascii")}
        self._note({"what": "reply", "request": request, "attempt": number, "status": status, **content})

    def taken(self, request: str) -> None:
        """Note that the caller has taken a request's completion; make the file small where that is worth it."""
        self._open.pop(request, None)
        if self._appender is not None and self._path is not None:
            self._append({"what": "taken", "request": request})
            if self._size > self._large:
                self._appender.close()
                self._rewrite(self._path)
                self._appender, self._size = Appender(self._path), self._path.stat().st_size
                self._large = max(_LARGE, 2 * self._size)

    def end(self) -> None:
        """Close the file, and remove it where nothing in it is needed."""
        if self._appender is not None and self._path is not None:
            self._appender.close()
            self._appender = None
            if self._open:
                with suppress(UserError):  # on a full disk it stays as it is: all that is needed is in it
                    self._rewrite(self._path)
            else:
                self._path.unlink()

    def _rewrite(self, path: Path) -> None:
        killed = [{"what": "unanswered"}] * self.unanswered
        write_rows(path, [*killed, *(row for rows in self._open.values() for row in rows)])

    def _note(self, row: dict[str, Any]) -> None:
        if self._appender is not None:
            self._open.setdefault(row["request"], []).append(row)
            self._append(row)

    def _append(self, row: dict[str, Any]) -> None:
        assert self._appender is not None  # noqa: S101 - `begin` opened it
        self._size += self._appender.append(row)


def request_name(body: bytes) -> str:
    """What a request is called in the journal: equal bodies are equal questions, under one seed."""
    return sha256(body)


def _bytes(row: dict[str, Any]) -> bytes:
    if "base64" in row:
        return base64.b64decode(row["base64"])
    return str(row.get("body", "")).encode("utf-8", "surrogatepass")
