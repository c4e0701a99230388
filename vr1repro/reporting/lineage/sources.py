"""Where numbers and figures come from: files with their hashes, the weights that answered, and their ancestors.

Three places render it: `provenance.json` beside tables and figures (here), the page (`page.number_sources`), and
`vr1repro why` (`tables.why`).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from vr1repro.config.plan import SELECTED
from vr1repro.core.files import write_atomically
from vr1repro.core.jsonl import read_lines
from vr1repro.core.provenance import MANIFEST, file_sha, json_sha, read_manifest
from vr1repro.published import Target
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.run.words import chains_file

FILE = "provenance.json"
RESPONSES = "responses.jsonl"
_FINISHED = ("models/*", "problems/*", "coldset", "released/coldset", "train/**")  # folders with a manifest


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """A finished folder of a run, in the words of its manifest.

    Attributes:
        settings: That it was made with.
        inputs: Hashes of what it was made from, by role: of a folder's content, or of one file (`Sources.inputs_of`).
        files: SHA-256 of its files by name.
    """

    path: str
    kind: str | None
    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    files: Mapping[str, str]
    commit: str | None
    made_at: str | None


class Sources:
    """The files and finished folders of one run, each file hashed once."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self._hashes: dict[str, str] = {}
        self._paths: dict[Target, list[str]] = {}
        self._weights: dict[str, str | None] = {}

    @cached_property
    def artefacts(self) -> dict[str, Artefact]:
        """Finished folders by content hash, in the order of their paths."""
        run, artefacts = self.results.run, {}
        for path in sorted({file for pattern in _FINISHED for file in run.glob(f"{pattern}/{MANIFEST}")}):
            manifest = read_manifest(path.parent)
            content, made = manifest.get("content", {}), manifest.get("made", {})
            artefacts[str(manifest.get("content_sha"))] = Artefact(
                path=path.parent.relative_to(run).as_posix(),
                kind=content.get("kind"),
                settings=content.get("settings", {}),
                inputs=content.get("inputs", {}),
                files=content.get("files", {}),
                commit=made.get("commit"),
                made_at=made.get("at"),
            )
        return artefacts

    @cached_property
    def _holders(self) -> dict[str, tuple[str, str]]:
        """Content hash of the finished folder that holds a file, and the file's name, by the file's hash."""
        holders: dict[str, tuple[str, str]] = {}
        for sha, artefact in self.artefacts.items():
            for name, digest in artefact.files.items():
                holders.setdefault(digest, (sha, name))
        return holders

    def inputs_of(self, artefact: Artefact) -> dict[str, str]:
        """Content hashes of what an artefact was made from, by role.

        A stage records the hash of the file that it read, not of the folder that holds it. Such a role is `role (file)`
        here, and its hash the folder's.
        """
        inputs = {}
        for role, sha in artefact.inputs.items():
            holder, name = self._holders.get(sha, (sha, ""))
            if sha in self.artefacts or not name:
                inputs[role] = sha
            else:
                inputs[f"{role} ({name})"] = holder
        return inputs

    def weights_of(self, path: str) -> str | None:
        """Content hash of the weights that wrote a file of responses, from its first row; None for other files."""
        if not path.endswith(RESPONSES):
            return None
        if path not in self._weights:
            _, row = next(read_lines(self.results.run / path), (0, {}))
            sha = row.get("model_sha")
            self._weights[path] = sha if isinstance(sha, str) else None
        return self._weights[path]

    def sha(self, path: str) -> str:
        """SHA-256 of a file, by its path below the run."""
        if path not in self._hashes:
            self._hashes[path] = file_sha(self.results.run / path)
        return self._hashes[path]

    def of(self, target: Target | None) -> list[str]:
        """Paths below the run of the files that our counterpart of a target is made from; empty where there is none."""
        if target is None:
            return []
        if target not in self._paths:
            self._paths[target] = sorted(set(self._files(target)))
        return self._paths[target]

    def matching(self, patterns: Iterable[str]) -> list[str]:
        """Paths below the run that fit glob patterns."""
        run = self.results.run
        return sorted({path.relative_to(run).as_posix() for pattern in patterns for path in run.glob(pattern)})

    def _files(self, target: Target) -> Iterable[str]:
        results = self.results
        if target.quantity == "word_count" and target.arm is None:
            path = results.set_path(target.benchmark)
            file = chains_file(path) if path is not None and path.is_dir() else path
            return [] if file is None else [file.relative_to(results.run).as_posix()]
        if target.arm is None:
            return []
        if target.benchmark == "rl-train":
            return self.matching([f"lengths/{target.arm}_s*/e*/{RESPONSES}"])
        rows = results.rows_of(target)
        if target.quantity == "word_count":  # counted in texts of one seed; grades do not matter
            rows = rows[rows["benchmark"] == target.benchmark]
            return [path for path in self._evaluations(rows.head(1), verdicts=False) if path.startswith("eval/")]
        named = {name.partition(":")[0] for name in target.of} or {target.benchmark}
        if target.quantity == "tokens":
            return self._evaluations(rows, verdicts=False)
        chosen = self.matching([f"eval/{target.arm}_s*/{SELECTED}"]) if target.checkpoint else []
        return chosen + self._evaluations(rows[rows["benchmark"].isin(named)])

    def _evaluations(self, rows: pd.DataFrame, verdicts: bool = True) -> list[str]:
        """Responses, verdicts and questions behind rows of the tidy table."""
        profile = self.results.settings.profile
        paths: list[str] = []
        keys = ["model", "benchmark", "protocol", "eval_seed"]
        for model, benchmark, protocol, seed in rows[keys].drop_duplicates().itertuples(index=False):
            folder = f"eval/{model}/{benchmark}/{protocol}/e{seed}"
            paths += [f"{folder}/{RESPONSES}", *([f"{folder}/verdicts/{profile}.jsonl"] if verdicts else [])]
        return paths + self.matching(f"problems/{name}/**/*.parquet" for name in rows["benchmark"].unique())


def write_made_from(folder: Path, kind: str, made_from: Mapping[str, Sequence[str]], sources: Sources) -> Path:
    """Write `provenance.json`: for each thing the numbers of its files in `files`, and one hash over their hashes."""
    files = sorted({path for paths in made_from.values() for path in paths})
    number = {path: k for k, path in enumerate(files)}
    things = {
        name: {"sha256": json_sha([sources.sha(path) for path in paths]), "files": [number[path] for path in paths]}
        for name, paths in made_from.items()
    }
    content: dict[str, Any] = {"files": [{"path": path, "sha256": sources.sha(path)} for path in files], kind: things}
    write_atomically(folder / FILE, json.dumps(content, indent=1) + "\n")
    return folder / FILE
