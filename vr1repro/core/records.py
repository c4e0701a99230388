"""The rows that stages hand to each other: problems, traces, responses and verdicts.

Stages meet only through files. What is earned item by item is append-only JSONL (`jsonl`); what is bulk is Parquet
(`problem_files`). A reader validates every row and names file and line when one is bad.
"""

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

SCHEMA_VERSION = 1
# Of steps.jsonl. 2: a step is a rollout with its updates; before, every update was a step.
STEPS_VERSION = 2


Count = Annotated[int, Field(ge=0)]
# Benchmarks number their questions; an id is a string everywhere here.
Id = Annotated[str, BeforeValidator(str)]


class Record(BaseModel):
    """A row. Unknown keys are kept, so that a newer writer's rows survive an older reader."""

    model_config = ConfigDict(extra="allow")

    schema_version: int = SCHEMA_VERSION


class Problem(Record):
    """One image-question-answer triple, whatever its source.

    Attributes:
        id: Unique within `source`; always a string.
        source: Slug of the data set it came from, for example `micro` or `mathvista`.
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
        id, source, question, answer: The problem's.
        image_sha: Hash of the problem's image.
        pseudo_cot: The MLLM's Caption and Reasoning (paper section 3.3.1, step 2).
        description: The MLLM's detailed description (step 3).
        chain: The reasoner's chain of thought after polishing, without tags (steps 4 to 6).
        final_answer: Extracted from the reasoner's reply; None where it gives none.
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
        benchmark: Its slug, for example mathvista.
        id: The benchmark's own id of the question.
        prompt_sha: Hash of the prompt's text after the chat template.
        image_sha: Hash of the encoded image, None for text-only questions.
        attempt: 0 for the first sample; the `paper` protocol asks again.
        response: The completion, special tokens that carry meaning (think, answer) included.
        n_tokens: Completion tokens, the end-of-sequence token included.
        finish_reason: `stop` (end of sequence), `length` (cut at the limit), or what else `engines.base` names.
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
    attempt: Count = 0
    response: str
    n_tokens: Count | None = None
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


# Why a comparison came to no end: past its deadline, ended by the system (a crash, the kernel for want of memory), past
# the worker's own memory limit, or nested too deep.
Cause = Literal["time", "killed", "memory", "recursion"]


class Verdict(Record):
    """The grade of one response under one scoring profile.

    Attributes:
        id: The question's id.
        extraction: The text taken from the response, None where nothing was found.
        prediction: The extraction after the profile's normalisation.
        verdict: One of five outcomes.
        correct: Derived from `verdict`; null for `timeout` and `judge_error`.
        cause: Why the comparison came to no end; written for `timeout` only.
    """

    id: Id
    extraction: str | None = None
    prediction: str | None = None
    verdict: Outcome
    correct: bool | None = None
    cause: Cause | None = Field(default=None, exclude_if=lambda cause: cause is None)

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
