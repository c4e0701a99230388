"""Collect saved verdicts into one tidy table, and estimate every score from it.

Layout read: `<run>/eval/<model>/<benchmark>/<protocol>/e<seed>/{responses.jsonl, verdicts/<profile>.jsonl}`, with
questions in `<run>/problems/<benchmark>/`. Nothing here knows which arms exist: what was run is what is found.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import pandas as pd

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.base import EXCLUDED
from vr1repro.config.plan import SLUG
from vr1repro.config.reporting import ReportSettings
from vr1repro.core.attempts import last_attempts
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read
from vr1repro.core.records import Outcome, Response, Verdict
from vr1repro.reporting.run.questions import read_questions
from vr1repro.reporting.run.units import maximum, scored
from vr1repro.reporting.statistics.estimate import Estimate, Weights, clustered_mean, pair_codes, row_weights
from vr1repro.reporting.statistics.paired import PairedDifference, paired_difference

COLUMNS = [
    *("model", "arm", "train_seed", "stage", "step", "final", "benchmark", "protocol", "profile", "eval_seed"),
    *("id", "cluster", "stratum", "units", "subsets", "klass", "verdict", "correct", "n_tokens", "finish_reason"),
]


@dataclass(frozen=True, kw_only=True)
class EvalFolder:
    """One model's answers to one benchmark under one protocol and seed."""

    path: Path
    model: str
    arm: str
    train_seed: int
    stage: int | None
    step: int | None
    benchmark: str
    protocol: str
    eval_seed: int


def eval_folders(run: Path) -> Iterator[EvalFolder]:
    """The evaluated folders of a run, in a fixed order. A model folder with another kind of name is its own arm."""
    for responses in sorted((run / "eval").glob("*/*/*/e*/responses.jsonl")):
        folder = responses.parent
        model, benchmark, protocol, seed = folder.relative_to(run / "eval").parts
        if not re.fullmatch(r"e\d+", seed):
            continue
        slug = re.fullmatch(SLUG, model)
        arm, train_seed = (slug["arm"], int(slug["seed"])) if slug else (model, 0)
        stage, step = (int(slug["stage"]), int(slug["step"])) if slug and slug["stage"] else (None, None)
        yield EvalFolder(
            path=folder, model=model, arm=arm, train_seed=train_seed, stage=stage, step=step, benchmark=benchmark,
            protocol=protocol, eval_seed=int(seed[1:]),
        )  # fmt: skip


def last_responses(path: Path) -> dict[str, Response]:
    """The response that counts of each question, by id (`core.attempts`).

    Raises:
        UserError: The file is missing or a row is bad.
    """
    return last_attempts(read(path, Response))


def last_verdicts(path: Path) -> dict[str, Verdict]:
    """The verdict that counts of each question, by id (`core.attempts`).

    Raises:
        UserError: The file is missing or a row is bad.
    """
    return last_attempts(read(path, Verdict))


def collect(run: Path, settings: ReportSettings) -> pd.DataFrame:
    """The tidy table: one row for each graded response, under every scoring profile that was run.

    Args:
        run: `results/<run>`.
        settings: Names the class column of each benchmark.

    Returns:
        Columns `COLUMNS`; `correct` is True, False or None; `final` says whether it is an arm's end. Empty where
        nothing was evaluated.

    Raises:
        UserError: A verdict has no response, or a question is not in the benchmark's problems.
    """
    questions: dict[str, pd.DataFrame] = {}
    parts: list[pd.DataFrame] = []
    for folder in eval_folders(run):
        if folder.benchmark not in questions:
            source = run / "problems" / folder.benchmark
            column = settings.classes.get(folder.benchmark) or lookup.facts(folder.benchmark).classes
            questions[folder.benchmark] = read_questions(source, folder.benchmark, column).set_index("id")
        responses = last_responses(folder.path / "responses.jsonl")
        for verdicts in sorted((folder.path / "verdicts").glob("*.jsonl")):
            parts.append(_join(folder, verdicts, responses, questions[folder.benchmark]))
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def _join(folder: EvalFolder, path: Path, responses: Mapping[str, Response], questions: pd.DataFrame) -> pd.DataFrame:
    verdicts = last_verdicts(path)
    if missing := sorted(verdicts.keys() - responses.keys()):
        raise UserError(f"{path}: the verdict on {missing[0]!r} has no response beside it; grade again")
    if unknown := sorted(verdicts.keys() - set(questions.index)):
        raise UserError(f"{path}: {unknown[0]!r} is no question of {folder.benchmark}; were its problems remade?")
    rows = [
        {
            "id": key,
            "verdict": verdict.verdict.value,
            "correct": verdict.correct,
            "n_tokens": responses[key].n_tokens,
            "finish_reason": responses[key].finish_reason,
        }
        for key, verdict in verdicts.items()
    ]
    frame = pd.DataFrame(rows, columns=["id", "verdict", "correct", "n_tokens", "finish_reason"])
    frame = frame.astype({"correct": object, "n_tokens": "float64"}).join(
        questions.drop(columns=["question", "answer"]), on="id"
    )
    constants = {name: getattr(folder, name) for name in ("model", "arm", "train_seed", "benchmark", "protocol")}
    return frame.assign(
        **constants,
        # Integers that may be absent: pandas' own nullable kind, so that they do not turn into floats.
        stage=pd.array([folder.stage] * len(frame), dtype="Int64"),
        step=pd.array([folder.step] * len(frame), dtype="Int64"),
        final=folder.step is None,
        eval_seed=folder.eval_seed,
        profile=path.stem,
    )


def headline(frame: pd.DataFrame, settings: ReportSettings) -> pd.DataFrame:
    """The rows of the headline protocol and profile."""
    return frame[(frame["protocol"] == settings.protocol) & (frame["profile"] == settings.profile)]


def accuracy(frame: pd.DataFrame, settings: ReportSettings, weights: Weights | None = None) -> Estimate:
    """Percent right of the responses with a verdict, or a benchmark's own sum, clustered by problem or picture.

    Questions that the overall score leaves out do not count, nor do timeouts and judge errors; an answer that could not
    be read is wrong. `open_shares` says how far both could move the score.

    Args:
        frame: Rows of one model and one benchmark (or of several with `weights` by (benchmark, stratum)).
        settings: Confidence.
        weights: Weights of (benchmark, stratum) pairs; equal within a benchmark where left out.

    Returns:
        NaN between the bounds where no response has a verdict.
    """
    n = int((frame["stratum"].to_numpy() != EXCLUDED)[frame["correct"].notna().to_numpy()].sum())
    frame = scored(frame)
    # Columns as arrays: a report has thousands of scores, and filtering the frame would be most of their time.
    counted = frame["stratum"].to_numpy() != EXCLUDED
    keep = counted & frame["correct"].notna().to_numpy()
    if counted.any() and not keep.any():
        method = "bounds: nothing has a verdict"
        of = _out_of(frame.loc[counted])
        return Estimate(value=math.nan, n=0, clusters=0, stderr=math.nan, low=0.0, high=of, method=method)
    benchmark, stratum, cluster = (frame[name].to_numpy()[keep] for name in ("benchmark", "stratum", "cluster"))
    right = frame["correct"].to_numpy()[keep].astype("float64")
    strata, of_code = pair_codes(benchmark, stratum), None
    if weights is not None:
        names = zip(benchmark, stratum, strict=True)
        of_code = {code: weights[name] for code, name in zip(strata.tolist(), names, strict=True)}
    estimate = clustered_mean(
        right,
        pair_codes(benchmark, cluster),
        confidence=settings.confidence,
        strata=strata,
        weights=of_code,
        proportion=True,
    )
    return replace(estimate.scaled(_out_of(frame.loc[keep])), n=n)


def _out_of(rows: pd.DataFrame) -> float:
    """What the score on scored rows is out of; 100 for the mean of several benchmarks."""
    slugs = rows["benchmark"].unique()
    return maximum(slugs[0], rows) if len(slugs) == 1 else 100.0


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenShares:
    """What a scorer left open of a score.

    Attributes:
        unparsable: Percent of responses without an answer that could be read; wrong in the score.
        ungraded: Percent of responses without a verdict: timeouts and judge errors; not in the score.
        low: The score if all of these were wrong.
        high: The score if all of them were right.
    """

    unparsable: float
    ungraded: float
    low: float
    high: float


def open_shares(frame: pd.DataFrame, weights: Weights | None = None) -> OpenShares:
    """The shares of a score that its scorer left open, weighted as the score is; arguments as for `accuracy`."""
    rows = scored(frame.loc[frame["stratum"].to_numpy() != EXCLUDED])
    names = list(zip(rows["benchmark"].to_numpy(), rows["stratum"].to_numpy(), strict=True))
    share = 100 * row_weights(names, len(rows), weights)[0]
    missing, verdict = rows["correct"].isna().to_numpy(), rows["verdict"].to_numpy()
    right, unparsable, ungraded = (
        math.fsum(share[part].tolist())
        for part in (rows["correct"].to_numpy() == True, verdict == Outcome.UNPARSABLE.value, missing)  # noqa: E712
    )
    low, high = (part * _out_of(rows) / 100 for part in (right, right + unparsable + ungraded))
    return OpenShares(unparsable=unparsable, ungraded=ungraded, low=low, high=high)


def graded(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with a verdict."""
    return frame.loc[frame["correct"].notna()]


def average_weights(frame: pd.DataFrame) -> dict[tuple[str, str], Fraction]:
    """Weights that give each benchmark the same share, and within it each stratum."""
    frame = scored(frame)
    rows = zip(frame["benchmark"].to_numpy(), frame["stratum"].to_numpy(), strict=True)
    pairs = [pair for pair in dict.fromkeys(rows) if pair[1] != EXCLUDED]
    strata = Counter(benchmark for benchmark, _ in pairs)
    return {(b, s): Fraction(1, len(strata) * strata[b]) for b, s in pairs}


def tokens(frame: pd.DataFrame, settings: ReportSettings) -> Estimate | None:
    """Mean completion tokens, clustered; None where no response carries a count."""
    counts = frame["n_tokens"].to_numpy()
    keep = ~pd.isna(counts)
    if not keep.any():
        return None
    clusters = pair_codes(frame["benchmark"].to_numpy()[keep], frame["cluster"].to_numpy()[keep])
    return clustered_mean(counts[keep], clusters, confidence=settings.confidence)


def pick(frame: pd.DataFrame, subset: str) -> pd.DataFrame:
    """Rows of a sub-score; `overall` is all of them."""
    # Without `loc` the empty list of an empty frame would pick no columns.
    return frame if subset == "overall" else frame.loc[[subset in names for names in frame["subsets"]]]


def difference_bounds(
    after: pd.DataFrame, before: pd.DataFrame, settings: ReportSettings
) -> tuple[float, float] | None:
    """Where a difference of two models' scores may lie, in points, if the scorer could read them unequally well.

    Returns:
        None where the shares that could not be read differ by at most `settings.unparsable_gap`.
    """
    ours, theirs = (open_shares(side, average_weights(side)) for side in (after, before))
    if abs(ours.unparsable - theirs.unparsable) <= 100 * settings.unparsable_gap:
        return None
    return ours.low - theirs.high, ours.high - theirs.low


def gain(after: pd.DataFrame, before: pd.DataFrame, settings: ReportSettings) -> PairedDifference:
    """Mean score over benchmarks of one model minus another's, in points, paired by question.

    Args:
        after: Rows of the one model, on one or more benchmarks.
        before: Rows of the other.
        settings: Confidence, draws and their seed.

    Raises:
        UserError: They share no question.
    """
    return gain_of_means(question_means(after), question_means(before), settings)


def gain_of_means(after: pd.DataFrame, before: pd.DataFrame, settings: ReportSettings) -> PairedDifference:
    """The same from tables of `question_means`."""
    shared = after.loc[sorted(set(after.index) & set(before.index))]  # all but `right` is the question's own
    difference = paired_difference(
        dict(zip(after.index, after["right"], strict=True)),
        dict(zip(before.index, before["right"], strict=True)),
        dict(zip(shared.index, shared["group"], strict=True)),
        strata=dict(zip(shared.index, zip(shared["benchmark"], shared["stratum"], strict=True), strict=True)),
        weights=average_weights(shared),
        confidence=settings.confidence,
        draws=settings.bootstrap_draws,
        seed=settings.seed,
    )
    return replace(difference, estimate=difference.estimate.scaled(_out_of(shared)))


def question_means(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean correctness over seeds by question: right, group (its cluster), benchmark and stratum."""
    rows = graded(scored(frame[frame["stratum"] != EXCLUDED]))
    keyed = rows.assign(
        key=rows["benchmark"] + "/" + rows["id"],
        group=rows["benchmark"] + "/" + rows["cluster"],
        right=rows["correct"].astype("float64"),
    )
    grouped = keyed.groupby("key")
    return grouped.agg(
        right=("right", "mean"),
        group=("group", "first"),
        benchmark=("benchmark", "first"),
        stratum=("stratum", "first"),
    )
