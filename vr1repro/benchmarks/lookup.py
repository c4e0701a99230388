"""The benchmarks by name: facts, adapters, prompts, scorers, and the modules that a rule's code hash must cover."""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vr1repro.benchmarks.base import Benchmark
from vr1repro.config.evaluation import PromptStyle
from vr1repro.core import benchmark_folders
from vr1repro.core.errors import UserError
from vr1repro.core.records import Problem

# A scorer takes question, response row and options; see `scoring.Scorer`.
Profiles = dict[str, Any]


def slugs() -> list[str]:
    """All benchmarks in the order of tables."""
    return sorted(benchmark_folders.slugs(), key=lambda slug: (facts(slug).position, slug))


def facts(slug: str) -> Benchmark:
    """Load `BENCHMARK` of a benchmark's folder, and check that it is of that folder.

    Raises:
        UserError: There is no such benchmark (the message lists the known), or its facts contradict its folder.
    """
    benchmark: Benchmark = load(slug, name="BENCHMARK")
    if benchmark.slug != slug:
        folder = benchmark_folders.folder_of(slug)
        raise UserError(f"{folder}: its facts have the slug {benchmark.slug!r}; it must be the folder's name")
    return benchmark


def adapter(slug: str) -> Callable[..., Problem]:
    """The function that makes a problem of a row, its number in the file and where image paths lead."""
    adapt: Callable[..., Problem] = load(slug, "adapter", "adapt")
    return adapt


def prompts(slug: str) -> Mapping[PromptStyle, Callable[[Problem], str]]:
    """The text of a benchmark's prompts by style."""
    styles: Mapping[PromptStyle, Callable[[Problem], str]] = load(slug, "prompts", "PROMPTS")
    return styles


def profiles(slug: str) -> Profiles:
    """The scorers of a benchmark by profile."""
    scorers: Profiles = load(slug, "profiles", "PROFILES")
    return scorers


def profile(slug: str, name: str) -> Any:
    """A scoring profile of a benchmark.

    Raises:
        UserError: There is no such benchmark or profile; the message lists the known.
    """
    known = profiles(slug)
    if name not in known:
        raise UserError(f"{slug} has no scoring profile {name!r}; take one of {', '.join(sorted(known))}")
    return known[name]


def adapter_modules(slug: str) -> list[str]:
    """Modules of a benchmark that read its rows."""
    return [benchmark_folders.module_name(slug, part) for part in ("", "adapter")]


def sampling_modules(slug: str) -> list[str]:
    """Modules of a benchmark on which its responses depend."""
    return [*adapter_modules(slug), benchmark_folders.module_name(slug, "prompts")]


def scoring_modules(slug: str) -> list[str]:
    """Modules of a benchmark on which its verdicts depend."""
    return [benchmark_folders.module_name(slug, part) for part in ("", "profiles")]


def extraction(slug: str, name: str, default: Any) -> Any:
    """What a benchmark's `extraction.py` has under a name; the default where there is no such file or name."""
    if not _extraction_file(slug).is_file():
        return default
    return getattr(load(slug, "extraction"), name, default)


def extraction_modules(slug: str) -> list[str]:
    """Modules of a benchmark on which an LLM's extraction and judgement depend."""
    parts = ("", "extraction") if _extraction_file(slug).is_file() else ("",)
    return [benchmark_folders.module_name(slug, part) for part in parts]


def _extraction_file(slug: str) -> Path:
    return benchmark_folders.folder_of(slug) / "extraction.py"


def facts_modules() -> list[str]:
    """The facts of all benchmarks, on which the report depends."""
    return [benchmark_folders.module_name(slug) for slug in benchmark_folders.slugs()]


def load(slug: str, part: str = "", name: str = "") -> Any:
    """A benchmark's module, or what has a name in it; imported when it is asked for.

    Raises:
        UserError: There is no such benchmark, or it has no such module or name.
    """
    file = benchmark_folders.folder_of(slug) / f"{part or '__init__'}.py"
    if not file.is_file():
        raise UserError(f"{file.parent}: has no {file.name}")
    module = importlib.import_module(benchmark_folders.module_name(slug, part))
    if name and not hasattr(module, name):
        raise UserError(f"{file}: defines no {name}; docs/benchmarks.md says what each file must hold")
    return getattr(module, name) if name else module
