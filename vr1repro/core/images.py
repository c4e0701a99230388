"""Images of a data set's rows: finding their encoded bytes, and opening them under a pixel limit."""

import io
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from PIL import Image, UnidentifiedImageError

from vr1repro.core.archives import DAMAGED, open_zip
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import MANIFEST, file_sha, read_manifest

# A picture on disk larger than this is no picture of a question; it bounds what one row may read into memory.
MAX_BYTES = 128 * 1024 * 1024
# A picture with more pixels is not decoded: Pillow's own limit against decompression bombs.
MAX_PIXELS = 178_956_970
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


class BadImage(Exception):
    """An image that cannot be used. `reason` is one of a few words that are counted."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class ImageStore(Protocol):
    """Where image paths in rows lead."""

    def read(self, path: str) -> bytes:
        """The encoded image at a path; raises `BadImage`."""
        ...


class FolderImages:
    """Images below a folder.

    A path that leaves the folder as it is written is refused. So is a link that leads out of it, with two exceptions:
    to the hub's cache of the very repository whose snapshot the folder is (a snapshot holds links into `blobs`), and to
    a file that the folder's manifest has by its hash (`core.fetch.link` brings data sets as links).
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._blobs = _hub_blobs(self.root)

    def read(self, path: str) -> bytes:
        """The file's bytes; raises `BadImage`."""
        try:
            written = Path(os.path.normpath(self.root / path))
            file = written.resolve()
            inside = any(file.is_relative_to(folder) for folder in (self.root, *self._blobs))
            if not written.is_relative_to(self.root) or not (inside or self._is_linked(written)):
                raise BadImage("image_outside_folder", path)
            if not file.is_file():
                raise BadImage("image_missing", path)
            if file.stat().st_size > MAX_BYTES:
                raise BadImage("image_too_large", path)
            return file.read_bytes()
        except (OSError, ValueError, RuntimeError) as error:  # too long a name, a NUL in it, a loop of links
            raise BadImage("image_missing", f"{path[:200]!r}: {error}"[:500]) from None

    @cached_property
    def _manifest(self) -> tuple[Path, Mapping[str, str]]:
        """The closed folder that this one is or lies in, with the hashes of its files."""
        closed = next((up for up in (self.root, *self.root.parents) if (up / MANIFEST).is_file()), self.root)
        try:
            return closed, dict(read_manifest(closed)["content"]["files"])
        except (UserError, KeyError, TypeError, ValueError):  # there is none, or a file of that name is no manifest
            return closed, {}

    def _is_linked(self, written: Path) -> bool:
        closed, hashes = self._manifest
        sha = hashes.get(written.relative_to(closed).as_posix())
        return sha is not None and written.is_file() and file_sha(written) == sha


def _hub_blobs(folder: Path) -> list[Path]:
    """Where the hub's client keeps the files of a repository, if a folder is a snapshot of one or lies in it.

    The layout is `datasets--OWNER--NAME/{blobs,refs,snapshots/COMMIT}` (huggingface_hub, "Understand caching").
    """
    for up in (folder, *folder.parents):
        repository = up.parent.parent
        if up.parent.name == "snapshots" and repository.name.startswith(("datasets--", "models--")):
            return [repository / "blobs"]
    return []


class ZipImages:
    """Images in a zip file, found by path or, where that is unique, by file name."""

    def __init__(self, archive: Path) -> None:
        self._zip = open_zip(archive)
        self._by_name: dict[str, str | None] = {}
        for entry in self._zip.namelist():
            name = PurePosixPath(entry).name
            self._by_name[name] = None if name in self._by_name else entry

    def read(self, path: str) -> bytes:
        """The member's bytes; raises `BadImage`."""
        try:
            member = self._zip.getinfo(path)
        except KeyError:
            entry = self._by_name.get(PurePosixPath(path).name)
            if entry is None:
                raise BadImage("image_missing", path) from None
            member = self._zip.getinfo(entry)
        if member.file_size > MAX_BYTES:
            raise BadImage("image_too_large", path)
        try:
            return self._zip.read(member)
        except DAMAGED as error:
            raise BadImage("image_unreadable", str(error)) from None


def encoded(value: Any, store: ImageStore | None) -> bytes | None:
    """The encoded bytes behind a row's image cell.

    Args:
        value: None, bytes, a path, the hub's `{"bytes": ..., "path": ...}`, a PIL image, or a list of which the first
            counts.
        store: Where paths lead; None where the data set has no files beside it.

    Returns:
        The bytes, or None where the cell is empty.

    Raises:
        BadImage: The cell names an image that cannot be read, or more than one image.
    """
    if isinstance(value, list | tuple):
        if len(value) > 1:
            raise BadImage("several_images", f"{len(value)} images")
        value = value[0] if value else None
    if isinstance(value, dict):
        value = value.get("bytes") if value.get("bytes") is not None else value.get("path")
    if value is None or value == "":
        return None
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, Image.Image):
        buffer = io.BytesIO()
        value.save(buffer, format="PNG")
        return buffer.getvalue()
    if isinstance(value, str):
        if store is None:
            raise BadImage(
                "image_missing", f"{value}: only a path, and no folder of images is named; take a Parquet with pictures"
            )
        return store.read(value)
    raise BadImage("image_unreadable", f"a cell of type {type(value).__name__}")


def open_image(data: bytes, max_pixels: int) -> Image.Image:
    """Open an encoded image without decoding it yet.

    Args:
        max_pixels: Limit on width x height, checked on the header before any pixel is decoded.

    Raises:
        BadImage: Empty, not an image of a known format, or over the limit.
    """
    if not data:
        raise BadImage("image_empty")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise BadImage("image_too_large", str(error)) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise BadImage("image_unreadable", str(error)) from None
    if image.width * image.height > max_pixels:
        raise BadImage("image_too_large", f"{image.width} x {image.height} pixels, limit {max_pixels}")
    if image.width * image.height == 0:
        raise BadImage("image_empty")
    return image


def decode(data: bytes, max_pixels: int) -> Image.Image:
    """Open and decode an image as RGB; transparency is laid on white, as on the page it was drawn for.

    Raises:
        BadImage: As `open_image`, or the pixel data is damaged.
    """
    image = open_image(data, max_pixels)
    try:
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            layer = image.convert("RGBA")
            page = Image.new("RGBA", layer.size, "white")
            return Image.alpha_composite(page, layer).convert("RGB")
        return image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadImage("image_unreadable", str(error)) from None
