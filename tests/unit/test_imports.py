"""The floors of the house: an import goes down, never up, and never sideways on floor 3."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

FLOORS = {
    **dict.fromkeys(["core", "config", "published"], 1),
    **dict.fromkeys(["answers", "benchmarks", "problems", "engines", "lab", "cluster"], 2),
    **dict.fromkeys(["coldset", "training", "evaluation"], 3),
    "reporting": 4,
    **dict.fromkeys(["commands", "jobs", "cli", "__main__"], 5),
}


def imports(repo: Path) -> list[tuple[str, str]]:
    found = []
    for path in sorted((repo / "vr1repro").rglob("*.py")):
        parts = path.relative_to(repo / "vr1repro").with_suffix("").parts
        if parts[0] == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module] if node.module != "vr1repro" else [f"vr1repro.{a.name}" for a in node.names]
            for name in names:
                match = re.match(r"vr1repro\.(\w+)", name)
                if match and match[1] in FLOORS:
                    found.append(("/".join(parts), match[1]))
    return found


def test_imports_go_down(repo: Path) -> None:
    bad = []
    for where, target in imports(repo):
        room = where.split("/")[0]
        own, other = FLOORS[room], FLOORS[target]
        if other > own or (own == other == 3 and room != target):
            bad.append(f"{where} imports {target}")
    assert bad == []


# The shelves of the report, from the bottom up: a shelf imports those of lower floors only.
SHELVES = [["statistics"], ["run"], ["claims", "lineage"], ["tables", "figures"], ["page"], ["compare", "redraw"]]
# What each of the report's three hashes leaves out: a figure's style remakes no table, the page's code no figure.
LEFT_OUT = {
    "tables": ["figures", "page", "compare", "redraw"],
    "figures": ["tables", "claims", "page", "compare", "redraw"],
    "page": ["figures.style", "figures.build", "tables.build", "compare", "redraw"],
}


def test_the_reports_shelves_import_downwards(repo: Path) -> None:
    floors = {shelf: floor for floor, shelves in enumerate(SHELVES) for shelf in shelves}
    folder, wrong = repo / "vr1repro" / "reporting", []
    for path in sorted(folder.rglob("*.py")):
        shelf = path.relative_to(folder).with_suffix("").parts[0]
        for target in re.findall(r"vr1repro\.reporting(?:\.| import )(\w+)", path.read_text(encoding="utf-8")):
            if target != shelf and shelf != "__init__" and floors[target] >= floors[shelf]:
                wrong.append(f"{path.relative_to(repo)} imports {target}")
    assert wrong == []


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
