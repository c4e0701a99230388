"""The benchmarks as YAML tasks for the `lm_eval` command, written by `vr1repro tasks`.

lm-eval finds tasks as files, and a YAML file names Python functions of a module beside it. One module serves all: its
functions are made by name (`function`).
"""

import atexit
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, get_args

import yaml

from vr1repro.answers.grade import Grader
from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.questions import own_columns
from vr1repro.benchmarks.scoring import Options
from vr1repro.config.evaluation import PromptStyle
from vr1repro.config.problems import ProblemSource
from vr1repro.core import benchmark_folders
from vr1repro.core.files import write_atomically
from vr1repro.evaluation.lm_tasks import METRICS, SPLIT, Doc, Docs, doc_to_image, doc_to_text, process_results
from vr1repro.problems.load import load_problems

# The benchmarks of the paper's Table 2 that are not run here: benchmark, state, command of the harness that has it.
# VLMEvalKit: run.py of open-compass/VLMEvalKit, which the paper's code vendors.
ELSEWHERE = (
    ("ChartQA", "by lm-eval's own task", "lm_eval --model hf-multimodal --model_args pretrained=MODEL --tasks chartqa"
     " --apply_chat_template"),
    ("MMStar", "not run", "python run.py --data MMStar --model MODEL  # VLMEvalKit"),
    ("MME", "not run", "python run.py --data MME --model MODEL  # VLMEvalKit"),
    ("HallusionBench", "not run", "python run.py --data HallusionBench --model MODEL  # VLMEvalKit"),
)  # fmt: skip
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
    metrics = [{"metric": "acc", "aggregation": "mean", "higher_is_better": True},
               {"metric": "undecided", "aggregation": "mean", "higher_is_better": False}, *METRICS]  # fmt: skip
    named = tasks()
    for name, (slug, style) in named.items():
        lines = {
            "task": name,
            "test_split": SPLIT,
            "output_type": "generate_until",
            "doc_to_target": "answer",
            "num_fewshot": 0,
            "generation_kwargs": {
                "until": [], "max_gen_toks": 16000, "do_sample": True, "temperature": 0.6, "top_p": 0.95,
            },
            "metric_list": metrics,
            "metadata": {"version": 1.0},
        }  # fmt: skip
        text = yaml.safe_dump(lines, sort_keys=False)
        for key, purpose in (("custom_dataset", "data"), ("doc_to_text", style), ("doc_to_image", "image"),
                             ("process_results", "results")):  # fmt: skip
            text += f"{key}: !function {functions}.{slug}__{purpose}\n"
        write_atomically(folder / f"{name}.yaml", text)
    for path in folder.glob("vr1_*.yaml"):  # of a benchmark that an earlier call named
        if path.stem not in named:
            path.unlink()
    return folder


def function(name: str) -> Any:
    """The function `<slug>__<purpose>` of a task's YAML file: data, image, results, or a prompt style."""
    slug, mark, purpose = name.partition("__")
    if not mark or slug not in benchmark_folders.slugs():
        raise AttributeError(name)
    made: dict[str, Callable[[], Any]] = {
        "data": lambda: load(slug), "image": lambda: doc_to_image, "results": lambda: graded(slug),
        **{style: lambda style=style: doc_to_text(slug, style) for style in get_args(PromptStyle)},  # type: ignore[misc]
    }  # fmt: skip
    if purpose not in made:
        raise AttributeError(name)
    return made[purpose]()


def listing() -> str:
    """Our tasks by name, and the benchmarks that other harnesses have."""
    lines = [f'lm_eval --include_path "$(vr1repro tasks)" --tasks {name}' for name in sorted(tasks())]
    lines += [f"{name}, {state}: {command}" for name, state, command in ELSEWHERE]
    return "\n".join(lines)


def load(benchmark: str) -> Callable[..., dict[str, Docs]]:
    """The `custom_dataset` of a benchmark's YAML task.

    The function takes lm-eval's metadata. Its key `data` names other data than the hub's: a path, or an object from
    benchmark to path, for example `--metadata '{"data": {"mathvista": "/data/testmini.parquet"}}'`.
    """

    def custom_dataset(data: str | dict[str, str] | None = None, **_: Any) -> dict[str, Docs]:
        path = data.get(benchmark) if isinstance(data, dict) else data
        source = lookup.facts(benchmark).source
        if path is not None:
            source = ProblemSource(kind="path", path=path, split=source.split, images=None)
        return {SPLIT: Docs(benchmark, load_problems(source))}

    return custom_dataset


def graded(benchmark: str) -> Callable[[Doc, list[str]], dict[str, float]]:
    """The `process_results` of a benchmark's YAML task: the figures of our own runs, and the verdict of profile `rule`.

    `acc` counts right replies, `undecided` those on which the grader ran out of time or memory (they count as wrong).
    """

    def process(doc: Doc, results: list[str]) -> dict[str, float]:
        fields = {name: doc[name] for name in ("id", "question", "answer", "choices")}
        question = own_columns(lookup.facts(benchmark), fields, doc["metadata"])
        item = lookup.profile(benchmark, "rule")(question, {"id": doc["id"], "response": results[0]}, Options())
        verdict = next(_grader().stream([item]))
        figures = {"acc": float(verdict.correct is True), "undecided": float(verdict.correct is None)}
        return {**figures, **process_results(doc, results)}

    return process


@cache
def _grader() -> Grader:
    """One worker for lm-eval's whole run; its process starts with the first answer that needs it."""
    grader = Grader()
    atexit.register(grader.close)
    return grader
