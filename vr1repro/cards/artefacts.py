"""The finished folder that a card is of, and what it was made from, by the hashes in the manifests of its run."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vr1repro.config.plan import Plan
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import MANIFEST, content_sha, json_sha, read_manifest
from vr1repro.reporting.lineage import archive
from vr1repro.reporting.lineage.sources import Sources
from vr1repro.reporting.run.results import Results, open_run

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """A finished folder in the words of its manifest.

    Attributes:
        path: Its folder, below its run where the run is known.
        sha: Its content hash.
        content: What it is: kind, files, settings, inputs, facts.
        made: When, where and by which commit.
    """

    path: str
    sha: str
    content: Mapping[str, Any]
    made: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path, path: str) -> "Artefact":
        """The artefact in a folder.

        Raises:
            UserError: It has no manifest, or a damaged one.
        """
        sha, manifest = content_sha(folder), read_manifest(folder)
        content, made = manifest.get("content"), manifest.get("made")
        if not isinstance(content, dict) or not isinstance(made, dict):
            raise UserError(f"{folder / MANIFEST}: has no `content` and `made`; make the artefact again")
        if json_sha(content) != sha:
            raise UserError(f"{folder / MANIFEST}: was edited, its content has another hash; put it back")
        return cls(path=path, sha=sha, content=content, made=made)

    def part(self, name: str) -> Mapping[str, Any]:
        """One of the mappings of its content: `settings`, `inputs`, `facts`, `files`; empty where it is not stated."""
        value = self.content.get(name)
        return value if isinstance(value, dict) else {}

    @property
    def kind(self) -> str:
        """What it is: model, sft, rl-stage, coldset, problems; a checkpoint of SFT or RL says so by its settings."""
        kind = str(self.content.get("kind", "not stated"))
        if kind != "model":
            return kind
        if "rl" in self.part("settings"):
            return "rl-model"
        return "sft-model" if "coldset" in self.part("inputs") else kind

    @property
    def source(self) -> Mapping[str, Any]:
        """The section of the config that says where it was taken from; empty where nothing says."""
        settings = self.part("settings")
        source = settings.get("source", settings)
        return source if isinstance(source, dict) and isinstance(source.get("kind"), str) else {}

    @property
    def hub_id(self) -> str | None:
        """Its repository, where it was taken from the hub."""
        name = self.source.get("id")
        return name if self.source.get("kind") == "hub" and isinstance(name, str) and _HUB_ID.fullmatch(name) else None

    @property
    def hub_commit(self) -> str | None:
        """The commit that was taken, where its manifest says."""
        commit = self.part("facts").get("commit")
        return commit if isinstance(commit, str) else None

    @property
    def commit(self) -> str | None:
        """The commit of the code that made it."""
        commit = self.made.get("commit")
        return commit if isinstance(commit, str) else None


@dataclass(frozen=True, kw_only=True)
class Ancestor:
    """An artefact, and what it was for the one that was made from it; `artefact` None where no manifest is here."""

    role: str
    sha: str
    depth: int
    artefact: Artefact | None


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The run that an artefact is of, or none.

    Attributes:
        config_path: Its resolved config, as a user names it; None where there is no run, as in the others.
        results: Its files as the report reads them.
        plan: Its plan.
    """

    config_path: Path | None = None
    results: Results | None = None
    plan: Plan | None = None

    @cached_property
    def artefacts(self) -> dict[str, Artefact]:
        """Its finished folders by content hash, and by the hash of each of their files."""
        if self.results is None:
            return {}
        run = self.results.run
        every = [Artefact.read(run / one.path, one.path) for one in Sources(self.results).artefacts.values()]
        by_file = {str(sha): one for one in every if one.kind == "problems" for sha in one.part("files").values()}
        return by_file | {one.sha: one for one in every}

    def ancestors(self, artefact: Artefact) -> Iterator[Ancestor]:
        """What an artefact was made from, then what that was made from; each once."""
        told = {artefact.sha}
        yield from self._ancestors(artefact, 0, told)

    def _ancestors(self, artefact: Artefact, depth: int, told: set[str]) -> Iterator[Ancestor]:
        for role, value in artefact.part("inputs").items():
            sha = str(value)
            if sha in told:
                continue
            told.add(sha)
            parent = self.artefacts.get(sha)
            yield Ancestor(role=str(role), sha=sha, depth=depth, artefact=parent)
            if parent is not None:
                yield from self._ancestors(parent, depth + 1, told)


@contextmanager
def opened(artefact: Path, run: Path | None) -> Iterator[tuple[Artefact, Path, Origin]]:
    """The artefact that a user names, its folder, and the run that it is of.

    Args:
        artefact: A finished folder, or its path below a kept run.
        run: A run's folder, or a kept run; None takes the one that the artefact lies in, if there is one.

    Raises:
        UserError: There is no such folder, or its run does not know it.
    """
    run = run or next((up for up in artefact.resolve().parents if (up / archive.CONFIG).is_file()), None)
    if run is None:
        yield Artefact.read(artefact, artefact.name), artefact, Origin()
        return
    with archive.folder_of(run) as (folder, kept):
        results, plan = open_run(run / archive.CONFIG, folder, kept=kept)
        origin = Origin(config_path=run / archive.CONFIG, results=results, plan=plan)
        place = artefact if (artefact / MANIFEST).exists() else folder / artefact
        sha = content_sha(place)
        if sha not in origin.artefacts:
            raise UserError(f"{artefact}: is no finished folder of {run}; give --run the run that made it")
        yield origin.artefacts[sha], place, origin


def hub_ids(artefacts: Sequence[Artefact]) -> list[str]:
    """The hub's repositories that artefacts were taken from, each once."""
    return list(dict.fromkeys(name for one in artefacts if (name := one.hub_id) is not None))
