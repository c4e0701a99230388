"""Unpacking archives that somebody else may have made: nothing outside the folder, no more than the limits allow."""

import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

from vr1repro.core.errors import UserError
from vr1repro.core.limits import limits
from vr1repro.core.outside import explained_reading

# What a damaged or hostile archive makes Python's readers raise.
DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, struct.error, EOFError, OSError, ValueError,
    RuntimeError, OverflowError,
)  # fmt: skip
# An archive that unpacks to less is let be, however well it was packed: equal lines of a log pack a thousandfold.
_SMALL = 64 * 2**20
# What `xz -9` needs to unpack, and room.
_XZ_MEMORY = 256 * 2**20
_CHUNK = 2**16


def unpack_tar_xz(archive: Path, folder: Path) -> None:
    """Unpack an archive into a folder.

    Raises:
        UserError: It is missing, damaged, leads out of the folder, or is past a limit.
    """
    with explained_reading(archive):
        size = archive.stat().st_size
    most = min(limits().unpacked_bytes, max(_SMALL, limits().unpacked_ratio * size))
    try:
        with archive.open("rb") as packed:
            stream = _Unxz(packed, archive, most)
            with tarfile.open(fileobj=stream, mode="r|") as members:
                _extract(members, archive, folder, most)
            while stream.read(_CHUNK):  # to its end, where checksums stand
                pass
    except DAMAGED as error:
        raise UserError(f"{archive}: cannot be unpacked: {error}; get the file again") from None


def _extract(members: tarfile.TarFile, archive: Path, folder: Path, most: int) -> None:
    left, count = most, 0
    for member in members:
        left, count = left - member.size, count + 1
        if left < 0:
            raise UserError(_past(archive, most))
        if count > limits().members:
            raise UserError(f"{archive}: holds more than {limits().members} files (limits.members)")
        members.extract(member, folder, filter="data")


def _past(archive: Path, most: int) -> str:
    return (
        f"{archive}: unpacks to more than {most} bytes (limits.unpacked_bytes, limits.unpacked_ratio); if that is as it"
        " should be, unpack it by hand and name the folder"
    )


class _Unxz(io.RawIOBase):
    """A stream of what an xz file holds, under limits on all of it and on the memory that it asks for."""

    def __init__(self, packed: io.BufferedReader, path: Path, most: int) -> None:
        # Blocks of a tar, and what stands between members: a little more than the members themselves.
        self._packed, self._path, self._most, self._left = packed, path, most, most + most // 4 + 2**20
        self._unpacker = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts = []
        while size != 0 and not self._unpacker.eof:
            chunk = self._packed.read(_CHUNK) if self._unpacker.needs_input else b""
            if not chunk and self._unpacker.needs_input:
                raise EOFError("it ends too early")
            part = self._unpacker.decompress(chunk, size if size > 0 else _CHUNK)
            self._left -= len(part)
            if self._left < 0:
                raise UserError(_past(self._path, self._most))
            parts.append(part)
            size -= len(part) if size > 0 else 0
        return b"".join(parts)


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip file, which may hold as many files as the limits allow; what one unpacks to, its reader limits.

    Raises:
        UserError: It is missing, no zip file, or holds too many.
    """
    with explained_reading(path):
        stream = path.open("rb")
    try:
        opened = zipfile.ZipFile(stream)
    except DAMAGED as error:
        stream.close()
        raise UserError(f"{path}: not a zip file that can be read: {error}; get the file again") from None
    if (count := len(opened.infolist())) > limits().members:
        stream.close()
        raise UserError(f"{path}: holds {count} files, the limit is {limits().members} (limits.members)")
    return opened
