"""Grade files of responses, streaming: rows in, a verdict each out, scores at the end."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from vr1repro.answers.compare import MATCH_TYPES, MatchSettings
from vr1repro.answers.grade import Grader, Pair, Work, mapped
from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.questions import read_questions
from vr1repro.benchmarks.scoring import Options, Row, compared
from vr1repro.config.evaluation import Protocol
from vr1repro.core.code_hash import code_hash
from vr1repro.core.errors import UserError
from vr1repro.core.files import whole_file
from vr1repro.core.jsonl import read_lines
from vr1repro.core.records import Outcome, Response, Verdict, dump_line
from vr1repro.evaluation import counted
from vr1repro.evaluation.counted import select
from vr1repro.evaluation.saved import CARRIED, SavedRow, answered, own_rows
from vr1repro.evaluation.scores import ACCURACY, Score, Tally

_PAIR_MATCH_TYPES = {**{name: name for name in MATCH_TYPES}, "NativeLetters": "string"}


def grade_file(
    slug: str,
    profile_name: str,
    responses: Path | Iterable[SavedRow],
    questions: Path,
    out: Path,
    *,
    workers: int = 1,
    timeout_s: float = 5.0,
    memory_mb: int = 2048,
    legacy_int: bool = False,
    protocol: Protocol | None = None,
    beside: Sequence[Path] = (),
    grader: Grader | None = None,
) -> list[Score]:
    """Grade the responses of a file under one scoring profile.

    Args:
        slug: The benchmark.
        profile_name: The scoring profile.
        responses: JSONL: the question's id under one of its names, `response`, optional `extraction`. Or the rows of
            files of any format (`formats.read.ResponseFiles`).
        questions: The benchmark's questions, JSONL or Parquet, a file or a folder of files.
        out: JSONL of verdicts in the order of the responses; written aside and renamed when whole.
        workers: Grading processes.
        timeout_s: Wall-clock seconds for one comparison.
        memory_mb: Address space of a worker in MiB.
        legacy_int: MathVista: integers by `int(x)`.
        protocol: Which attempt at a question counts, and how it is read; None grades every row as it stands.
        beside: Files of further keys for those rows, see `counted.response_rows`.
        grader: Grading processes for several files; None: its own, of `workers`, `timeout_s` and `memory_mb`.

    Returns:
        The overall score first, then the benchmark's sub-scores.

    Raises:
        UserError: Unknown benchmark or profile, or an unreadable file.
        BadResponses: A row that has no grade; see `saved.answered`.
    """
    scorer, benchmark = lookup.profile(slug, profile_name), lookup.facts(slug)
    by_id = read_questions(benchmark, questions)
    options = Options(legacy_int=legacy_int)
    tally = Tally(benchmark)

    def items() -> Iterator[Verdict | Work[Verdict]]:
        for question, row in graded_rows(slug, responses, by_id, protocol, beside):
            carried = {name: row[name] for name in CARRIED if name in row}
            yield _with(scorer(question, row, options), carried)

    shared_or_new = Grader(workers, timeout_s, memory_mb) if grader is None else nullcontext(grader)
    with shared_or_new as pool, Aside(out) as write:
        for verdict in pool.stream(items()):
            write(verdict)
            tally.add(by_id[verdict.id], verdict)
    return tally.scores()


def graded_rows(
    slug: str,
    responses: Path | Iterable[SavedRow],
    questions: dict[str, Question],
    protocol: Protocol | None,
    beside: Sequence[Path] = (),
) -> Iterator[tuple[Question, Row]]:
    """The rows that are graded, each with its question: all, or the one a question that a protocol chooses.

    Raises:
        BadResponses: A row has no grade; see `saved.answered`.
    """
    if isinstance(responses, Path) and beside:
        merged = counted.response_rows(responses, protocol, beside)
        return answered(((responses, number, row) for number, row in merged), questions, lookup.facts(slug))
    rows = own_rows(responses) if isinstance(responses, Path) else responses
    answers = answered(rows, questions, lookup.facts(slug))
    if protocol is None:
        return answers
    return ((questions[row.id], row.model_dump()) for row in select(map(partial(_record, slug), answers), protocol))


def _record(slug: str, answer: tuple[Question, Row]) -> Response:
    """A row as a record; what other people's files lack is left empty."""
    question, row = answer
    lacking = {"run": "", "model": "", "eval_seed": 1, "protocol": "single", "benchmark": slug, "prompt_sha": ""}
    return Response.model_validate({**lacking, **row, "id": lookup.facts(slug).id_of(question)})


def scoring_code(slug: str) -> str:
    """Hash of the code that decides a benchmark's verdicts."""
    return code_hash(__name__, *lookup.scoring_modules(slug))


def equivalent_file(
    pairs: Path, out: Path, *, workers: int = 1, timeout_s: float = 5.0, memory_mb: int = 2048
) -> dict[Outcome, int]:
    """Compare bare pairs of gold and predicted answers.

    A row has `gold` and `pred`, and optionally `id`, `choices`, `precision`, `strict`, `allow_set_relation_comp` and
    `match_types`. With `match_types` Math-Verify alone decides, on the texts as they are; without, cheap checks on
    units, numbers and choices come first.

    Returns:
        How many pairs had each outcome.

    Raises:
        UserError: A row lacks a key or has a value that is not allowed; the message names file and line.
    """
    counts = dict.fromkeys(Outcome, 0)

    def items() -> Iterator[Verdict | Work[Verdict]]:
        for number, row in read_lines(pairs):
            pair = pair_of(row, f"{pairs}:{number}")
            yield compared(str(row.get("id", number)), pair, pair.pred)

    with Grader(workers, timeout_s, memory_mb) as grader, Aside(out) as write:
        for verdict in grader.stream(items()):
            write(verdict)
            counts[verdict.verdict] += 1
    return counts


def pair_of(row: Row, where: str) -> Pair:
    """The comparison that a row of `equivalent` asks for; see `equivalent_file`.

    Raises:
        UserError: A key is missing or has a value that is not allowed.
    """
    if not isinstance(row.get("gold"), str):
        raise UserError(f"{where}: `gold` must be a text; a pair needs `gold` and `pred`")
    pred = row.get("pred")
    if pred is not None and not isinstance(pred, str):
        raise UserError(f"{where}: `pred` must be a text or null, this is {type(pred).__name__}")
    kinds = row.get("match_types")
    kinds = list(MatchSettings.match_types) if kinds == "default" else kinds
    if isinstance(kinds, str):  # other graders' case files write the list as text: "['latex', 'expr']"
        kinds = re.findall(r"\w+", kinds)
    if kinds is not None and (not isinstance(kinds, list) or not set(kinds) <= set(_PAIR_MATCH_TYPES) or not kinds):
        raise UserError(f"{where}: `match_types` must be a list out of {', '.join(_PAIR_MATCH_TYPES)}")
    precision, strict = row.get("precision", 6), row.get("strict", True)
    if not isinstance(precision, int) or not isinstance(strict, bool):
        raise UserError(f"{where}: `precision` must be an integer and `strict` true or false")
    settings = MatchSettings(
        match_types=tuple(_PAIR_MATCH_TYPES[kind] for kind in kinds) if kinds else MatchSettings.match_types,
        precision=precision,
        strict=strict,
        allow_set_relation_comp=bool(row.get("allow_set_relation_comp", False)),
        matcher="math-verify" if kinds else "layered",
    )
    choices = row.get("choices")
    return Pair(row["gold"], pred, tuple(map(str, choices)) if choices else None, settings)


def _with(item: Verdict | Work[Verdict], extra: dict[str, Any]) -> Verdict | Work[Verdict]:
    """The verdict, decided or to come, with further keys."""
    return mapped(item, lambda verdict: verdict.model_copy(update=extra)) if extra else item


class Aside:
    """Write JSONL rows to a file aside; renamed on success, removed on an error. Never the whole in memory."""

    def __init__(self, path: Path) -> None:
        self._file = whole_file(path)

    def __enter__(self) -> Callable[[Verdict | Row], None]:
        self._stream = self._file.__enter__()
        return self._write

    def _write(self, row: Verdict | Row) -> None:
        self._stream.write((dump_line(row) + "\n").encode("ascii"))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)


def percent(score: Score) -> str:
    """Its value with two decimals, and what a sum is out of; a dash where no response has a verdict."""
    value = "-" if score.value is None else f"{score.value:.2f}"
    return value if score.maximum == 100 else f"{value} of {score.maximum:g}"


def summary(scores: Iterable[Score]) -> str:
    """The scores as lines of text: group, name, percent, counts."""
    lines = []
    for score in scores:
        kinds = ((score.n_unparsable, "unparsable"), (score.n_undecided, "without a verdict"))
        left_open = ", ".join(f"{count} {kind}" for count, kind in kinds if count)
        bounds = f", {left_open} ({score.low:.2f} to {score.high:.2f})" if left_open else ""
        note = f" [{score.note}]" if score.note else ""
        name = score.name if score.metric == ACCURACY else f"{score.name}, {score.metric}"
        lines.append(f"{score.group:14} {name:40} {percent(score):>6}  {score.n_right}/{score.n}{bounds}{note}")
    return "\n".join(lines)
