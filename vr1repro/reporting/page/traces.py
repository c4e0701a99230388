"""Data of the trace explorer: every saved response with its verdicts, cut into scripts that are loaded when needed.

    data/traces.js          the columns that filters and the list need, one entry a response
    data/questions-<b>.js   questions of benchmark number b
    data/responses-<c>.js   texts and extractions of chunk number c
    pictures/               the questions' pictures

Rows stand in sets, one for each evaluated folder; a set's questions are an order, and equal orders are written once.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vr1repro.core.records import Outcome, Response, Verdict
from vr1repro.reporting.page.embedding import write_script
from vr1repro.reporting.page.pictures import ShownQuestion, read_shown_questions
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.run.scores import EvalFolder, eval_folders, last_responses, last_verdicts
from vr1repro.reporting.run.words import bin_labels

# A chunk is closed at so many responses or characters: what opening one response loads.
CHUNK_ROWS, CHUNK_CHARACTERS = 1000, 400_000
CODES: Mapping[Outcome, str] = {outcome: outcome.value[0] for outcome in Outcome}
NONE = "-"  # not graded under this profile


def write_traces(results: Results, out: Path) -> int:
    """Write the explorer's data.

    Returns:
        The number of responses.

    Raises:
        UserError: A response's or verdict's file is bad, or a benchmark's questions are missing.
    """
    writer = _Writer(results, out)
    for folder in eval_folders(results.run):
        writer.add(folder)
    return writer.close()


class _Writer:
    """Holds the columns of all rows and the texts of one chunk."""

    def __init__(self, results: Results, out: Path) -> None:
        self._results, self._data, self._pictures = results, out / "data", out / "pictures"
        self._side = results.settings.picture_side
        self._questions: dict[str, dict[str, tuple[int, ShownQuestion | None]]] = {}
        self._orders: list[list[int]] = []
        self._sets: list[dict[str, Any]] = []
        self._tokens: list[int | None] = []
        self._cut: list[str] = []
        self._verdicts: dict[str, list[str]] = {}
        self._chunk: list[list[Any]] = []
        self._characters = 0
        self._starts: list[int] = []
        self._written = 0

    def add(self, folder: EvalFolder) -> None:
        """Add the responses of one evaluated folder."""
        questions = self._questions_of(folder.benchmark)
        responses = last_responses(folder.path / "responses.jsonl")
        files = sorted((folder.path / "verdicts").glob("*.jsonl"))
        verdicts = {file.stem: last_verdicts(file) for file in files}
        first = len(self._tokens)
        for profile in verdicts.keys() - self._verdicts.keys():
            self._verdicts[profile] = [NONE] * first
        order = []
        for key, response in responses.items():
            number, question = questions.setdefault(key, (len(questions), None))
            order.append(number)
            self._tokens.append(response.n_tokens)
            self._cut.append("1" if response.finish_reason == "length" else "0")
            by_profile = {profile: rows.get(key) for profile, rows in verdicts.items()}
            for profile, column in self._verdicts.items():
                verdict = by_profile.get(profile)
                column.append(NONE if verdict is None else CODES[verdict.verdict])
            self._add_text(response, by_profile, question)
        self._sets.append(self._set(folder, responses, order, first))

    def close(self) -> int:
        """Write the last chunk, the questions and the index."""
        self._flush()
        for number, questions in enumerate(self._questions.values()):
            rows = [_question(key, question) for key, (_, question) in questions.items()]
            write_script(self._data, f"questions-{number}", rows)
        results, settings = self._results, self._results.settings
        write_script(
            self._data,
            "traces",
            {
                "arms": [[name, results.label(name)] for name in self._arms()],
                "benchmarks": list(self._questions),
                "profiles": {name: "".join(column) for name, column in sorted(self._verdicts.items())},
                "headline": {"profile": settings.profile, "protocol": settings.protocol},
                "outcomes": {code: outcome.value for outcome, code in CODES.items()},
                "words": settings.words,
                "lengths": [settings.length_bins, bin_labels(settings.length_bins)],
                "sets": self._sets,
                "orders": self._orders,
                "tokens": self._tokens,
                "cut": "".join(self._cut),
                "chunks": self._starts,
            },
        )
        return len(self._tokens)

    def _arms(self) -> list[str]:
        answered = dict.fromkeys(row["arm"] for row in self._sets)
        configured = [name for name in self._results.arms if name in answered]
        return [*configured, *(name for name in answered if name not in configured)]

    def _questions_of(self, benchmark: str) -> dict[str, tuple[int, ShownQuestion | None]]:
        if benchmark not in self._questions:
            folder = self._results.run / "problems" / benchmark
            questions = read_shown_questions(folder, benchmark, self._pictures, self._side)
            self._questions[benchmark] = {question.id: (k, question) for k, question in enumerate(questions)}
        return self._questions[benchmark]

    def _set(
        self, folder: EvalFolder, responses: Mapping[str, Response], order: list[int], first: int
    ) -> dict[str, Any]:
        if order not in self._orders:
            self._orders.append(order)
        one = next(iter(responses.values()), None)
        return {
            "model": folder.model,
            "arm": folder.arm,
            "seed": folder.train_seed,
            "step": folder.step,
            "benchmark": list(self._questions).index(folder.benchmark),
            "protocol": folder.protocol,
            "evalSeed": folder.eval_seed,
            "order": self._orders.index(order),
            "from": first,
            "path": (folder.path / "responses.jsonl").relative_to(self._results.run).as_posix(),
            "weights": one.model_sha if one else None,
        }

    def _add_text(
        self, response: Response, verdicts: Mapping[str, Verdict | None], question: ShownQuestion | None
    ) -> None:
        if len(self._chunk) >= CHUNK_ROWS or self._characters >= CHUNK_CHARACTERS:
            self._flush()
        other = bool(question and question.sha and response.image_sha and question.sha != response.image_sha)
        reads = {name: _read(verdict) for name, verdict in verdicts.items() if verdict is not None}
        self._chunk.append([response.response, reads, response.attempt, int(other)])
        self._characters += len(response.response)

    def _flush(self) -> None:
        if self._chunk:
            write_script(self._data, f"responses-{len(self._starts)}", self._chunk)
            self._starts.append(self._written)
            self._written += len(self._chunk)
        self._chunk, self._characters = [], 0


def _read(verdict: Verdict) -> str | list[str | None] | None:
    """A profile's extraction, and its normal form where that is another text."""
    if verdict.prediction is None or verdict.prediction == verdict.extraction:
        return verdict.extraction
    return [verdict.extraction, verdict.prediction]


def _question(key: str, question: ShownQuestion | None) -> list[Any]:
    """Id, question, answer, choices, picture: a file name with its size, or why there is none."""
    if question is None:
        return [key, "", "", [], "not among the benchmark's questions"]
    picture = [question.file, question.width, question.height] if question.file else question.why
    return [key, question.question, question.answer, list(question.choices), picture]
