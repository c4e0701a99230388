"""Every command that a document prints is one that its program takes as printed."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from snakemake.cli import get_argument_parser
from test_docs import FENCE, documents

from vr1repro.cli import app
from vr1repro.config import loader
from vr1repro.config.plan import Plan
from vr1repro.reporting.run.arms import from_plan

# What a target may be beside an arm of a config and a file.
RULES = {"all", "coldset", "sft", "rl", "evaluate", "tables", "figures", "report"}
PROGRAMS = ("snakemake", "vr1repro", "make")


@dataclass(frozen=True)
class Command:
    """A printed command; one inside a sentence may leave out what it must have."""

    place: str
    text: str
    whole: bool

    @property
    def words(self) -> list[str]:
        """Its words without a placeholder for more of them."""
        return [word for word in shlex.split(self.text, comments=True) if word != "..."]


def commands(repo: Path) -> Iterator[Command]:
    for document in documents(repo):
        place, text = document.relative_to(repo).as_posix(), document.read_text(encoding="utf-8")
        if place == "CHANGELOG.md":  # it also names what older versions had
            continue
        for block in re.findall(FENCE, text) + re.findall(r"(?:^ {4}\S.*\n)+", text, re.MULTILINE):
            for line in re.sub(r"\\\n", " ", block).splitlines():
                for part in re.split(r"&&|\|", line.strip()):
                    if part.split()[:1] and part.split()[0] in PROGRAMS:
                        yield Command(place, part.strip(), whole=True)
        for code in re.findall(r"`([^`\n]+)`", FENCE.sub("", text)):
            if code.split()[0] in PROGRAMS and " " in code:
                yield Command(place, code.split("|")[0], whole=False)


def snakemake_fault(command: Command, targets: set[str]) -> str | None:
    try:
        parsed = get_argument_parser().parse_args(command.words[1:])
    except SystemExit:
        return "snakemake does not take these options"
    if wrong := [file for file in parsed.configfile or [] if file.suffix != ".yaml" and not file.name.isupper()]:
        return f"--configfile takes {wrong[0]} for a config"
    named = [str(target) for target in parsed.targets]
    unknown = [name for name in named if name not in targets and "/" not in name and not name.isupper()]
    return f"no such target: {unknown[0]}" if unknown else None


def vr1repro_fault(command: Command) -> str | None:
    group = typer.main.get_command(app)
    context = group.make_context("vr1repro", [], resilient_parsing=True)
    name, *words = command.words[1:]
    if name.startswith("-"):
        return None
    chosen = group.get_command(context, name)  # type: ignore[attr-defined]
    if chosen is None:
        return f"no such command: {name}"
    try:
        if command.whole:
            chosen.make_context(name, words, parent=context)
        else:
            inner = chosen.context_class(chosen, info_name=name, parent=context)
            chosen.make_parser(inner).parse_args(args=list(words))
    except Exception as error:  # typer's own kinds of click's usage errors
        return str(error)
    return None


@pytest.fixture(scope="module")
def targets(repo: Path) -> set[str]:
    configs = [loader.load(repo / "config" / f"{name}.yaml") for name in ("micro", "paper")]
    return RULES | {"my-arm"} | {arm for config in configs for arm in config.arms}


def fault_of(command: Command, targets: set[str], repo: Path) -> str | None:
    match command.words[0]:
        case "snakemake":
            return snakemake_fault(command, targets)
        case "vr1repro":
            return vr1repro_fault(command)
        case _:
            makefile = (repo / "Makefile").read_text(encoding="utf-8")
            named = [word for word in command.words[1:] if "=" not in word]
            return next(
                (
                    f"no target {word}"
                    for word in named
                    if not re.search(rf"^(?:[\w-]+ )*{word}(?: [\w-]+)*:", makefile, re.M)
                ),
                None,
            )


def test_every_printed_command_is_taken(repo: Path, targets: set[str]) -> None:
    every = list(commands(repo))
    faults = [
        f"{command.place}: {command.text}: {fault}"
        for command in every
        if (fault := fault_of(command, targets, repo)) is not None
    ]
    assert faults == []
    assert {command.words[0] for command in every} == set(PROGRAMS)
    assert len([command for command in every if command.whole]) > 20


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("snakemake --cores 2 --configfile mine.yaml my-arm", "takes my-arm for a config"),
        ("snakemake --cores 2 my-amr --configfile mine.yaml", "no such target: my-amr"),
        ("snakemake --coers 2", "does not take these options"),
        ("vr1repro grad --benchmark mathvista", "no such command: grad"),
        ("vr1repro watch results/micro --onec", "--onec"),
        ("vr1repro redraw --reference my-run", "Missing parameter: out"),
        ("make mirco", "no target mirco"),
    ],
)
def test_a_command_that_is_not_taken_is_seen(repo: Path, targets: set[str], text: str, fault: str) -> None:
    assert fault in str(fault_of(Command("x.md", text, whole=True), targets, repo))


@pytest.mark.parametrize("name", ["README.md", "docs/cluster.md"])
def test_the_environment_is_active_before_its_commands(repo: Path, name: str) -> None:
    lines = [line for block in FENCE.findall((repo / name).read_text(encoding="utf-8")) for line in block.splitlines()]
    first = next(k for k, line in enumerate(lines) if line.startswith(("vr1repro ", "snakemake ")))
    assert any("source .venv/bin/activate" in line for line in lines[:first])


def test_the_command_of_an_arm_makes_that_arm(repo: Path, targets: set[str]) -> None:
    path = repo / "config" / "micro.yaml"
    for name, arm in from_plan(Plan(loader.load(path)), "mine.yaml").items():
        command = Command("report", str(arm.command), whole=True)
        assert snakemake_fault(command, targets) is None
        assert command.words[-3:] == [name, "--configfile", "mine.yaml"]
