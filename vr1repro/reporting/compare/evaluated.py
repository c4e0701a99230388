"""What `vr1repro evaluate` ends with: each score's mean over seeds with its interval, and what to do next."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from vr1repro.benchmarks import lookup
from vr1repro.config.reporting import ReportSettings
from vr1repro.evaluation.standalone import Evaluated
from vr1repro.reporting.run.questions import read_questions
from vr1repro.reporting.run.scores import accuracy, last_verdicts, pick
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
    lines = [f"mean over seeds, {percent(settings.confidence)} interval clustered by problem or picture, percent:"]
    for (slug, protocol), paths in files.items():
        frame = _frame(evaluated, slug, paths)
        facts = lookup.facts(slug)
        count = f"{frame['id'].nunique()} of {facts.n_questions} questions, {len(paths)} seed(s)"
        lines.append(f"{slug}, protocol {protocol}, profile {evaluated.profile}: {count}")
        lines += [f"  {line}" for line in _scores(frame, settings)]
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


def _scores(frame: pd.DataFrame, settings: ReportSettings) -> Iterator[str]:
    for subset in ("overall", *dict.fromkeys(name for names in frame["subsets"] for name in names)):
        rows = pick(frame, subset)
        score = accuracy(rows, settings)
        few = f"{number(score.value)} [too few]" if score.n else "no verdict"
        text = few if score.clusters < _LEAST_CLUSTERS else estimate(score)
        yield f"{subset:44} {text:22} n = {rows['id'].nunique()}"
