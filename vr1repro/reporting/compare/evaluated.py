"""What `vr1repro evaluate` ends with: each score's mean over seeds with its interval, and what to do next.

Scores are in the benchmark's own unit: percent, MME's a sum of acc and acc+ of 2800. Of a score that is put together
from parts each part has a line, and so has the worst case where a benchmark has one.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.base import EXCLUDED
from vr1repro.config.reporting import ReportSettings
from vr1repro.evaluation.scores import WORST_CASE
from vr1repro.evaluation.standalone import Evaluated
from vr1repro.reporting.run.file_scores import with_unit
from vr1repro.reporting.run.questions import read_questions
from vr1repro.reporting.run.scores import accuracy, last_verdicts, pick
from vr1repro.reporting.run.units import maximum, scored
from vr1repro.reporting.statistics.rounding import percent
from vr1repro.reporting.tables.render import estimate, number

# An interval on so few independent questions says nothing that a reader can use.
_LEAST_CLUSTERS = 10


def means(evaluated: Evaluated) -> str:
    """A table as text: benchmark, protocol and sub-score, mean over seeds with its interval, questions and seeds."""
    files: dict[tuple[str, str], dict[int, Path]] = {}
    for (slug, seed), protocols in evaluated.verdicts.items():
        for protocol, path in protocols.items():
            files.setdefault((slug, protocol), {})[seed] = path
    settings = ReportSettings()
    lines = [f"mean over seeds, {percent(settings.confidence)} interval clustered by problem or picture:"]
    for (slug, protocol), paths in files.items():
        frame = _frame(evaluated, slug, paths)
        facts = lookup.facts(slug)
        count = f"{frame['id'].nunique()} of {facts.n_questions} questions, {len(paths)} seed(s)"
        lines.append(f"{slug}, protocol {protocol}, profile {evaluated.profile}: {count}, {_unit(slug, frame)}")
        lines += [f"  {line}" for line in _scores(slug, frame, settings)]
    return "\n".join(lines)


def next_command(evaluated: Evaluated) -> str:
    """The command that says how the model stands beside the paper's."""
    profile = "" if evaluated.profile == ReportSettings().profile else f" --profile {evaluated.profile}"
    out = evaluated.out
    beside = out.with_name(f"{out.name}-compared")
    return (
        f"vr1repro compare --responses {shlex.quote(str(out))} --against published:Vision-R1-7B{profile}"
        f" --out {shlex.quote(str(beside))}"
    )


def _frame(evaluated: Evaluated, slug: str, paths: dict[int, Path]) -> pd.DataFrame:
    questions = read_questions(evaluated.questions(slug), slug).set_index("id")
    parts = []
    for seed, path in paths.items():
        verdicts = last_verdicts(path)
        rows = questions.loc[list(verdicts)].reset_index()
        correct = pd.Series([verdict.correct for verdict in verdicts.values()], dtype=object)
        parts.append(rows.assign(correct=correct, benchmark=slug, eval_seed=seed))
    return pd.concat(parts, ignore_index=True)


def _unit(slug: str, frame: pd.DataFrame) -> str:
    """What the scores are in, and what the overall score is put together from."""
    facts = lookup.facts(slug)
    names = ", ".join(part.name for part in facts.parts)
    if facts.summed:
        return f"points of {number(maximum(slug, scored(frame)))}, the sum of {names}"
    return f"percent, the mean of {names}" if names else "percent"


def _scores(slug: str, frame: pd.DataFrame, settings: ReportSettings) -> Iterator[str]:
    summed = lookup.facts(slug).summed
    for name, rows in (("overall", frame), *_parts(slug, frame)):
        label = name if rows is frame else f"overall, {name}"
        yield _line(label, frame, rows, settings, maximum(slug, scored(rows)) if summed and rows is frame else None)
    for subset in dict.fromkeys(name for names in frame["subsets"] for name in names):
        rows = pick(frame, subset)
        if (rows["stratum"] == EXCLUDED).all():  # MathVerse's Text Only: a row of its own, in no overall score
            rows = rows.assign(stratum="all")
        yield _line(subset, rows, rows, settings, maximum(slug, scored(rows)) if summed else None)


def _parts(slug: str, frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each part of the overall score, and those of the worst case."""
    facts = lookup.facts(slug)
    for place, part in enumerate(facts.parts):
        yield part.name, scored(with_unit(frame, [units[place] for units in frame["units"]])).assign(stratum="all")
    if facts.worst_case:
        yield WORST_CASE, scored(with_unit(frame, list(frame["cluster"]))).assign(stratum="all")


def _line(name: str, questions: pd.DataFrame, rows: pd.DataFrame, settings: ReportSettings, of: float | None) -> str:
    score = accuracy(rows, settings)
    few = f"{number(score.value)} [too few]" if score.n else "no verdict"
    text = few if score.clusters < _LEAST_CLUSTERS else estimate(score)
    unit = "" if of is None else f" of {number(of)}"
    return f"{name:44} {text + unit:30} n = {questions['id'].nunique()}"
