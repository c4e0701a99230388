"""Benchmarks as lm-eval tasks over problems; no scorer is imported here, for a run grades in jobs of their own."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, overload

from PIL import Image

from vr1repro.config.evaluation import EvaluationSettings, Preset, PromptStyle
from vr1repro.core.errors import UserError
from vr1repro.core.records import Problem
from vr1repro.evaluation.prompts import prompt
from vr1repro.evaluation.protocols import has_answer

PLACEHOLDER = "<image>"
SPLIT = "test"
Doc = dict[str, Any]


class Docs(Sequence[Doc]):
    """Problems as lm-eval documents; pictures are opened, not decoded, each time a document is taken."""

    def __init__(self, benchmark: str, problems: Iterable[Problem]) -> None:
        self.benchmark = benchmark
        self.problems = list(problems)
        # lm-eval reads the column names off a data set's `features`.
        self.features = dict.fromkeys(("id", "source", "question", "answer", "choices", "image", "metadata"))

    def __len__(self) -> int:
        return len(self.problems)

    @overload
    def __getitem__(self, index: int) -> Doc: ...
    @overload
    def __getitem__(self, index: slice) -> list[Doc]: ...
    def __getitem__(self, index: int | slice) -> Doc | list[Doc]:
        if isinstance(index, slice):
            return [_doc(problem) for problem in self.problems[index]]
        return _doc(self.problems[index])

    def __iter__(self) -> Iterator[Doc]:
        return (_doc(problem) for problem in self.problems)


def _doc(problem: Problem) -> Doc:
    values = problem.model_dump(include={"id", "source", "question", "answer", "choices", "metadata"})
    return {**values, "image": None if problem.image is None else Image.open(io.BytesIO(problem.image))}


def doc_to_text(benchmark: str, style: PromptStyle, preset: Preset = "think-answer") -> Callable[[Doc], str]:
    """The text of a document's prompt, the picture's placeholder before it."""

    def text(doc: Doc) -> str:
        mark = "" if doc["image"] is None else PLACEHOLDER
        return mark + prompt(benchmark, Problem(**{**doc, "image": None}), style, preset)

    return text


def doc_to_image(doc: Doc) -> list[Image.Image]:
    """The pictures of a document, as RGB where a model asks for pixels."""
    return [] if doc["image"] is None else [doc["image"]]


def process_results(doc: Doc, results: list[str]) -> dict[str, float]:
    """lm-eval's figures within `evaluation.run`: whether there is a reply, and whether it has the paper's answer tag.

    What is right is decided in a stage of its own, `evaluation.grading`, from the kept responses.
    """
    reply = results[0]
    return {"replied": float(bool(reply.strip())), "answer_tag": float(has_answer(reply))}


METRICS = [
    {"metric": "replied", "aggregation": "mean", "higher_is_better": True},
    {"metric": "answer_tag", "aggregation": "mean", "higher_is_better": True},
]


def task(benchmark: str, problems: Iterable[Problem], settings: EvaluationSettings) -> Any:
    """A benchmark as an lm-eval task, without files.

    Args:
        benchmark: Its slug, which is also the task's name.
        problems: Its questions.
        settings: Prompt style, preset and sampling.

    Returns:
        An `lm_eval.api.task.ConfigurableTask`.

    Raises:
        UserError: There are no questions, or the benchmark has no such prompt.
    """
    from lm_eval.api.task import ConfigurableTask

    docs = Docs(benchmark, problems)
    if not docs:
        raise UserError(f"{benchmark}: has no questions")
    style = settings.prompts.get(benchmark, "paper")
    config = {
        "task": benchmark,
        "custom_dataset": lambda **_: {SPLIT: docs},
        "test_split": SPLIT,
        "output_type": "generate_until",
        "doc_to_text": doc_to_text(benchmark, style, settings.preset),
        "doc_to_image": doc_to_image,
        "doc_to_target": lambda doc: doc["answer"],
        "process_results": process_results,
        "metric_list": [dict(metric) for metric in METRICS],
        "num_fewshot": 0,
        "generation_kwargs": {
            "until": [],
            "max_gen_toks": settings.max_tokens,
            "do_sample": settings.temperature > 0,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
        },
        "metadata": {"version": 1.0},
    }
    return ConfigurableTask(config=config)
