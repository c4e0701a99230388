"""The scores that a card shows: those of the responses that the checkpoint itself wrote, told by its content hash."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from vr1repro.benchmarks import lookup
from vr1repro.cards.artefacts import Artefact, Origin
from vr1repro.config.reporting import ReportSettings
from vr1repro.core.errors import UserError
from vr1repro.core.outside import json_object
from vr1repro.reporting.compare.foreign import GradingOptions, ModelResponses, assemble_run, find_responses
from vr1repro.reporting.lineage import archive
from vr1repro.reporting.run.scores import collect
from vr1repro.reporting.statistics.estimate import Estimate
from vr1repro.reporting.tables.scores_csv import AVERAGE, score_table

OVERALL = "overall"


@dataclass(frozen=True, kw_only=True)
class Score:
    """A score of one benchmark.

    Attributes:
        questions: Where its questions were taken from.
        metric: `accuracy_%`, or `score` where shares are added (MME).
        estimate: Value, interval, n and clusters.
        seeds: Evaluation seeds.
        unparsable: Percent of responses without an answer that could be read; wrong in the score.
        ungraded: Percent without a verdict; not in the score.
    """

    benchmark: str
    questions: Artefact
    subset: str
    protocol: str
    profile: str
    metric: str
    estimate: Estimate
    seeds: int
    unparsable: float
    ungraded: float

    @property
    def title(self) -> str:
        """The benchmark's name; a generated stand-in says that it is none."""
        title = lookup.facts(self.benchmark).title
        return title if self.generated is False else f"generated stand-in for {title}"

    @property
    def generated(self) -> bool:
        """Whether the lab generated the questions."""
        return self.questions.source.get("kind") == "lab"

    @property
    def scorer(self) -> str:
        """Protocol and scoring profile in one word."""
        return f"{self.protocol}, {self.profile}"


@dataclass(frozen=True, kw_only=True)
class Scores:
    """All scores of a checkpoint.

    Attributes:
        slug: Its name in the files of responses; None where there are none.
        confidence: Of the intervals.
        headline: Protocol and profile that the run reports first.
    """

    slug: str | None
    confidence: float
    headline: tuple[str, str] | None
    rows: tuple[Score, ...] = ()


def of_run(artefact: Artefact, origin: Origin) -> Scores:
    """The scores of a checkpoint in its run; none where it was not evaluated."""
    results = origin.results
    if results is None:
        return Scores(slug=None, confidence=ReportSettings().confidence, headline=None)
    settings, run = results.settings, results.run
    evaluations = [path.parent for path in sorted(run.glob("eval/*/*/*/e*/responses.jsonl"))]
    slugs = dict.fromkeys(folder.parts[-4] for folder in evaluations if _weights(folder) == artefact.sha)
    slug = next(iter(slugs), None)
    frame = results.frame[results.frame["model"] == slug]
    return Scores(
        slug=slug, confidence=settings.confidence, headline=results.scorer, rows=tuple(_rows(frame, settings, run))
    )


def of_evaluation(artefact: Artefact, out: Path) -> Scores:
    """The scores of a checkpoint in a folder that `vr1repro evaluate --out` wrote.

    Raises:
        UserError: The folder has no responses of it, or none that were graded.
    """
    settings = ReportSettings()
    folders = [one for one in find_responses(str(out)) if one.folder and _weights(one.folder) == artefact.sha]
    if not folders:
        raise UserError(f"{out}: holds no responses of {artefact.path} (content hash {artefact.sha[:12]}); evaluate it")
    graded = sorted(path.stem for one in folders for path in (_folder(one) / "verdicts").glob("*.jsonl"))
    if not graded:
        raise UserError(f"{out}: nothing in it is graded; run `vr1repro evaluate` again")
    profile = settings.profile if settings.profile in graded else graded[0]
    grading = GradingOptions(benchmark=None, questions=None, profile=profile, protocol=settings.protocol)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        names = assemble_run(run, folders, grading)
        rows = tuple(_rows(collect(run, settings), settings, out))
    return Scores(slug=names[0], confidence=settings.confidence, headline=(settings.protocol, profile), rows=rows)


def is_run(folder: Path) -> bool:
    """Whether a folder is a run, kept or not, and not what `vr1repro evaluate` wrote."""
    return (folder / archive.CONFIG).is_file()


def _folder(one: ModelResponses) -> Path:
    assert one.folder is not None  # noqa: S101 - `find_responses` of such a folder gives folders alone
    return one.folder


def _weights(folder: Path) -> str | None:
    """Content hash of the weights that were asked, as `run.json` says."""
    path = folder / "run.json"
    content = json_object(path).get("content") if path.is_file() else None
    sha = content.get("model_sha") if isinstance(content, dict) else None
    return sha if isinstance(sha, str) else None


def _rows(frame: pd.DataFrame, settings: ReportSettings, beside: Path) -> Iterator[Score]:
    if frame.empty:
        return
    for row in score_table(frame, settings).to_dict("records"):
        if row["benchmark"] != AVERAGE and row["metric"] != "tokens":
            yield _score({str(key): value for key, value in row.items()}, beside)


def _score(row: Mapping[str, Any], beside: Path) -> Score:
    slug = row["benchmark"]
    places = [beside / kind / slug for kind in ("problems", "questions")]
    questions = next((place for place in places if place.is_dir()), places[0])
    return Score(
        benchmark=slug,
        questions=Artefact.read(questions, f"{questions.parent.name}/{slug}"),
        subset=row["subset"],
        protocol=row["protocol"],
        profile=row["profile"],
        metric=row["metric"],
        estimate=Estimate(**{field.name: row[field.name] for field in fields(Estimate)}),
        seeds=int(row["eval_seeds"]),
        unparsable=row["unparsable_%"],
        ungraded=row["ungraded_%"],
    )
