"""The documents name what is there: every relative link leads somewhere, and the map is the tree."""

import re
import subprocess
from pathlib import Path

import pytest

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def documents(repo: Path) -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    names = subprocess.run(command, cwd=repo, capture_output=True, text=True, check=True).stdout.split()
    return [repo / name for name in names if (repo / name).exists()]


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub makes of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_relative_link_leads_somewhere(repo: Path) -> None:
    broken, seen = [], 0
    for document in documents(repo):
        for target in LINK.findall(FENCE.sub("", document.read_text(encoding="utf-8"))):
            if re.match(r"[a-z]+:", target):
                continue
            seen += 1
            name, _, anchor = target.partition("#")
            path = document.parent / name if name else document
            if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
                broken.append(f"{document.relative_to(repo)}: {target}")
    assert broken == []
    assert seen > 50


def test_the_map_names_every_folder_of_the_package_once(repo: Path) -> None:
    page = (repo / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| \d \| `([\w/]+)` \|", page, re.MULTILINE)
    folders = {path.parent.relative_to(repo).as_posix() for path in (repo / "vr1repro").rglob("__init__.py")}
    assert sorted(named) == sorted(folders - {"vr1repro"})


@pytest.mark.parametrize(
    "document", ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/paper-map.md", "docs/glossary.md"]
)
def test_paths_in_backticks_are_there(document: str, repo: Path) -> None:
    text = FENCE.sub("", (repo / document).read_text(encoding="utf-8"))
    starts = "vr1repro|tests|docs|config|workflow|bench|examples|envs|paper_figs"
    names = [name for name in re.findall(rf"`((?:{starts})/[\w./-]*)`", text) if "<" not in name]
    assert [name for name in names if not (repo / name).exists()] == []


def test_every_decision_is_listed(repo: Path) -> None:
    folder = repo / "docs" / "decisions"
    listed = LINK.findall((folder / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(path.name for path in folder.glob("[0-9]*.md"))
    for name in listed:
        text = (folder / name).read_text(encoding="utf-8")
        parts = re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequences", "Evidence"], name
