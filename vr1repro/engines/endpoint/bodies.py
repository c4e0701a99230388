"""The bodies of replies: read under a limit, whatever they are packed in."""

import zlib
from typing import Any

from vr1repro.engines.endpoint.protocol import TryAgain

# What we say that we take. Others (br, zstd) are sent to nobody who did not ask for them.
ENCODINGS = "gzip, deflate"


async def read_body(response: Any, limit: int) -> bytes:
    """The body of an `aiohttp` response of a session without decompression, unpacked.

    Raises:
        TryAgain: It is larger than the limit, or packed in a way that is not known or broken.
    """
    body = _Body(response.headers.get("Content-Encoding", "identity").strip().lower(), limit)
    async for chunk in response.content.iter_any():
        body.add(chunk)
    return body.whole()


class _Body:
    def __init__(self, encoding: str, limit: int) -> None:
        if encoding not in ("identity", "", "gzip", "x-gzip", "deflate"):
            raise TryAgain("unknown_encoding", encoding[:100])
        self._packed, self._limit = encoding not in ("identity", ""), limit
        self._data = bytearray()
        self._unpacker: Any = None

    def add(self, chunk: bytes) -> None:
        if not self._packed:
            self._keep(chunk)
            return
        try:
            while chunk:
                if self._unpacker is None or self._unpacker.eof:  # gzip may have several members
                    self._unpacker = zlib.decompressobj(_kind(chunk))
                # Never more than one byte past the limit, however little the chunk is.
                self._keep(self._unpacker.decompress(chunk, self._limit - len(self._data) + 1))
                chunk = self._unpacker.unconsumed_tail or self._unpacker.unused_data
        except zlib.error as error:
            raise TryAgain("broken_encoding", str(error)) from None

    def whole(self) -> bytes:
        if self._unpacker is not None and not self._unpacker.eof:
            raise TryAgain("broken_encoding", "it ends too early")
        return bytes(self._data)

    def _keep(self, part: bytes) -> None:
        if len(self._data) + len(part) > self._limit:
            raise TryAgain("too_large", f"more than {self._limit} bytes (max_reply_bytes)")
        self._data += part


def _kind(start: bytes) -> int:
    """What zlib calls the way in which a stream begins: gzip or zlib, else raw deflate, which some servers send."""
    return zlib.MAX_WBITS | 32 if start[:1] in (b"\x1f", b"\x78") else -zlib.MAX_WBITS
