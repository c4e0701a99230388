"""What the responses of a comparison were made of, as far as it is on record.

A run of ours gets no verdict that its own tables would not give it: it is refused where it is comparable and its
commits are not in its revisions.json, and gets no verdict where it is not comparable. What other people bring is judged
as it is, for a file of responses names no commit and nothing could be asked of it; the table says which commits are on
record and for which models there are none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from vr1repro.config import loader
from vr1repro.config.plan import Plan
from vr1repro.core.revisions import Revisions
from vr1repro.reporting.compare.foreign import ModelResponses
from vr1repro.reporting.lineage.archive import CONFIG
from vr1repro.reporting.run.commits import require_commits


@dataclass(frozen=True)
class Origins:
    """What is known of some evaluations.

    Attributes:
        comparable: Whether they may be compared with printed numbers: none is of a run that may not.
        commits: Of the hub's repositories, as their runs recorded them, a line each.
        without: Models of which no commit is on record.
    """

    comparable: bool
    commits: Sequence[str]
    without: Sequence[str]

    @property
    def note(self) -> str:
        """The same as sentences for a table's note."""
        texts = [f"Commits on record: {'; '.join(self.commits)}."] if self.commits else []
        if self.without:
            texts.append(f"No commit is on record of what {', '.join(self.without)} was made of.")
        return " ".join(texts)


def origins(evaluations: Sequence[ModelResponses]) -> Origins:
    """Look for the records of some evaluations.

    Raises:
        UserError: One is of a comparable run whose commits are not on record.
    """
    pairs = {(one.model, _made_in(one.folder)) for one in evaluations}
    records = {folder: list(_commits(folder)) for _, folder in pairs if folder is not None}
    states = [_is_comparable(folder) for folder in sorted(records)]
    return Origins(
        comparable=all(states),
        commits=sorted({line for lines in records.values() for line in lines}),
        without=sorted({model for model, folder in pairs if folder is None or not records[folder]}),
    )


def _made_in(evaluated: Path | None) -> Path | None:
    """The folder of a run or of `evaluate --out`, above <model>/<benchmark>/<protocol>/e<seed>; None for files."""
    if evaluated is None:
        return None
    folder = evaluated.resolve().parents[3]
    return folder.parent if folder.name == "eval" else folder


def _is_comparable(folder: Path) -> bool:
    path = folder / CONFIG
    if not path.is_file():
        return True
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not (isinstance(config, dict) and config.get("comparable")):
        return False
    require_commits(Plan(loader.load(path)), folder)
    return True


def _commits(folder: Path) -> Iterator[str]:
    for key, commit in Revisions(folder).known().items():
        if commit is not None:
            yield f"{key} at {commit[:12]}"
