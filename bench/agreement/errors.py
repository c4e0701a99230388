"""`python -m bench.agreement errors`: `rule`'s errors as a stand-in for MathVista's official scorer.

The public outputs carry the extraction that the authors' LLM made and the official verdict on it. Counted are our
verdicts against those, by kind of question; the table goes into `vr1repro/benchmarks/mathvista/scorer_errors.json`.
"""

from collections.abc import Iterator
from pathlib import Path

from bench.agreement.measure import GUESSES
from vr1repro.benchmarks.mathvista import BENCHMARK
from vr1repro.benchmarks.questions import read_questions
from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.evaluation.grading import grade_file
from vr1repro.reporting.compare.scorer_errors import Pair, measured_file
from vr1repro.reporting.statistics.scorer_error import MeasuredFile, ScorerErrors, corrected

PROFILE, KINDS = "rule", "question_type"


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
    questions = data / "mathvista" / "testmini.jsonl"
    known = read_questions(BENCHMARK, questions)
    for path in outputs:
        verdicts = aside / path.name
        grade_file(BENCHMARK.slug, PROFILE, path, questions, verdicts, workers=workers)
        pair = Pair(family_of(path.stem), verdicts, path)
        yield measured_file(BENCHMARK, known, KINDS, pair, "current_true_false")


def family_of(name: str) -> str:
    """The maker's name that a file begins with; answers drawn or counted are one family."""
    return "guess" if name in GUESSES else name.partition("_")[0]


def write(files: list[MeasuredFile], out: Path) -> None:
    """Write the table."""
    table = ScorerErrors(benchmark=BENCHMARK.slug, profile=PROFILE, stands_for="official", kinds=KINDS, files=files)
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
