"""The benchmarks as YAML tasks for the `lm_eval` command, written by `vr1repro tasks`.

lm-eval finds tasks as files, and a YAML file names Python functions of a module beside it. One module serves all: its
functions are made by name (`function`).
"""

import atexit
import io
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_args, overload

import yaml
from PIL import Image

from vr1repro.answers.grade import Grader
from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.questions import own_columns
from vr1repro.benchmarks.scoring import Options
from vr1repro.config.evaluation import PromptStyle
from vr1repro.config.problems import ProblemSource
from vr1repro.core import benchmark_folders
from vr1repro.core.files import write_atomically
from vr1repro.core.records import Problem
from vr1repro.core.upstream import require
from vr1repro.evaluation.prompts import prompt
from vr1repro.evaluation.protocols import has_answer
from vr1repro.problems.load import load_problems

PLACEHOLDER = "<image>"  # what lm-eval's models take for the place of a picture
SPLIT = "test"
_SCORE = "SCORE"  # where a benchmark's own aggregation is named in a YAML file
Doc = dict[str, Any]

_MODULE = '''"""Written by `vr1repro tasks`: the functions that the YAML files beside this one name."""

from vr1repro.core import benchmark_folders
from vr1repro.evaluation.task_files import function as __getattr__

benchmark_folders.use({folders!r})
'''


def tasks() -> dict[str, tuple[str, PromptStyle]]:
    """Benchmark and prompt style of every task, by the task's name; the paper's style has the plain name."""
    named: dict[str, tuple[str, PromptStyle]] = {}
    for slug in lookup.slugs():
        styles = lookup.prompts(slug)
        for style in get_args(PromptStyle):
            # Two styles with one text are one task.
            if style in styles and styles[style] not in [styles[other] for _, other in _of(named, slug)]:
                named[f"vr1_{slug}" if style == "paper" else f"vr1_{slug}_{style}"] = (slug, style)
    return named


def _of(named: dict[str, tuple[str, PromptStyle]], slug: str) -> list[tuple[str, PromptStyle]]:
    return [pair for pair in named.values() if pair[0] == slug]


def default_folder() -> Path:
    """Where `vr1repro tasks` writes: the user's cache (XDG base directory specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vr1repro" / "tasks"


def write_tasks(folder: Path) -> Path:
    """Write the tasks into a folder for `lm_eval --include_path`; the sampling settings are the paper's evaluation's.

    They stand in its code (repo, evaluation/README.md); the paper itself states none.
    """
    functions = "tasks_of_vr1repro"
    further = [str(path) for path in benchmark_folders.further().values()]
    write_atomically(folder / f"{functions}.py", _MODULE.format(folders=further))
    metrics = [
        {"metric": name, "aggregation": "mean", "higher_is_better": name != "undecided"}
        for name in ("acc", "undecided", "replied", "answer_tag")
    ]
    named = tasks()
    for name, (slug, style) in named.items():
        parts = lookup.facts(slug).parts
        score = [{"metric": "score", "aggregation": _SCORE, "higher_is_better": True}] if parts else []
        lines = {
            "task": name,
            "test_split": SPLIT,
            "output_type": "generate_until",
            "doc_to_target": "answer",
            "num_fewshot": 0,
            "generation_kwargs": {
                "until": [], "max_gen_toks": 16000, "do_sample": True, "temperature": 0.6, "top_p": 0.95,
            },
            "metric_list": [*metrics, *score],
            "metadata": {"version": 1.0},
        }  # fmt: skip
        text = yaml.safe_dump(lines, sort_keys=False)
        text = text.replace(f"aggregation: {_SCORE}", f"aggregation: !function {functions}.{slug}__score")
        for key, purpose in (("custom_dataset", "data"), ("doc_to_text", style), ("doc_to_image", "image"),
                             ("process_results", "results")):  # fmt: skip
            text += f"{key}: !function {functions}.{slug}__{purpose}\n"
        write_atomically(folder / f"{name}.yaml", text)
    for path in folder.glob("vr1_*.yaml"):  # of a benchmark that an earlier call named
        if path.stem not in named:
            path.unlink()
    return folder


def function(name: str) -> Any:
    """The function `<slug>__<purpose>` of a task's YAML file: data, image, results, score, or a prompt style."""
    slug, mark, purpose = name.partition("__")
    if not mark or slug not in benchmark_folders.slugs():
        raise AttributeError(name)
    require("lm-eval")
    made: dict[str, Callable[[], Any]] = {
        "data": lambda: load(slug), "image": lambda: doc_to_image, "results": lambda: graded(slug),
        "score": lambda: put_together(slug),
        **{style: lambda style=style: doc_to_text(slug, style) for style in get_args(PromptStyle)},  # type: ignore[misc]
    }  # fmt: skip
    if purpose not in made:
        raise AttributeError(name)
    return made[purpose]()


def listing() -> str:
    """The command of each task."""
    return "\n".join(f'lm_eval --include_path "$(vr1repro tasks)" --tasks {name}' for name in sorted(tasks()))


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


def doc_to_text(benchmark: str, style: PromptStyle) -> Callable[[Doc], str]:
    """The text of a document's prompt, the picture's placeholder before it."""

    def text(doc: Doc) -> str:
        mark = "" if doc["image"] is None else PLACEHOLDER
        return mark + prompt(benchmark, Problem(**{**doc, "image": None}), style)

    return text


def doc_to_image(doc: Doc) -> list[Image.Image]:
    """The pictures of a document, as RGB where a model asks for pixels."""
    return [] if doc["image"] is None else [doc["image"]]


def load(benchmark: str) -> Callable[..., dict[str, Docs]]:
    """The `custom_dataset` of a benchmark's YAML task.

    The function takes lm-eval's metadata. Its key `data` names other data than the hub's: a path, or an object from
    benchmark to path, for example `--metadata '{"data": {"mathvista": "/data/testmini.parquet"}}'`.
    """

    def custom_dataset(data: str | dict[str, str] | None = None, **_: Any) -> dict[str, Docs]:
        path = data.get(benchmark) if isinstance(data, dict) else data
        source = lookup.facts(benchmark).source
        if path is not None:
            # A folder of one split need not name it.
            named = any(str(source.split) in file.name for file in Path(path).rglob("*"))
            source = ProblemSource(kind="path", path=path, split=source.split if named else None, images=None)
        return {SPLIT: Docs(benchmark, load_problems(source))}

    return custom_dataset


def graded(benchmark: str) -> Callable[[Doc, list[str]], dict[str, Any]]:
    """The `process_results` of a benchmark's YAML task: the verdict of profile `rule`, and what the reply looks like.

    `acc` counts right replies, `undecided` those on which the grader ran out of time or memory (they count as wrong),
    `replied` those with any text, `answer_tag` those with the paper's answer tag. `score`, where a benchmark puts its
    score together from shares, has what `put_together` needs.
    """

    def process(doc: Doc, results: list[str]) -> dict[str, Any]:
        reply = results[0]
        fields = {name: doc[name] for name in ("id", "question", "answer", "choices")}
        facts = lookup.facts(benchmark)
        question = own_columns(facts, fields, doc["metadata"])
        item = lookup.profile(benchmark, "rule")(question, {"id": doc["id"], "response": reply}, Options())
        verdict = next(_grader().stream([item]))
        right = verdict.correct is True
        units = [list(facts.units(question)), facts.stratum(question), right]
        return {
            **({"score": units} if facts.parts else {}),
            "acc": float(right),
            "undecided": float(verdict.correct is None),
            "replied": float(bool(reply.strip())),
            "answer_tag": float(has_answer(reply)),
        }

    return process


def put_together(benchmark: str) -> Callable[[list[Any]], float]:
    """The aggregation of a benchmark's `score` in lm-eval: a sum, or a mean of shares."""

    def aggregation(items: list[Any]) -> float:
        shares: dict[tuple[int, str], dict[str, bool]] = defaultdict(dict)
        for units, stratum, right in items:
            for place, unit in enumerate(units):
                if unit is not None:
                    share = shares[place, stratum]
                    share[unit] = share.get(unit, True) and right
        means = [sum(units.values()) / len(units) for units in shares.values()]
        return lookup.facts(benchmark).maximum(len(means)) * sum(means) / len(means)

    return aggregation


@cache
def _grader() -> Grader:
    """One worker for lm-eval's whole run; its process starts with the first answer that needs it."""
    grader = Grader()
    atexit.register(grader.close)
    return grader
