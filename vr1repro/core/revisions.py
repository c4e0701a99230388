"""Which commit of each hub repository a run takes: `results/<run>/revisions.json`, written at the first fetch.

    {"dataset AI4Math/MathVista": "2b6ad694...", "dataset path data/rl-additional": null, "model Qwen/...": "..."}

A source without a revision in the config is resolved to the newest commit once, under a lock, and everything that
fetches for the run takes that one from then on. What lies in a local folder has no revision, and gets none.
"""

import json
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel

from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.core.locks import Lock
from vr1repro.core.outside import json_file

FILE = "revisions.json"
_PATIENCE_S = 600.0  # another job may be asking a slow hub
RepositoryKind = Literal["model", "dataset"]
_Source = TypeVar("_Source", bound=BaseModel)


class Revisions:
    """The commits that one run takes.

    Args:
        root: The run's folder.
    """

    def __init__(self, root: Path) -> None:
        self.path = root / FILE

    def known(self) -> dict[str, str | None]:
        """What is on record: by `key_of`, the commit; None for a local folder.

        Raises:
            UserError: The file is damaged.
        """
        if not self.path.exists():
            return {}
        try:
            content = json_file(self.path)
        except UserError as error:
            raise UserError(f"{error}; mend it: it says what this run was made of") from None
        if not isinstance(content, dict):
            raise UserError(f"{self.path}: must be one JSON object; mend it: it says what this run was made of")
        return content

    def pinned(self, source: _Source, kind: RepositoryKind) -> _Source:
        """A config's source at the commit that the run takes, which is put on record.

        Args:
            source: A section of kind `hub` or `path`; one of another kind, of the lab, comes back as it is.

        Raises:
            UserError: The hub does not say what is newest, or another commit of the repository is on record.
        """
        key = key_of(source, kind)
        if key is None:
            return source
        given = getattr(source, "revision", None)
        with Lock(self.path, "the commits of this run", patience_s=_PATIENCE_S):
            known = self.known()
            if given is not None and known.get(key, given) != given:
                raise UserError(
                    f"{self.path}: this run took {known[key]} of {key}, and the config's `revision` is {given}; a run"
                    " takes one commit of a repository. Set that one in the config, or take the entry out of the file"
                    " and what was fetched with it out of the run's folder"
                )
            if key not in known:
                known[key] = given or (self._newest(source, kind) if getattr(source, "kind", "") == "hub" else None)
                write_atomically(self.path, json.dumps(known, indent=1, sort_keys=True) + "\n")
        return source if known[key] is None else source.model_copy(update={"revision": known[key]})

    def _newest(self, source: BaseModel, kind: RepositoryKind) -> str:
        from vr1repro.core.fetch import newest

        return newest(str(getattr(source, "id", "")), kind)


def key_of(source: BaseModel, kind: RepositoryKind) -> str | None:
    """The name under which a source's revision is on record; None for what is not fetched."""
    match getattr(source, "kind", None):
        case "hub":
            return f"{kind} {getattr(source, 'id', None)}"
        case "path":
            return f"{kind} path {getattr(source, 'path', None)}"
    return None
