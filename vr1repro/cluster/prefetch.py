"""`vr1repro fetch CONFIG`: every model and data set that a config takes from the hub, for nodes without network.

The files go into the hub's own cache (HF_HOME), where jobs find them with HF_HUB_OFFLINE=1. The commits and the
SHA-256 of every file are written to the run's folder; a later fetch takes the same commits. The hub's client goes on
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
from vr1repro.config.models import HubData, HubModel
from vr1repro.config.plan import Plan
from vr1repro.config.problems import ProblemSource
from vr1repro.core.errors import UserError
from vr1repro.core.fetch import MODEL_FILES, snapshot
from vr1repro.core.files import write_atomically
from vr1repro.core.provenance import file_sha

PINS = "hub.json"


@dataclass(frozen=True)
class HubRepository:
    """A repository on the hub. `files` None: all of them."""

    id: str
    kind: str
    revision: str | None
    files: tuple[str, ...] | None = None


def hub_repositories(plan: Plan) -> list[HubRepository]:
    """What `rule all` of a config takes from the hub."""
    config, repositories = plan.config, []
    sources = plan.model_sources()
    for name in uses.models_used(plan):
        if isinstance(model := sources[name], HubModel):
            repositories.append(HubRepository(model.id, "model", model.revision, tuple(MODEL_FILES)))
    for name in sorted(uses.sets_used(plan)):
        source = {**config.problems, **config.benchmarks}[name]
        if isinstance(source, ProblemSource) and source.kind == "hub":
            repositories.append(HubRepository(str(source.id), "dataset", source.revision))
    released = config.coldset.released
    if "coldset" in config.take_released and isinstance(released, HubData):
        repositories.append(HubRepository(released.id, "dataset", released.revision))
    return list(dict.fromkeys(repositories))


def fetch_all(plan: Plan) -> Iterator[str]:
    """Fetch and check everything, one line a repository.

    Raises:
        UserError: A repository cannot be fetched, or a file is not what the hub said.
    """
    path = Path(plan.root) / PINS
    pins: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for repo in hub_repositories(plan):
        key = f"{repo.kind} {repo.id}"
        commit = repo.revision or pins.get(key, {}).get("commit")
        folder, commit = snapshot(repo.id, commit, repo.kind, list(repo.files) if repo.files else None)
        files = {
            file.relative_to(folder).as_posix(): _checked(file) for file in sorted(folder.rglob("*")) if file.is_file()
        }
        before = pins.get(key, {})
        if before.get("commit") == commit and (gone := _differing(before["files"], files)):
            raise UserError(f"{repo.id}: {gone} is not the file that {path} names; remove {folder} and fetch again")
        pins[key] = {"commit": commit, "files": files}
        write_atomically(path, json.dumps(pins, indent=1, sort_keys=True) + "\n")
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
