"""docs/fidelity.md has a row for each of the audit's and names tests that are there; README agrees with configs."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import yaml

from vr1repro.config.docs import sections

ROWS = 46
STATES = {"true", "mended", "otherwise", "unknown"}
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| (\w+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@cache
def functions_of(path: Path) -> frozenset[str]:
    """The names of the test functions of a file; none of a file that is not there."""
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def absent(page: str, repo: Path) -> list[str]:
    """The tests that a page names and that are not there."""
    named = TEST.findall(page)
    return [
        f"{path}::{name}"
        for path, name in named
        if not (repo / path).is_file() or name not in functions_of(repo / path)
    ]


@pytest.fixture(scope="module")
def page(repo: Path) -> str:
    return (repo / "docs" / "fidelity.md").read_text(encoding="utf-8")


def test_every_row_of_the_audit_has_a_state_and_tests(page: str) -> None:
    rows = ROW.findall(page)
    assert [int(number) for number, *_ in rows] == list(range(1, ROWS + 1))
    states = Counter(state for _, _, state, _, _ in rows)
    assert set(states) == STATES
    for number, _, state, holds, tests in rows:
        named = TEST.findall(tests)
        assert named, f"row {number} names no test"
        assert "".join(TEST.split(tests)[::3]).strip(", ") == "", f"row {number} names something that is no test"
        assert len(holds) > 10, number
        assert state != "unknown" or re.search("not (stated|described)", holds, re.IGNORECASE), number


def test_every_test_that_is_named_is_there(page: str, repo: Path) -> None:
    assert absent(page, repo) == []


@pytest.mark.parametrize(
    "name",
    [
        "tests/unit/test_fidelity.py::test_that_is_not_there",
        "tests/unit/no_such_file.py::test_value",
        "tests/unit/answers/test_reward.py::test_valu",
    ],
)
def test_a_test_that_is_not_there_is_seen(name: str, repo: Path) -> None:
    assert absent(f"`{name}`", repo) == [name]


def test_the_reward_is_cited_by_its_section(repo: Path) -> None:
    """v1 and v4 have it in 3.4; 3.3.2 is about overthinking."""
    texts = [(repo / "vr1repro" / name).read_text() for name in ("answers/reward.py", "config/reward.py")]
    texts.append(next(doc for section in sections() if "HFRRF" in (doc := str(section.__doc__)) or "hard f" in doc))
    assert all("3.4" in text and "3.3.2" not in text for text in texts)


def test_the_readme_says_what_the_configs_say(repo: Path) -> None:
    readme = " ".join((repo / "README.md").read_text(encoding="utf-8").split())
    micro = yaml.safe_load((repo / "config" / "micro.yaml").read_text())
    assert (len(micro["run_arms"]), len(micro["arms"])) == (7, 12)
    assert "It runs seven of its twelve arms" in readme
    (hours,) = re.findall(r"\| Vision-R1, Zero, Long[^|]+\|([^|]+)\|", readme)
    assert hours.strip() == "64 H800, about 2 days (said of Vision-R1 alone)"  # v1 section 4.1
    (cold,) = re.findall(r"\| Vision-R1-CI \|([^|]+)\|", readme)
    assert cold.strip() == "32 H800, about 10 hours"
    assert "all but those of the Llama arm)" in readme


@pytest.mark.parametrize(
    "named",
    [
        "`seeds.training`", "`arms.<name>.stages[].steps`", "`arms.vision-r1-*2b.stages*`",
        "`arms.zero*.system_prompt`",
        "`benchmarks.dynamath.id`", "`rl.generation.correction`", "`sft.max_image_pixels`", "`rl.max_image_pixels`",
        "`lengths.problems`", "`selection.benchmarks`", "`coldset.reasoner.model`", "`evaluation.prompts`",
        "The Pseudo-CoT prompt is ours", "Optimizer and learning-rate schedule start afresh at a stage border",
        "The arms of Vision-R1-Zero are evaluated with the system prompt", "repetition penalty", "The Llama arm",
        "How the general benchmarks of v4 Table 2",
    ],
)  # fmt: skip
def test_what_the_audit_missed_among_the_deviations_is_there(repo: Path, named: str) -> None:
    assert named in " ".join((repo / "docs" / "DEVIATIONS.md").read_text(encoding="utf-8").split())
