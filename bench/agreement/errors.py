"""`python -m bench.agreement errors`: `rule`'s errors as a stand-in for MathVista's official scorer.

The public outputs carry the extraction that the authors' LLM made and the official verdict on it. Counted are our
verdicts against those, by kind of question; the table goes into `vr1repro/benchmarks/mathvista/scorer_errors.json`.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from bench.agreement.measure import GUESSES
from vr1repro.benchmarks.mathvista import BENCHMARK
from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.core.jsonl import read, read_lines
from vr1repro.core.provenance import file_sha
from vr1repro.core.records import Verdict
from vr1repro.evaluation.grading import grade_file
from vr1repro.reporting.run.questions import subset_name
from vr1repro.reporting.statistics.scorer_error import Count, MeasuredFile, ScorerErrors, corrected

PROFILE, KINDS = "rule", "question-type"


def measured_files(data: Path, aside: Path, workers: int) -> Iterator[MeasuredFile]:
    """Every MathVista output of a data folder under `rule` and the official scorer.

    Args:
        data: As for `measure`.
        aside: Folder for verdicts.

    Raises:
        UserError: There is no output, or a row lacks the official verdict.
    """
    outputs = sorted((data / "mathvista" / "outputs").glob("*.jsonl"))
    if not outputs:
        raise UserError(f"{data / 'mathvista' / 'outputs'}: no *.jsonl here")
    for path in outputs:
        verdicts = aside / path.name
        grade_file(BENCHMARK.slug, PROFILE, path, data / "mathvista" / "testmini.jsonl", verdicts, workers=workers)
        ours = {row.id: row.verdict.value for row in read(verdicts, Verdict)}
        counts: dict[str, dict[str, Count]] = defaultdict(dict)
        for number, row in read_lines(path):
            if not isinstance(official := row.get("current_true_false"), bool):
                raise UserError(f"{path}:{number}: no official verdict (`current_true_false`)")
            kind, verdict = subset_name(BENCHMARK, "question_type", row["question_type"]), ours[row["pid"]]
            n, right = counts[kind].get(verdict, (0, 0))
            counts[kind][verdict] = (n + 1, right + official)
        yield MeasuredFile(name=path.name, family=family_of(path.stem), sha256=file_sha(path), counts=_sorted(counts))


def family_of(name: str) -> str:
    """The maker's name that a file begins with; answers drawn or counted are one family."""
    return "guess" if name in GUESSES else name.partition("_")[0]


def _sorted(counts: dict[str, dict[str, Count]]) -> dict[str, dict[str, Count]]:
    return {kind: dict(sorted(verdicts.items())) for kind, verdicts in sorted(counts.items())}


def write(files: list[MeasuredFile], out: Path) -> None:
    """Write the table."""
    table = ScorerErrors(profile=PROFILE, stands_for="official", kinds=KINDS, files=files)
    write_atomically(out, table.model_dump_json(indent=1) + "\n")


def check(files: list[MeasuredFile], confidence: float) -> str:
    """Each file's official score beside our bounds and the interval that was measured without its family."""
    lines = ["file                                official   bounds          measured without its family"]
    inside, held, widths = 0, 0, []
    for file in files:
        counts = {kind: {verdict: n for verdict, (n, _) in row.items()} for kind, row in file.counts.items()}
        given = {outcome: sum(row.get(outcome, 0) for row in counts.values()) for outcome in ("right", "unparsable")}
        low, high = (100 * n / file.n for n in (given["right"], given["right"] + given["unparsable"]))
        others = corrected(counts, [one for one in files if one.family != file.family], confidence)
        if others is None:
            raise UserError("too few families of models among the files")
        inside += low <= file.score <= high
        held += others.low <= file.score <= others.high
        widths.append(others.high - others.low)
        lines.append(
            f"{file.name:36}{file.score:7.1f}   {low:5.1f} to {high:5.1f}   {others.value:5.1f}"
            f" [{others.low:.1f}, {others.high:.1f}]"
        )
    median = sorted(widths)[len(widths) // 2]
    lines.append(
        f"inside the bounds: {inside} of {len(files)}; measured intervals hold {held}, median width {median:.1f}"
    )
    return "\n".join(lines)
