"""What a run that is compared with the paper was made of: of everything it fetched, the commit must be on record."""

from collections.abc import Iterator
from pathlib import Path

from vr1repro.config.plan import Plan
from vr1repro.config.uses import taken
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import MANIFEST, read_manifest
from vr1repro.core.revisions import Revisions, key_of


def require_commits(plan: Plan, run: Path) -> None:
    """Refuse a comparable run that does not say which commits it was made of.

    Args:
        run: Its folder, kept or not.

    Raises:
        UserError: There is no revisions.json, or it does not fit what was fetched.
    """
    if not plan.config.comparable or not (sources := taken(plan)):
        return
    lines = list(without_commit(plan, run))
    revisions = Revisions(run)
    if not lines and not revisions.known():
        names = ", ".join(dict.fromkeys(str(key_of(one.source, one.kind)) for one in sources))
        lines = [f"{revisions.path}: is missing, so nobody knows which commits this run took of {names}"]
    if lines:
        raise UserError("\n".join(lines) + "\nor set `comparable: false`: its scores then get no verdict")


def without_commit(plan: Plan, run: Path) -> Iterator[str]:
    """What was fetched and whose commit is not on record, or is another one there: a line each, with the fix."""
    revisions = Revisions(run)
    known = revisions.known()
    for one in taken(plan):
        folder, key = run / one.folder.relative_to(plan.root), key_of(one.source, one.kind)
        if key is None or not (folder / MANIFEST).exists():
            continue
        made_at, hub = _made_at(folder), one.source.kind == "hub"
        if key not in known or (hub and known[key] is None):
            entry = f'"{key}": "{made_at}"' if hub else f'"{key}": null'
            fix = f"add {entry}, as its manifest says" if made_at or not hub else f"remove {folder} and fetch it again"
            yield f"{revisions.path}: has no commit of {key}, which {folder} was made of; {fix}"
        elif made_at not in (None, known[key]):
            yield f"{folder}: was fetched at {made_at}, and {revisions.path} has {known[key]}; remove it and run again"


def _made_at(folder: Path) -> str | None:
    content = read_manifest(folder)["content"]
    settings = content["settings"]
    commit = settings.get("revision") or settings.get("source", {}).get("revision") or content["facts"].get("commit")
    return None if commit is None else str(commit)
