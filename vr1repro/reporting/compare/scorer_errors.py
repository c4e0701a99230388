"""Measure how far a scorer's verdicts are from another's, on responses that have both (`vr1repro scorer-errors`)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.base import Benchmark, Question
from vr1repro.benchmarks.questions import read_questions
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read, read_lines
from vr1repro.core.provenance import file_sha
from vr1repro.core.records import Outcome, Verdict
from vr1repro.reporting.run.questions import subset_name
from vr1repro.reporting.statistics.rounding import fixed
from vr1repro.reporting.statistics.scorer_error import Count, MeasuredFile, ScorerErrors

_DIGITS = 1


@dataclass(frozen=True)
class Pair:
    """Verdicts of two scorers on the same responses of one model.

    Attributes:
        family: Models that answer in one style.
        ours: What `vr1repro grade` wrote.
        theirs: JSONL with the questions' ids and the other scorer's verdict.
    """

    family: str
    ours: Path
    theirs: Path


def pairs_of(words: Iterable[str]) -> list[Pair]:
    """Pairs from a command line's `FAMILY=OURS,THEIRS`.

    Raises:
        UserError: One is not of this form.
    """
    pairs = []
    for word in words:
        family, _, files = word.partition("=")
        ours, _, theirs = files.partition(",")
        if not (family and ours and theirs):
            raise UserError(f"--pair {word}: write FAMILY=OURS.jsonl,THEIRS.jsonl")
        pairs.append(Pair(family, Path(ours), Path(theirs)))
    return pairs


def measure(
    benchmark: Benchmark,
    questions: Path,
    pairs: Iterable[Pair],
    *,
    profile: str,
    stands_for: str,
    key: str,
    group: str | None = None,
    llm: str | None = None,
) -> ScorerErrors:
    """Count every pair's verdicts.

    Args:
        questions: The benchmark's questions.
        group: A group of the benchmark's scores, whose names are the kinds of question; by default its first.
        key: Where the other scorer's rows have the verdict: true or false, or the name of an outcome.

    Raises:
        UserError: The profile or the group is unknown, or as for `measured_file`.
    """
    lookup.profile(benchmark.slug, profile)
    known = read_questions(benchmark, questions)
    groups = list(dict.fromkeys(name for row in known.values() for name, _ in benchmark.groups(row)))
    if group is not None and group not in groups:
        raise UserError(f"--kinds {group}: {benchmark.slug} has {', '.join(groups)}")
    kinds = group or groups[0]
    return ScorerErrors(
        benchmark=benchmark.slug,
        profile=profile,
        llm=llm,
        stands_for=stands_for,
        kinds=kinds,
        files=[measured_file(benchmark, known, kinds, pair, key) for pair in pairs],
    )


def measured_file(
    benchmark: Benchmark, questions: Mapping[str, Question], group: str, pair: Pair, key: str
) -> MeasuredFile:
    """Count a pair's verdicts by kind of question.

    Args:
        questions: By id.
        group: A group of the benchmark's scores; its names are the kinds of question.
        key: Where `theirs` has the other scorer's verdict: true or false, or the name of an outcome.

    Raises:
        UserError: The files are not on the same responses, or a row lacks its verdict.
    """
    ours = [(row.id, row.verdict.value) for row in read(pair.ours, Verdict)]
    theirs = [_other_verdict(row, key, benchmark, pair.theirs, number) for number, row in read_lines(pair.theirs)]
    if [name for name, _ in ours] != [name for name, _ in theirs]:
        raise UserError(f"{pair.ours}: is not on the rows of {pair.theirs}; grade that file's responses, in its order")
    counts: dict[str, dict[str, Count]] = defaultdict(dict)
    for (name, verdict), (_, right) in zip(ours, theirs, strict=True):
        if name not in questions:
            raise UserError(f"{pair.ours}: {benchmark.slug} has no question {name!r} among the {len(questions)} given")
        kind = subset_name(benchmark, group, dict(benchmark.groups(questions[name])).get(group, ""))
        n, before = counts[kind].get(verdict, (0, 0))
        counts[kind][verdict] = (n + 1, before + right)
    ordered = {kind: dict(sorted(verdicts.items())) for kind, verdicts in sorted(counts.items())}
    return MeasuredFile(name=pair.theirs.name, family=pair.family, sha256=file_sha(pair.theirs), counts=ordered)


def _other_verdict(
    row: Mapping[str, object], key: str, benchmark: Benchmark, file: Path, number: int
) -> tuple[str, bool]:
    name = next((row[known] for known in ("id", *benchmark.id_keys) if known in row), None)
    right = row.get(key)
    if isinstance(right, str) and right in set(Outcome):
        right = right == Outcome.RIGHT
    if name is None or not isinstance(right, bool):
        raise UserError(f"{file}:{number}: needs the question's id, and the other scorer's verdict in `{key}`")
    return str(name), right


def misses_and_slips(files: Iterable[MeasuredFile], confidence: float) -> str:
    """Each family's errors: what the other scorer calls right and ours does not, and the reverse, in percent."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for file in files:
        for verdicts in file.counts.values():
            for verdict, (n, right) in verdicts.items():
                missed = right if verdict != Outcome.RIGHT else 0
                slipped = n - right if verdict == Outcome.RIGHT else 0
                for k, number in enumerate((missed, right, slipped, n - right)):
                    counts[file.family][k] += number
    lines = [f"{'family':24} right there, not here         wrong there, right here"]
    for family, (missed, right, slipped, wrong) in sorted(counts.items()):
        cells = (_share(missed, right, confidence), _share(slipped, wrong, confidence))
        lines.append(f"{family:24} {cells[0]:30}{cells[1]}")
    return "\n".join(lines)


def _share(k: int, n: int, confidence: float) -> str:
    if not n:
        return "none"
    from scipy.stats import binomtest

    span = binomtest(k, n).proportion_ci(confidence, method="wilson")
    low, high = (fixed(100 * end, _DIGITS) for end in (span.low, span.high))
    return f"{fixed(100 * k / n, _DIGITS)} [{low}, {high}] of {n}"
