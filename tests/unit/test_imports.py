"""Imports go down: no circle between modules or folders, and a floor for every folder."""

import subprocess
import sys
from pathlib import Path

import pytest
from import_graph import Package, between, circle, not_downwards

# Rooms by floor, the lowest first. A room imports those of its own floor too, but on floor 3 and never in a circle.
FLOORS = [
    ["core", "config", "published"],
    ["answers", "benchmarks", "problems", "engines", "lab", "scale", "cluster"],
    ["coldset", "training", "evaluation"],
    ["reporting", "cards", "handover"],
    ["commands", "jobs", "rehearsal", "cli", "__main__"],
]
# The report's shelves by floor: a shelf imports those of lower floors only.
SHELVES = [
    *(["statistics"], ["run"], ["claims", "lineage", "logged"], ["tables", "figures"], ["page"]),
    ["compare", "redraw", "draw_logs"],
]
# What each of the report's three hashes leaves out: a figure's style remakes no table, the page's code no figure.
LEFT_OUT = {
    "tables": ["figures", "page", "compare", "redraw", "logged", "draw_logs"],
    "figures": ["tables", "claims", "page", "compare", "redraw", "logged", "draw_logs"],
    "page": ["figures.style", "figures.build", "tables.build", "compare", "redraw", "logged", "draw_logs"],
}
# Modules that name others and load none of them, so that the names are no arrows.
NAMES_ONLY = {
    "vr1repro.core.code_hash": "the beginnings of names that no hash covers",
    "vr1repro.core.benchmark_folders": "it makes the names that vr1repro.benchmarks.lookup loads",
}
# Modules that load others by names which stand elsewhere, and the beginnings of the names of those.
LOADED_BY_NAME = {
    "vr1repro.benchmarks.lookup": [
        f"vr1repro.benchmarks.{slug}"
        for slug in (
            *(
                "chartqa",
                "dynamath",
                "hallusionbench",
                "mathverse",
                "mathvision",
                "mathvista",
                "mme",
                "mmmath",
                "mmstar",
            ),
        )
    ],
    "vr1repro.cli": ["vr1repro.commands"],
    "vr1repro.problems.lookup": ["vr1repro.problems.adapters"],
    "vr1repro.coldset.sampled": ["vr1repro.engines.server"],
    "vr1repro.evaluation.graders": ["vr1repro.engines.server", "vr1repro.lab.grader"],
    "vr1repro.core.exports": [],  # a package calls it and names its own modules
    "vr1repro.jobs.warm.server": [],  # the job's client names the program (vr1repro.__main__)
}
# Modules that load others by names which all stand in them.
LOADS_WHAT_IT_NAMES = {
    "vr1repro.answers.grade",
    "vr1repro.coldset.models",
    "vr1repro.engines.load",
    "vr1repro.jobs",
}


@pytest.fixture(scope="module")
def package(repo: Path) -> Package:
    return Package.read(repo / "vr1repro")


@pytest.fixture(scope="module")
def arrows(package: Package) -> set[tuple[str, str]]:
    by_name = {
        (source, target)
        for source, beginnings in LOADED_BY_NAME.items()
        for target in package.files
        if target != source and any(f"{target}.".startswith(f"{beginning}.") for beginning in beginnings)
    }
    return package.arrows(names_only=NAMES_ONLY) | by_name


def test_modules_import_each_other_in_no_circle(arrows: set[tuple[str, str]]) -> None:
    assert circle(arrows) == []


def test_the_folders_of_a_folder_import_each_other_in_no_circle(package: Package, arrows: set[tuple[str, str]]) -> None:
    folders = [name for name, path in package.files.items() if path.name == "__init__.py"]
    assert {name: found for name in folders if (found := circle(between(arrows, name)))} == {}


def test_every_room_has_a_floor_and_every_shelf(package: Package) -> None:
    assert package.children("vr1repro") == {room for floor in FLOORS for room in floor}
    assert package.children("vr1repro.reporting") == {shelf for floor in SHELVES for shelf in floor}


def test_rooms_import_downwards(arrows: set[tuple[str, str]]) -> None:
    floors = {room: number for number, rooms in enumerate(FLOORS, 1) for room in rooms}
    wrong = [
        f"{source} -> {target}"
        for source, target in sorted(between(arrows, "vr1repro"))
        if floors[target] > floors[source] or floors[target] == floors[source] == 3
    ]
    assert wrong == []


def test_the_reports_shelves_import_downwards(arrows: set[tuple[str, str]]) -> None:
    assert not_downwards(arrows, "vr1repro.reporting", SHELVES) == []


def test_a_module_that_loads_others_by_name_is_known(package: Package) -> None:
    assert package.loads_by_name() == LOADED_BY_NAME.keys() | LOADS_WHAT_IT_NAMES
    assert not package.loads_by_name() & NAMES_ONLY.keys()


@pytest.mark.parametrize("kind", list(LEFT_OUT))
def test_tables_figures_and_page_have_code_of_their_own(kind: str) -> None:
    code = f"import sys, vr1repro.reporting.{kind}.build; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    left_out = tuple(f"vr1repro.reporting.{name}" for name in LEFT_OUT[kind])
    assert [name for name in done.stdout.split() if name.startswith(left_out)] == []


@pytest.mark.parametrize("command", [["--help"], ["grade", "--help"], ["check", "config/micro.yaml"]])
def test_light_commands_import_no_torch(repo: Path, command: list[str]) -> None:
    code = (
        "import sys; from vr1repro import cli; sys.argv[1:] = " + repr(command) + "\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "assert not {'torch', 'transformers', 'trl', 'lm_eval', 'matplotlib'} & set(sys.modules), 'heavy import'"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
