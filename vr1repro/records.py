"""The rows that stages hand to each other: problems, traces, responses and verdicts.

Stages meet only through files. What is earned item by item is append-only JSONL (`append`, `read`); what is bulk is
Parquet (`write_problems`, `read_problems`). A reader validates every row and names file and line when one is bad.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Any, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from vr1repro.errors import UserError

SCHEMA_VERSION = 1


# Benchmarks number their questions; an id is a string everywhere here.
Id = Annotated[str, BeforeValidator(str)]


class Record(BaseModel):
    """A row. Unknown keys are kept, so that a newer writer's rows survive an older reader."""

    model_config = ConfigDict(extra="allow")

    schema_version: int = SCHEMA_VERSION


RecordT = TypeVar("RecordT", bound=Record)


class Problem(Record):
    """One image-question-answer triple, whatever its source.

    Attributes:
        id: Unique within `source`; always a string.
        source: Slug of the data set it came from, for example `micro` or `mathvision`.
        question: The text a model is asked, without image placeholder.
        answer: The gold answer as its source writes it.
        choices: The options of a multiple-choice question in their order, without letters.
        image: The encoded image (PNG, JPEG or WebP), or None for a text-only problem.
        metadata: Whatever sub-scores and reports need (task, difficulty, problem version, ...).
    """

    id: Id
    source: str
    question: str
    answer: str
    choices: list[str] | None = None
    image: bytes | None = Field(default=None, repr=False)
    metadata: dict[str, Any] = Field(default_factory=dict)

    @property
    def image_sha(self) -> str | None:
        """SHA-256 of the encoded image, or None."""
        return None if self.image is None else sha256(self.image)


class Trace(Record):
    """What Modality Bridging made of one problem, kept or rejected.

    Attributes:
        id: The problem's id.
        source: The problem's source.
        image_sha: Hash of the problem's image.
        question: The problem's question.
        answer: The gold answer.
        pseudo_cot: The MLLM's Caption and Reasoning (paper section 3.3.1, step 2).
        description: The MLLM's detailed description (step 3).
        chain: The reasoner's chain of thought after polishing, without tags (steps 4 to 6).
        final_answer: The answer that the reasoner gave.
        rejected: None for a kept trace, else the name of the rule that rejected it.
    """

    id: Id
    source: str
    image_sha: str | None
    question: str
    answer: str
    pseudo_cot: str
    description: str
    chain: str
    final_answer: str | None
    rejected: str | None = None


class Response(Record):
    """One sampled answer of one model to one benchmark question.

    Attributes:
        run: Name of the run (`run` in the config), or of an `evaluate` call.
        model: Slug of the evaluated model, the `<model>` of the results path.
        arm: Arm of the paper's experiment, None for a foreign model.
        train_seed: Training seed of that arm, None for a foreign model.
        eval_seed: Seed of the sampler.
        protocol: `single` or `paper`, see `vr1repro.evaluation`.
        benchmark: Slug: mathvista, mathverse, mmmath, dynamath or mathvision.
        id: The benchmark's own id of the question.
        prompt_sha: Hash of the prompt's text after the chat template.
        image_sha: Hash of the encoded image, None for text-only questions.
        attempt: 0 for the first sample; the `paper` protocol asks again.
        response: The completion, special tokens that carry meaning (think, answer) included.
        n_tokens: Completion tokens, the end-of-sequence token included.
        finish_reason: `stop` (end of sequence) or `length` (cut at the limit).
        generation_sha: Hash of the sampling settings.
        model_sha: Hash of the weights, from the checkpoint's manifest.
    """

    run: str
    model: str
    arm: str | None = None
    train_seed: int | None = None
    eval_seed: int
    protocol: str
    benchmark: str
    id: Id
    prompt_sha: str
    image_sha: str | None = None
    attempt: int = 0
    response: str
    n_tokens: int | None = None
    finish_reason: str | None = None
    generation_sha: str | None = None
    model_sha: str | None = None


class Outcome(StrEnum):
    """What a grader can say of an answer. The last two are no verdict on the model."""

    RIGHT = "right"
    WRONG = "wrong"
    UNPARSABLE = "unparsable"
    TIMEOUT = "timeout"
    JUDGE_ERROR = "judge_error"

    @property
    def correct(self) -> bool | None:
        """True, False, or None where the grader failed and the score has bounds instead of a value."""
        if self in (Outcome.TIMEOUT, Outcome.JUDGE_ERROR):
            return None
        return self is Outcome.RIGHT


class Verdict(Record):
    """The grade of one response under one scoring profile.

    Attributes:
        id: The question's id.
        extraction: The text taken from the response, None where nothing was found.
        prediction: The extraction after the profile's normalisation.
        verdict: One of five outcomes.
        correct: Derived from `verdict`; null for `timeout` and `judge_error`.
    """

    id: Id
    extraction: str | None = None
    prediction: str | None = None
    verdict: Outcome
    correct: bool | None = None

    @model_validator(mode="after")
    def _derive_correct(self) -> Self:
        self.correct = self.verdict.correct
        return self


def sha256(data: bytes | str) -> str:
    """Hex SHA-256 of bytes, or of a text's UTF-8 with lone surrogates kept."""
    return hashlib.sha256(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")).hexdigest()


def dump_line(row: BaseModel | dict[str, Any]) -> str:
    """One JSON line, keys in the record's order, ASCII so that lone surrogates and control characters survive."""
    values = row.model_dump(mode="json") if isinstance(row, BaseModel) else row
    return json.dumps(values, ensure_ascii=True, separators=(",", ":"))


def read(path: Path, kind: type[RecordT]) -> Iterator[RecordT]:
    """Read validated rows of a JSONL file.

    Args:
        path: The file.
        kind: The record class.

    Yields:
        The rows in file order.

    Raises:
        UserError: The file is missing, or a line is not such a record; the message names file and line.
    """
    for number, values in read_lines(path):
        try:
            yield kind.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise UserError(f"{path}:{number}: not a {kind.__name__}: {key}: {first['msg']}") from None


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read the objects of a JSONL file with their line numbers (from 1); blank lines are skipped.

    Raises:
        UserError: The file is missing, or a line is not a JSON object; the message names file and line.
    """
    try:
        stream = path.open(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    with stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                values = json.loads(line)
            except json.JSONDecodeError as error:
                raise UserError(f"{path}:{number}: not JSON: {error.msg} at column {error.colno}") from None
            if not isinstance(values, dict):
                raise UserError(f"{path}:{number}: a row must be a JSON object, this is {type(values).__name__}")
            yield number, values


class Appender:
    """Append rows to a JSONL file so that a crash loses at most the row being written.

    Opening an existing file cuts off a last line without a newline (the mark of a crash). Each row is flushed to the
    operating system; `close` syncs to disk. Use as a context manager.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn_tail(path)
        self._path = path
        self._stream = path.open("ab", buffering=0)

    def append(self, row: BaseModel | dict[str, Any]) -> None:
        """Write one row to the operating system.

        Raises:
            UserError: The disk is full or failing; the file holds all earlier rows and no part of this one.
        """
        line = memoryview((dump_line(row) + "\n").encode("ascii"))
        end = self._stream.tell()
        with explained(self._path):
            try:
                while line:
                    line = line[self._stream.write(line) or 0 :]
            except OSError:
                self._stream.truncate(end)
                raise

    def close(self) -> None:
        """Sync to disk and close."""
        with explained(self._path):
            os.fsync(self._stream.fileno())
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _cut_torn_tail(path: Path) -> None:
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("rb+") as stream:
        stream.seek(-1, os.SEEK_END)
        if stream.read(1) == b"\n":
            return
        # Back to the last newline in steps, so that a long torn line does not pull the whole file into memory.
        end = stream.tell()
        while end > 0:
            start = max(0, end - 65536)
            stream.seek(start)
            newline = stream.read(end - start).rfind(b"\n")
            if newline >= 0:
                stream.truncate(start + newline + 1)
                return
            end = start
        stream.truncate(0)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a failure of the disk into one message that names the file."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written: {error.strerror or error}; what was finished is kept, free space and run again"
        ) from None


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file aside, piece by piece, and rename it at the end, so that a reader sees all of it or none.

    Raises:
        UserError: The disk is full or failing; nothing is left aside then.
    """
    aside = path.with_name(f".{path.name}.partial")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("wb") as stream:
                yield stream
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a whole file aside and rename it, so that a reader sees all of it or none."""
    with whole_file(path) as stream:
        stream.write(data if isinstance(data, bytes) else data.encode("utf-8"))


def write_rows(path: Path, rows: Iterable[BaseModel | dict[str, Any]]) -> None:
    """Write a whole JSONL file, aside and renamed, one row at a time."""
    with whole_file(path) as stream:
        for row in rows:
            stream.write((dump_line(row) + "\n").encode("ascii"))


# A row group is closed at so many rows or bytes of images, so that writer and readers hold little.
_GROUP_ROWS, _GROUP_BYTES = 512, 32 * 2**20


def write_problems(path: Path, problems: Iterable[Problem]) -> int:
    """Write problems as Parquet, images in the hub's own image struct. Returns the number of rows.

    Columns: id, source, question, answer (string), choices (list of string, nullable), image (struct bytes, path;
    nullable), metadata (JSON text). `datasets.load_dataset("parquet", ...)` decodes the image column. Problems are
    written as they come; only one row group is held.

    Raises:
        UserError: The disk is full or failing.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = problem_schema()
    held: list[dict[str, Any]] = []
    size = total = 0
    with whole_file(path) as stream, pq.ParquetWriter(stream, schema) as writer:
        for problem in problems:
            held.append(problem_row(problem))
            size += len(problem.image or b"")
            total += 1
            if len(held) >= _GROUP_ROWS or size >= _GROUP_BYTES:
                writer.write_table(pa.Table.from_pylist(held, schema=schema))
                held, size = [], 0
        if held or not total:
            writer.write_table(pa.Table.from_pylist(held, schema=schema))
    return total


def problem_schema() -> Any:
    """The Arrow schema of a problem file, with what the hub needs to show its images."""
    import pyarrow as pa

    return pa.schema(
        [
            ("id", pa.string()),
            ("source", pa.string()),
            ("question", pa.string()),
            ("answer", pa.string()),
            ("choices", pa.list_(pa.string())),
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("metadata", pa.string()),
        ],
        metadata={"huggingface": json.dumps({"info": {"features": HUB_FEATURES}})},
    )


def problem_row(problem: Problem) -> dict[str, Any]:
    """A problem as a row of a problem file."""
    return {
        "id": problem.id,
        "source": problem.source,
        "question": problem.question,
        "answer": problem.answer,
        "choices": problem.choices,
        "image": None if problem.image is None else {"bytes": problem.image, "path": None},
        "metadata": json.dumps(problem.metadata, sort_keys=True, ensure_ascii=False),
    }


_STRING: dict[str, Any] = {"dtype": "string", "_type": "Value"}
HUB_FEATURES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("id", "source", "question", "answer"), _STRING),
    "choices": {"feature": _STRING, "_type": "List"},
    "image": {"_type": "Image"},
    "metadata": _STRING,
}


def read_problems(path: Path) -> Iterator[Problem]:
    """Read what `write_problems` wrote.

    Raises:
        UserError: The file is missing or is not such a Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path}: not a Parquet file of problems: {error}") from None
    missing = {"id", "question", "answer", "image"} - set(table.schema_arrow.names)
    if missing:
        raise UserError(f"{path}: lacks the columns {', '.join(sorted(missing))}")
    columns = [name for name in table.schema_arrow.names if name in Problem.model_fields]
    for batch in table.iter_batches(batch_size=256, columns=columns):
        for row in batch.to_pylist():
            image = row.pop("image")
            row["metadata"] = json.loads(row.get("metadata") or "{}")
            yield Problem(**row, image=None if image is None else image["bytes"])
