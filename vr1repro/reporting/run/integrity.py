"""Whether the files of a run are those that its jobs wrote.

A job closes what it wrote: `responses.json` and `verdicts.json` have hash, rows and counts of a checkpoint's files
(`summaries`), `manifest.json` the hashes of a finished folder (`core.provenance`), and `run.json` seed and weights of a
file of responses. A file that differs from them is refused. One that none of them covers, as verdicts of
`vr1repro grade` or a folder that was copied here, is read as it is, and the page says so.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vr1repro.config.plan import SELECTED, SLUG
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import count_rows, read_lines
from vr1repro.core.outside import json_object
from vr1repro.core.provenance import CONTENT, MANIFEST, file_sha, json_sha, read_manifest
from vr1repro.evaluation.selection import PROTOCOL, best_of
from vr1repro.reporting.run.best import read_selections
from vr1repro.reporting.run.regraded import GradedFile, regrade
from vr1repro.reporting.run.summaries import ClosedFile, closed_files

RESPONSES, STEPS, RUN = "responses.jsonl", "steps.jsonl", "run.json"
_STAGE = "train/*/s*/stage*/"
_LISTED = 8  # damaged files in one message
_COLDSET = frozenset({"traces.jsonl", "coldset.parquet", "yield.json", "ablation.jsonl"})  # what the report reads


def check_run(run: Path, profile: str, coldset: str, sources: Iterable[str] = (), kept: bool = False) -> list[str]:
    """Refuse a run whose files are not those that its jobs wrote.

    Args:
        run: `results/<run>`.
        profile: The headline's scoring profile.
        coldset: Folder of the cold-start set below the run.
        sources: Files of problems below the run that words are counted in.
        kept: Whether it comes from a kept run's archive. Its questions lie there without pictures, so that their
            hashes are others and the archive's covers them; and sets of problems are left out.

    Returns:
        What cannot be checked, or is gone as a whole: lines for the page.

    Raises:
        UserError: Files are edited, cut, of another model or seed, or gone; the message names each with what to do.
    """
    check = _Check(run=run, profile=profile)
    check.responses()
    check.verdicts()
    check.selections()
    check.logs()
    for benchmark in sorted({path.parts[-4] for path in run.glob(f"eval/*/*/*/e*/{RESPONSES}")}):
        check.finished(run / "problems" / benchmark, _is_table, "files of questions", hashed=not kept)
    check.finished(run / coldset, _COLDSET.__contains__, "files of the cold-start set", partial=kept)
    for source in sources:
        check.finished((run / source).parent, _is_table, "files of problems", partial=kept)
    if not check.refused:  # a damaged file is told of first
        check.regrade()
    if check.refused:
        more = len(check.refused) - _LISTED
        lines = [f"{path}{text}" for path, text in list(check.refused.items())[:_LISTED]]
        raise UserError("\n".join([*lines, *([f"and {more} more files"] if more > 0 else [])]))
    return check.notes()


def _is_table(name: str) -> bool:
    return name.endswith((".jsonl", ".parquet"))


@dataclass(kw_only=True)
class _Check:
    """Goes through a run.

    Attributes:
        refused: What is wrong with a file, and what to do.
        uncovered: Files without a manifest, by kind.
    """

    run: Path
    profile: str
    refused: dict[Path, str] = field(default_factory=dict)
    uncovered: dict[str, list[Path]] = field(default_factory=dict)
    _gone: list[str] = field(default_factory=list)
    _otherwise: list[str] = field(default_factory=list)
    _responses: dict[Path, ClosedFile] = field(default_factory=dict)
    _verdicts: dict[Path, ClosedFile] = field(default_factory=dict)
    _weights: dict[Path, str | None] = field(default_factory=dict)

    def notes(self) -> list[str]:
        """What the page says."""
        notes = [*self._gone, *self._otherwise]
        for kind, paths in self.uncovered.items():
            place = self._below(paths[0]) if len(paths) == 1 else f"{len(paths)}, the first {self._below(paths[0])}"
            notes.append(f"{kind} without a manifest, so that nothing says whether they are whole: {place}")
        return notes

    def responses(self) -> None:
        """Check files of responses, on benchmarks and on the RL set."""
        for summary in sorted([*self.run.glob("eval/*/responses.json"), *self.run.glob("lengths/*/responses.json")]):
            for one in closed_files(summary, RESPONSES):
                again = f"put it back, or delete {one.path.parent} and {summary}: the workflow then asks again"
                if not one.path.parent.is_dir():
                    self._gone.append(f"{self._below(one.path.parent)} is gone, and {self._below(summary)} has it")
                elif self._is_same(one, again):
                    self._responses[one.path] = one
                    self._check_record(one, again)
        paths = [*self.run.glob(f"eval/*/*/*/e*/{RESPONSES}"), *self.run.glob(f"lengths/*/e*/{RESPONSES}")]
        for path in sorted(paths):
            self._check_rows(path, self._columns(path))
            if path not in self._responses:
                self.uncovered.setdefault("files of responses", []).append(path)

    def verdicts(self) -> None:
        """Check files of verdicts."""
        for summary in sorted(self.run.glob("eval/*/*/verdicts.json")):
            again = f"delete {summary}: the workflow then grades again"
            for one in closed_files(summary, f"verdicts/{self.profile}.jsonl"):
                answered = one.path.parents[1] / RESPONSES
                if not answered.exists() or self._is_of_other_profile(one):
                    continue
                if self._is_same(one, again):
                    self._verdicts[one.path] = one
                    if one.responses not in (None, file_sha(answered)):
                        self._refuse(one.path, f": was graded from other responses; {again}")
        for path in sorted(self.run.glob("eval/*/*/*/e*/verdicts/*.jsonl")):
            self._check_rows(path, self._columns(path.parents[1] / RESPONSES))
            if path not in self._verdicts:
                self.uncovered.setdefault("files of verdicts", []).append(path)

    def selections(self) -> None:
        """Check the choices of best checkpoints against the scores that they rest on."""
        for choice in read_selections(self.run):
            path = self.run / "eval" / f"{choice.arm}_s{choice.train_seed}" / SELECTED
            differs = best_of(choice.candidates).slug != choice.selected
            for candidate in choice.candidates:
                for benchmark, score in candidate.scores.items():
                    folder = self.run / "eval" / candidate.slug / benchmark / PROTOCOL / f"e{choice.eval_seed}"
                    one = self._verdicts.get(folder / "verdicts" / f"{choice.profile}.jsonl")
                    differs |= one is not None and one.figures.get("value") != score
            if differs:
                self._refuse(path, ": its scores are not those of verdicts.json; delete it: the workflow chooses again")

    def logs(self) -> None:
        """Check the step logs of RL stages."""
        for folder in sorted({path.parent for name in (STEPS, MANIFEST) for path in self.run.glob(_STAGE + name)}):
            arm, seed, stage = folder.relative_to(self.run / "train").parts
            content = self.finished(folder, STEPS.__eq__, "logs of RL stages", again=f"--config remake={folder}")
            if content is None:
                continue
            trained = content["settings"].get("seed")
            if trained not in (None, int(seed.removeprefix("s"))):
                self._refuse(folder, f": its manifest is of training seed {trained}; take out what was copied here")
            self._check_rows(folder / STEPS, {"arm": arm, "stage": int(stage.removeprefix("stage"))})

    def finished(
        self,
        folder: Path,
        is_read: Callable[[str], bool],
        kind: str,
        *,
        hashed: bool = True,
        partial: bool = False,
        again: str | None = None,
    ) -> dict[str, Any] | None:
        """Check what the report reads of a finished folder.

        Args:
            is_read: Whether the report reads a file, by its path below the folder.
            kind: What such files are.
            hashed: Whether they are the very files that the manifest hashes.
            partial: Whether some of them may be gone.
            again: What makes the folder again, where its manifest's loss does not.

        Returns:
            The content of its manifest, where all is well.
        """
        manifest, closing = folder / MANIFEST, folder / CONTENT
        again = f"put it back, or make it again: {again or f'delete {manifest} and {closing}'}"
        names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        if not manifest.exists():
            there = [folder / name for name in sorted(filter(is_read, names))]
            if closing.exists():
                self._refuse(manifest, f": is gone; {again}")
            elif there:
                self.uncovered.setdefault(kind, []).extend(there)
            return None
        whole, before = read_manifest(folder), len(self.refused)
        content, sha = whole.get("content", {}), whole.get("content_sha")
        closed: Mapping[str, str] = content.get("files", {})
        if json_sha(content) != sha or (closing.exists() and closing.read_text(encoding="utf-8").strip() != sha):
            self._refuse(manifest, f": was edited; {again}")
        for name in sorted(filter(is_read, {*closed, *names})):
            path = folder / name
            if name not in closed:
                self._refuse(path, f": is not in {manifest}; take it away")
            elif name not in names:
                if not partial:
                    self._refuse(path, f": is gone, and {manifest} has it; {again}")
            elif hashed and file_sha(path) != closed[name]:
                self._refuse(path, f": is not the file that {manifest} closes; {again}")
        return content if len(self.refused) == before else None

    def regrade(self) -> None:
        """Grade some rows of each file of verdicts again: an edit may have brought its hash along."""
        graded = []
        for path, one in self._verdicts.items():
            _, _, benchmark, protocol, *_ = path.relative_to(self.run).parts
            graded.append(
                GradedFile(
                    path=path,
                    sha256=one.sha256,
                    code=one.code,
                    responses=path.parents[1] / RESPONSES,
                    questions=self.run / "problems" / benchmark,
                    benchmark=benchmark,
                    protocol=protocol,
                )
            )
        for result in regrade(graded):
            if result.same_code:
                summary = self._verdicts[result.file.path].summary
                text = f": {result.text()}; delete {summary}: the workflow then grades again"
                self._refuse(result.file.path, text)
            else:
                code = "code that is not on record" if result.file.code is None else "other code than today's"
                self._otherwise.append(f"{self._below(result.file.path)}: graded by {code}; {result.text()}")

    def _is_of_other_profile(self, one: ClosedFile) -> bool:
        """Whether a summary of an older version, which names no file, is of another profile than the config now has."""
        others = (path for path in one.path.parent.glob("*.jsonl") if path != one.path)
        return one.responses is None and any(file_sha(path) == one.sha256 for path in others)

    def _is_same(self, one: ClosedFile, again: str) -> bool:
        """Whether a file is the one that its summary closes; else it is refused."""
        if not one.path.exists():
            self._refuse(one.path, f": is gone, and {one.summary} has it; {again}")
            return False
        if file_sha(one.path) == one.sha256:
            return True
        rows = count_rows(one.path)
        counts = f"{rows} rows" if one.rows in (None, rows) else f"{rows} rows, {one.rows} were written"
        self._refuse(one.path, f": is not the file that {one.summary} closes ({counts}); {again}")
        return False

    def _check_record(self, one: ClosedFile, again: str) -> None:
        """Check that the record of how responses were sampled is there, and is theirs."""
        path, columns = one.path.with_name(RUN), self._columns(one.path)
        if not path.exists():
            self._refuse(path, f": is gone, and with it which weights and settings gave the responses; {again}")
            return
        try:
            content = dict(json_object(path)["content"])
        except (UserError, ValueError, KeyError, TypeError):
            self._refuse(path, f": no record of an evaluation; {again}")
            return
        stated = {"seed": columns["eval_seed"], "model": columns["model"], "counts": one.figures}
        stated |= {name: columns[name] for name in ("benchmark", "protocol") if name in columns}
        if differing := [name for name, value in stated.items() if content.get(name) != value]:
            self._refuse(path, f": has another {', '.join(differing)} than the responses beside it; {again}")
        self._weights[one.path] = content.get("model_sha")

    def _columns(self, path: Path) -> dict[str, Any]:
        """What every row of a file of responses must say, by where it lies."""
        parts = path.relative_to(self.run).parts
        columns: dict[str, Any] = {"eval_seed": int(parts[-2].removeprefix("e"))}
        if parts[0] == "eval":
            columns |= {"benchmark": parts[2], "protocol": parts[3]}
        if path in self._responses:  # a folder that was copied here may have another name than the model that answered
            columns["model"] = parts[1]
            if slug := re.fullmatch(SLUG, parts[1]):
                columns["train_seed"] = int(slug["seed"]) or None
        if path in self._weights:
            columns["model_sha"] = self._weights[path]
        return columns

    def _check_rows(self, path: Path, columns: Mapping[str, Any]) -> None:
        """Refuse a file with a row of another model, seed, benchmark, arm or stage."""
        if path in self.refused:
            return
        for number, row in read_lines(path):
            for name, value in columns.items():
                if row.get(name, value) != value:
                    text = f"a row of {name} {row[name]!r}, where {value!r} belongs; take out what was copied here"
                    self._refuse(path, f":{number}: {text}")
                    return

    def _refuse(self, path: Path, text: str) -> None:
        self.refused.setdefault(path, text)

    def _below(self, path: Path) -> str:
        return path.relative_to(self.run).as_posix()
