"""lm-eval tasks over problems: what the YAML files name, and what `evaluation.run` builds without them."""

import atexit
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, overload

from PIL import Image

from vr1repro.answers.grade import Grader
from vr1repro.config.evaluation import EvaluationSettings, Preset, PromptStyle
from vr1repro.config.problems import ProblemSource
from vr1repro.core.errors import UserError
from vr1repro.core.records import Problem
from vr1repro.evaluation.protocols import has_answer
from vr1repro.evaluation.scoring import Options, profile
from vr1repro.evaluation.tasks.prompts import prompt
from vr1repro.problems.load import load_problems

PLACEHOLDER = "<image>"
SPLIT = "test"
Doc = dict[str, Any]

# The hub's data sets. A revision is given where one is known; else the newest is taken. Sources: benchmarks' cards.
HUB: dict[str, ProblemSource] = {
    "mathvista": ProblemSource(
        kind="hub", id="AI4Math/MathVista", revision="2b6ad69445fbb5695c9b165475e8decdbeb97747", split="testmini"
    ),
    "mathverse": ProblemSource(kind="hub", id="AI4Math/MathVerse", name="testmini", split="testmini"),
    "mmmath": ProblemSource(kind="hub", id="THU-KEG/MM_Math", path="MM_Math.jsonl", images="Image.zip"),
    # A split a variant (the card of DynaMath/DynaMath_Sample); in this order, for it numbers the variants.
    "dynamath": ProblemSource(
        kind="hub",
        id="DynaMath/DynaMath_Sample",
        split="+".join(f"sample_variant{number}" for number in range(1, 11)),
    ),
    "mathvision": ProblemSource(kind="hub", id="MathLLMs/MathVision", split="test"),
}


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


def load(benchmark: str) -> Callable[..., dict[str, Docs]]:
    """The `custom_dataset` of a benchmark's YAML task.

    The function takes lm-eval's metadata. Its key `data` names other data than the hub's: a path, or an object from
    benchmark to path, for example `--metadata '{"data": {"mathvista": "/data/testmini.parquet"}}'`.
    """

    def custom_dataset(data: str | dict[str, str] | None = None, **_: Any) -> dict[str, Docs]:
        path = data.get(benchmark) if isinstance(data, dict) else data
        source = HUB[benchmark]
        if path is not None:
            source = ProblemSource(kind="path", path=path, split=source.split, images=None)
        return {SPLIT: Docs(benchmark, load_problems(source))}

    return custom_dataset


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


def graded(benchmark: str) -> Callable[[Doc, list[str]], dict[str, float]]:
    """The `process_results` of a benchmark's YAML task: the figures above, and the verdict of profile `rule`.

    `acc` counts right replies, `undecided` those on which the grader ran out of time or memory (they count as wrong).
    """

    def process(doc: Doc, results: list[str]) -> dict[str, float]:
        asked = {name: doc[name] for name in ("id", "question", "answer", "choices", "metadata")}
        question = {**doc["metadata"], **asked, "options": doc["choices"] or []}
        judged = profile(benchmark, "rule")(question, {"id": doc["id"], "response": results[0]}, Options())
        verdict = next(_grader().stream([judged]))
        figures = {"acc": float(verdict.correct is True), "undecided": float(verdict.correct is None)}
        return {**figures, **process_results(doc, results)}

    return process


@cache
def _grader() -> Grader:
    """One worker for lm-eval's whole run; its process starts with the first answer that needs it."""
    grader = Grader()
    atexit.register(grader.close)
    return grader


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
