"""The adapters by name: of the files in `problems.adapters`, and of the benchmarks."""

import importlib

from vr1repro.benchmarks import lookup as benchmarks
from vr1repro.core import benchmark_folders
from vr1repro.core.adapter_names import AUTO, adapter_names
from vr1repro.core.errors import UserError
from vr1repro.problems.schema import Schema


def names() -> list[str]:
    """All adapters in the order in which `schema_of` tries them."""
    generic = sorted(adapter_names(), key=lambda name: (schema(name).position, name))
    first = [name for name in generic if schema(name).position < 0]
    return [*first, *benchmarks.slugs(), *(name for name in generic if name not in first)]


def schema(name: str) -> Schema:
    """A schema by its adapter's name, which for a benchmark is its slug.

    Raises:
        UserError: There is no such adapter; the message lists the known.
    """
    if name in adapter_names():
        adapter_schema: Schema = importlib.import_module(_module(name)).SCHEMA
        return adapter_schema
    if name not in benchmark_folders.slugs():
        raise UserError(f"adapter {name!r} is not known; take one of {AUTO}, {', '.join(names())}")
    benchmark = benchmarks.facts(name)
    return Schema(columns=(benchmark.columns,), adapt=benchmarks.adapter(name), numbered=benchmark.numbered)


def schema_of(columns: frozenset[str]) -> str | None:
    """The name of the first adapter whose rows have these columns; None where there is none."""
    return next((name for name in names() if schema(name).fits(columns)), None)


def adapter_modules(adapter: str) -> list[str]:
    """Modules that `schema` loads by name for a source's `adapter`, for a rule's code hash; all for `auto`."""
    chosen = [*adapter_names(), *benchmark_folders.slugs()] if adapter == AUTO else [adapter]
    return [
        module
        for name in chosen
        for module in ([_module(name)] if name in adapter_names() else benchmarks.adapter_modules(name))
    ]


def _module(name: str) -> str:
    return f"vr1repro.problems.adapters.{name.replace('-', '_')}"
