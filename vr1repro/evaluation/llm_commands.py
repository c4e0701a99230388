"""The command lines that make what a scoring profile reads of an LLM: `vr1repro extract`, then `vr1repro judge`."""

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vr1repro.benchmarks.base import Benchmark
from vr1repro.evaluation.saved import SavedRow

_LLM = ("--model", "LLM", "--endpoint", "URL")
_INDENT = "\n    "
_WIDTH = 120  # characters after which a command goes on in a further line
# The words of a command on files of responses.
Again = Callable[[tuple[Path, ...]], Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class ResponseSource:
    """Saved responses to one benchmark, as a user names them on a command line.

    Attributes:
        name: What the files that the commands write are called by.
        responses: The files.
        questions: The benchmark's questions.
        format: `--format`.
        columns: `--column`, each.
        rows: The files' rows, which are read only where an extraction may have to be made.
    """

    name: str
    responses: tuple[Path, ...]
    questions: Path
    format: str | None = None
    columns: tuple[str, ...] = ()
    rows: Callable[[], Iterable[SavedRow]]


def llm_part(benchmark: Benchmark, profile: str) -> str:
    """What a profile reads of an LLM, in words; empty where it reads nothing."""
    parts = {"extraction": benchmark.llm_extracted, "judgement": benchmark.llm_judged}
    named = [part for part, profiles in parts.items() if profile in profiles]
    return f"an LLM's {' and '.join(named)}" if named else ""


def llm_commands(benchmark: Benchmark, profile: str, source: ResponseSource) -> tuple[list[str], tuple[Path, ...]]:
    """The commands in their order, and the responses that the profile then grades.

    They write to the working folder; where the profile reads nothing of an LLM there is none, and the responses are
    those that were given.
    """
    steps = (
        ("extract", benchmark.llm_extracted, (), "extracted"),
        ("judge", benchmark.llm_judged, ("--profile", profile), "judged"),
    )
    commands, responses = [], source.responses
    reading = [*_option("format", [source.format] if source.format else []), *_option("column", source.columns)]
    for command, profiles, options, ending in steps:
        if profile not in profiles or (command == "extract" and _all_extracted(source.rows())):
            continue
        out = Path(f"{source.name}-{benchmark.slug}-{ending}.jsonl")
        words = ["vr1repro", command, "--benchmark", benchmark.slug, *options, *_option("responses", responses)]
        words += [*reading, "--questions", str(source.questions), "--out", str(out)]
        commands.append(_line([*words, "--cache", f"{source.name}-{benchmark.slug}-replies.jsonl", *_LLM]))
        responses, reading = (out,), []
    return commands, responses


def graded_so(benchmark: Benchmark, profile: str, source: ResponseSource, again: Again) -> str:
    """What a profile reads of an LLM, and the commands that make it and grade again; the last alone if it is nothing.

    Args:
        again: The words of the command that grades the responses of the last one.
    """
    commands, responses = llm_commands(benchmark, profile, source)
    part = llm_part(benchmark, profile)
    there = ", which the rows have" if part and not commands else ""
    head = f"{profile} of {benchmark.title} reads {part or 'nothing of an LLM'}{there}; to grade so:"
    return _INDENT.join([head, *commands, _line(again(responses))])


def _all_extracted(rows: Iterable[SavedRow]) -> bool:
    return all(row.get("extraction") is not None for _, _, row in rows)


def _option(name: str, values: Sequence[object]) -> list[str]:
    return [word for value in values for word in (f"--{name}", str(value))]


def _line(words: Sequence[str]) -> str:
    """Words as a shell takes them, broken before an option where they get long."""
    lines = [""]
    for word in map(shlex.quote, words):
        if word.startswith("--") and len(lines[-1]) > _WIDTH:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return f" \\{_INDENT}    ".join(lines)
