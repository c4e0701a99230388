"""Files of saved responses, whatever tool wrote them, as rows that are graded: `id`, `response`, `eval_seed` and more.

A file's format is told by its content. A question is told by its id or, where a tool numbers the benchmark's rows, by
that number (`identify`). Nothing is guessed of a response: its column is one of the format's (`table`), or one that the
user names.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.base import Benchmark, Question, identity
from vr1repro.benchmarks.questions import named_rows, read_questions
from vr1repro.core.errors import BadResponses, UserError
from vr1repro.evaluation.formats import harness
from vr1repro.evaluation.formats.containers import Row, container_of, rows_of
from vr1repro.evaluation.formats.identify import Numbering, numbering
from vr1repro.evaluation.formats.table import FORMATS, KEY, Format, named, parse_columns
from vr1repro.evaluation.saved import CARRIED, SavedRow

# What a scorer or the report reads beside id and response; other columns mean what they do in their tool.
_KEPT = (*CARRIED, "extraction", "judgement", "judged_as", "n_tokens", "finish_reason", "gpt4v_output_gpt_check")
_CELL_LIMIT = 32767  # the most characters that a cell of a sheet holds


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How one file is read.

    Attributes:
        path: The file.
        container: Its kind.
        format: Its format.
        ids: Columns of which the first that a row has is the question's id.
        numbering: What a number in `ids` means; None where they are ids.
        response: Column of the response.
    """

    path: Path
    container: str
    format: Format
    ids: tuple[str, ...]
    numbering: Numbering | None
    response: str

    def __str__(self) -> str:
        """One line for a reader."""
        column = "the key" if self.ids[0] == KEY else f"`{self.ids[0]}`"
        meaning = f" ({self.numbering})" if self.numbering is not None else ""
        kind = "" if self.format.name == self.container else f" ({self.container})"
        return f"{self.path}: read as {self.format.name}{kind}: id {column}{meaning}, response `{self.response}`"


@dataclass(kw_only=True)
class ResponseFiles:
    """The responses of one model; several files are several seeds, and so are several seeds in one file.

    Iterating reads the files from their beginning, as often as it is done.

    Attributes:
        paths: The files.
        benchmark: What they answer.
        questions: Its questions by id, in their order.
        format: The format that a user insists on; None tells it by the content.
        columns: Columns that a user names, by role (`table.ROLES`).
    """

    paths: Sequence[Path]
    benchmark: Benchmark
    questions: Mapping[str, Question]
    format: Format | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    _readings: dict[Path, Reading] = field(default_factory=dict, init=False, repr=False)
    _cut: dict[Path, int] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._order = list(self.questions)

    def __iter__(self) -> Iterator[SavedRow]:
        """Every response with its file and line.

        A row whose response is missing or no text is given without one or as it is: `saved.answered` refuses it.

        Raises:
            BadResponses: A file is not of its format, or a row has no id.
            UserError: The format that a user insists on is not read from such a file.
        """
        highest = 0
        for path in self.paths:
            reading, before = self.reading(path), highest
            self._cut[path] = 0
            for line, row in self._flat(path, reading.container, reading.format):
                for place, kept in enumerate(self._responses(reading, line, row), 1):
                    if "eval_seed" not in kept and (len(self.paths) > 1 or len(row.get(harness.SAMPLES, ())) > 1):
                        kept["eval_seed"] = before + place
                    highest = max(highest, kept.get("eval_seed", 0))
                    yield path, line, kept

    def reading(self, path: Path) -> Reading:
        """How a file is read; looked at once."""
        if path not in self._readings:
            self._readings[path] = self._look_at(path)
        return self._readings[path]

    def notes(self) -> list[str]:
        """How each file was read, and what a reader of its score must know; complete when the rows were read."""
        notes = [str(self.reading(path)) for path in self.paths]
        return notes + [
            f"WARNING {path}: {count} responses have {_CELL_LIMIT} characters, the most that a cell holds; they were"
            " cut when the sheet was written"
            for path, count in self._cut.items()
            if count
        ]

    def _look_at(self, path: Path) -> Reading:
        container = container_of(path)
        _, first = next(rows_of(path, container), (0, None))
        if first is None:
            raise BadResponses(f"{path}: holds no response")
        form = self.format or told(container, first)
        if container not in form.containers:
            raise UserError(f"{path}: --format {form.name} is read from {', '.join(form.containers)}, not {container}")
        line, row = next(self._flat(path, container, form))
        ids = self._id_columns(path, line, form, row)
        numbers = None
        if ids[0] in form.numbers:
            numbers = numbering(path, self._flat(path, container, form), ids[0], self.questions)
        response = self._response_column(path, line, form, row)
        return Reading(path=path, container=container, format=form, ids=ids, numbering=numbers, response=response)

    def _flat(self, path: Path, container: str, form: Format) -> Iterator[tuple[int, Row]]:
        rows = rows_of(path, container)
        rows = harness.unpacked(path, rows, self.columns.get("response")) if form.samples else rows
        return named_rows(self.benchmark, dict(self.questions), rows)

    def _id_columns(self, path: Path, line: int, form: Format, row: Row) -> tuple[str, ...]:
        """The benchmark's own columns and the format's; a column of numbers only where the first row has none."""
        if "id" in self.columns:
            return (self.columns["id"],)
        keys = [name for name in self.benchmark.id_keys if name not in form.numbers]
        names = dict.fromkeys((*(name for name in form.ids if name == KEY), *keys, *form.ids))
        numbers = [name for name in form.numbers if row.get(name) is not None]
        key = identity(row, names)
        # Where an id names several questions, a number that names one is better.
        if key is not None and not (numbers and self.benchmark.numbered and key not in self.questions):
            return tuple(sorted(names, key=lambda name: row.get(name) is None))
        if numbers:
            return (numbers[0],)
        searched = ", ".join(name for name in (*names, *form.numbers) if name != KEY)
        raise BadResponses(
            f"{path}:{line}: the row has no id under {searched}; it has {_columns(row)}; name it: --column id=NAME"
        )

    def _response_column(self, path: Path, line: int, form: Format, row: Row) -> str:
        names = (self.columns["response"],) if "response" in self.columns else form.response
        if form.samples:
            return names[0]
        for name in names:
            if name in row:
                return name
        raise BadResponses(
            f"{path}:{line}: the row has no response under {', '.join(names)}; it has {_columns(row)};"
            " name the column that holds the model's text: --column response=NAME"
        )

    def _responses(self, reading: Reading, line: int, row: Row) -> Iterator[Row]:
        """The responses of a row: one, or as many as a harness sampled."""
        place = f"{reading.path}:{line}"
        key = identity(row, reading.ids)
        if not key:
            raise BadResponses(f"{place}: the row has no id under {', '.join(reading.ids)}")
        names = ("n_tokens",) if reading.format.samples else _KEPT
        kept = {name: row[name] for name in names if name in row}
        for role in {"extraction", "eval_seed"} & self.columns.keys():
            if self.columns[role] not in row:
                raise BadResponses(f"{place}: the row has no column {self.columns[role]!r}; it has {_columns(row)}")
            kept[role] = row[self.columns[role]]
        if "eval_seed" in kept:
            kept["eval_seed"] = _seed(place, kept["eval_seed"])
        kept["id"] = key if reading.numbering is None else reading.numbering.id_of(key, self._order)
        if reading.format.samples:
            yield from ({**kept, "response": text} for text in row[harness.SAMPLES])
        elif reading.response in row:
            text = row[reading.response]
            self._cut[reading.path] += reading.container == "xlsx" and len(str(text)) >= _CELL_LIMIT
            yield {**kept, "response": text}
        else:
            yield kept


def opened(
    slug: str, questions: Path, paths: Sequence[Path], form: str | None = None, columns: Sequence[str] = ()
) -> ResponseFiles:
    """Files of responses as a command line names them.

    Args:
        slug: The benchmark.
        questions: Its questions, JSONL or Parquet, file or folder.
        paths: The files.
        form: `--format`.
        columns: Each `--column`.

    Raises:
        UserError: An unknown benchmark, format or role, or unreadable questions.
    """
    benchmark = lookup.facts(slug)
    return ResponseFiles(
        paths=paths,
        benchmark=benchmark,
        questions=read_questions(benchmark, questions),
        format=None if form is None else named(form),
        columns=parse_columns(columns),
    )


def told(container: str, row: Row) -> Format:
    """The format of a file by its kind and the columns of its first row; any other is anyone's of that kind."""
    return next(each for each in FORMATS if container in each.containers and each.marks <= row.keys())


def _columns(row: Row) -> str:
    return ", ".join(name for name in row if name not in (KEY, harness.SAMPLES)) or "no columns"


def _seed(place: str, value: Any) -> int:
    text = str(value)
    if isinstance(value, bool) or not text.isdecimal():
        raise BadResponses(f"{place}: `eval_seed` must be a whole number, this is {value!r}")
    return int(text)
