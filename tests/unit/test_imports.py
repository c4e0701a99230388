"""The floors of the house: an import goes down, never up, and never sideways on floor 3."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

FLOORS = {
    **dict.fromkeys(["core", "config", "published"], 1),
    **dict.fromkeys(["answers", "problems", "engines", "lab", "cluster"], 2),
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


@pytest.mark.parametrize("command", [["--help"], ["grade", "--help"], ["check", "config/micro.yaml"]])
def test_light_commands_import_no_torch(repo: Path, command: list[str]) -> None:
    code = (
        "import sys; from vr1repro import cli; sys.argv[1:] = " + repr(command) + "\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "assert not {'torch', 'transformers', 'trl', 'lm_eval', 'matplotlib'} & set(sys.modules), 'heavy import'"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
