"""Files that are wrong in every way that is known of, for tables and for fuzzing."""

import io
import lzma
import struct
import tarfile
import zipfile
import zlib

import pyarrow as pa
import pyarrow.parquet as pq


def tar_xz(*members, preset=0):
    """An archive of members: name, content (or a number of zeros), and further fields of the entry."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", preset=preset) as archive:
        for name, content, *fields in members:
            entry = tarfile.TarInfo(name)
            for field, value in fields[0].items() if fields else ():
                setattr(entry, field, value)
            entry.size = content if isinstance(content, int) else len(content)
            archive.addfile(entry, Zeros(content) if isinstance(content, int) else io.BytesIO(content))
    return buffer.getvalue()


class Zeros(io.RawIOBase):
    """A file of so many zeros that is nowhere."""

    def __init__(self, size):
        self.left = size

    def readable(self):
        return True

    def read(self, size=-1):
        size = min(self.left if size < 0 else size, self.left)
        self.left -= size
        return b"\0" * size


def hungry_xz():
    """An archive that says that its unpacker needs 3.5 GB of memory."""
    data = bytearray(lzma.compress(b"x" * 100))
    # The block's header holds the dictionary's size as one number, and ends with a checksum.
    length = (data[12] + 1) * 4
    data[data.index(b"\x21\x01", 12) + 2] = 39
    data[12 + length - 4 : 12 + length] = struct.pack("<I", zlib.crc32(bytes(data[12 : 12 + length - 4])))
    return bytes(data)


def zipped(*members, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def parquet(columns):
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def png(width, height, data=None):
    """A PNG of which the header may say anything."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * ((width * 3 + 1) * min(height, 4)) if data is None else data)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
