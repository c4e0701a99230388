"""`vr1repro fetch CONFIG`: every model and data set that a config takes from the hub, for nodes without network.

The files go into the hub's own cache (HF_HOME), where jobs find them with HF_HUB_OFFLINE=1. The commits are those of
the run's revisions.json (`core.revisions`); the SHA-256 of every file is written beside it. The hub's client goes on
with a file that was cut; what it has, it takes on trust, so here each file is hashed against the checksum that names it
in the cache.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vr1repro.config import uses
from vr1repro.config.plan import Plan
from vr1repro.core.errors import UserError
from vr1repro.core.fetch import MODEL_FILES, snapshot
from vr1repro.core.files import write_atomically
from vr1repro.core.outside import json_object
from vr1repro.core.provenance import file_sha
from vr1repro.core.revisions import Revisions, key_of

CHECKED = "hub.json"


@dataclass(frozen=True, kw_only=True)
class HubRepository:
    """A repository on the hub.

    Attributes:
        key: Its name in revisions.json.
        files: Globs of the files' paths; None: all of them.
    """

    key: str
    id: str
    kind: str
    revision: str | None
    files: tuple[str, ...] | None = None


def hub_repositories(plan: Plan, revisions: Revisions | None = None) -> list[HubRepository]:
    """What `rule all` of a config takes from the hub.

    Args:
        revisions: Resolves what the config leaves open, and puts all of it on record, local folders too; None: a
            revision is the config's, or what is on record, or None.

    Raises:
        UserError: A repository cannot be resolved.
    """
    known = Revisions(Path(plan.root)).known()
    repositories = []
    for one in uses.taken(plan):
        source = one.source if revisions is None else revisions.pinned(one.source, one.kind)
        if (key := key_of(source, one.kind)) is None or source.kind != "hub":
            continue
        revision = source.revision or known.get(key)
        files = tuple(MODEL_FILES) if one.kind == "model" else None
        repositories.append(HubRepository(key=key, id=str(source.id), kind=one.kind, revision=revision, files=files))
    return list(dict.fromkeys(repositories))


def fetch_all(plan: Plan) -> Iterator[str]:
    """Fetch and check everything, one line a repository.

    Raises:
        UserError: A repository cannot be fetched, or a file is not what the hub said.
    """
    path = Path(plan.root) / CHECKED
    checked: dict[str, Any] = json_object(path) if path.exists() else {}
    for repo in hub_repositories(plan, Revisions(Path(plan.root))):
        folder, commit = snapshot(repo.id, repo.revision, repo.kind, list(repo.files) if repo.files else None)
        files = {
            file.relative_to(folder).as_posix(): _checked(file) for file in sorted(folder.rglob("*")) if file.is_file()
        }
        before = checked.get(repo.key, {})
        if before.get("commit") == commit and (gone := _differing(before["files"], files)):
            raise UserError(f"{repo.id}: {gone} is not the file that {path} names; remove {folder} and fetch again")
        checked[repo.key] = {"commit": commit, "files": files}
        write_atomically(path, json.dumps(checked, indent=1, sort_keys=True) + "\n")
        size = sum(file["bytes"] for file in files.values())
        yield f"{repo.kind:8}{repo.id}@{commit}  {len(files)} files, {size / 1e9:.3g} GB, checked"


def _differing(before: dict[str, Any], now: dict[str, Any]) -> str | None:
    return next((name for name, file in before.items() if now.get(name) != file), None)


def _checked(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file in the cache, whose blob is named by its SHA-256 or, when small, by its git hash.

    Raises:
        UserError: The content has another hash.
    """
    blob = path.resolve()
    sha = file_sha(blob)
    if re.fullmatch(r"[0-9a-f]{64}", blob.name):
        right = blob.name == sha
    elif re.fullmatch(r"[0-9a-f]{40}", blob.name):
        content = blob.read_bytes()
        right = blob.name == hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    else:  # a cache without links, whose files have their own names
        right = True
    if not right:
        raise UserError(f"{path}: damaged, its checksum is not the hub's; remove {blob} and fetch again")
    return {"bytes": blob.stat().st_size, "sha256": sha}
