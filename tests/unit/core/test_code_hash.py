"""Which edits change the hash of a job's code."""

from pathlib import Path

import pytest

from vr1repro.benchmarks import lookup
from vr1repro.core import benchmark_folders, code_hash
from vr1repro.core.errors import UserError
from vr1repro.jobs import JOBS


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package named vr1repro of three modules: a imports b inside a function, c stands alone."""
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "a.py").write_text('"""Doc."""\ndef f():\n    from vr1repro import b\n    return b.x\n')
    (tmp_path / "b.py").write_text("x = 1\n")
    (tmp_path / "c.py").write_text("y = 1\n")
    monkeypatch.setattr(code_hash, "PACKAGE", tmp_path)
    return tmp_path


def _hash() -> str:
    code_hash.code_hash.cache_clear()
    code_hash._bare_tree.cache_clear()
    code_hash._module_hash.cache_clear()
    return code_hash.code_hash("vr1repro.a")


@pytest.mark.parametrize(
    ("file", "text", "changes"),
    [
        ("a.py", '"""Other doc."""\ndef f():\n    # a comment\n    from vr1repro import b\n    return b.x\n', False),
        ("a.py", '"""Doc."""\ndef f():\n    from vr1repro import b\n    return b.x + 1\n', True),
        ("b.py", "x = 2\n", True),
        ("c.py", "y = 2\n", False),
    ],
)
def test_code_hash(package: Path, file: str, text: str, changes: bool) -> None:
    before = _hash()
    (package / file).write_text(text)
    assert (_hash() != before) is changes


def test_code_hash_of_an_unknown_module(package: Path) -> None:
    with pytest.raises(UserError, match="no such module"):
        code_hash.code_hash("vr1repro.nothing")


def test_packages_above_a_module_count_and_what_is_outside_does_not() -> None:
    modules = code_hash.closure(["vr1repro.jobs.grade"])
    assert {"vr1repro.jobs", "vr1repro.jobs.common", "vr1repro.evaluation", "vr1repro.evaluation.grading"} <= modules
    assert not [name for name in modules if name.startswith(("vr1repro.config", "vr1repro.cli", "vr1repro.commands"))]


@pytest.mark.parametrize("job", JOBS)
def test_every_job_is_hashed_by_module(job: str) -> None:
    hashes = code_hash.module_hashes(JOBS[job])
    assert JOBS[job] in hashes
    assert all(len(sha) == 16 for sha in hashes.values())


GRADERS = (
    *("vr1repro.answers.extract", "vr1repro.answers.grade", "vr1repro.answers.compare", "vr1repro.evaluation.grading"),
    *("vr1repro.benchmarks.scoring", "vr1repro.benchmarks.mathvista", "vr1repro.lab", "vr1repro.engines.endpoint"),
)
# What an edit must not remake: (job, beginnings of modules that its hash must not cover).
SEPARATE = [
    ("evaluate", ("vr1repro.answers.grade", "vr1repro.benchmarks.scoring", "vr1repro.evaluation.grading")),
    ("evaluate", ("vr1repro.engines.vllm", "vr1repro.engines.endpoint", "vr1repro.engines.transformers")),
    ("evaluate", ("vr1repro.evaluation.graders", "vr1repro.evaluation.llm", "vr1repro.evaluation.extract_and_judge")),
    ("extract", GRADERS),
    ("judge", GRADERS),
    ("bridge", ("vr1repro.answers", "vr1repro.coldset.filters", "vr1repro.coldset.polish", "vr1repro.engines.vllm")),
    ("bridge", ("vr1repro.engines.endpoint", "vr1repro.engines.transformers", "vr1repro.lab")),
    ("coldset", ("vr1repro.engines", "vr1repro.coldset.bridge")),
    ("grade", ("vr1repro.benchmarks.mathvista", "vr1repro.benchmarks.mathvision", "vr1repro.engines")),
    ("tables", ("vr1repro.reporting.figures", "vr1repro.reporting.page", "vr1repro.evaluation.run")),
    ("figures", ("vr1repro.reporting.tables", "vr1repro.reporting.page")),
    ("report", ("vr1repro.training", "vr1repro.engines", "vr1repro.coldset.bridge")),
    ("sft", ("vr1repro.evaluation", "vr1repro.reporting", "vr1repro.coldset")),
    ("rl", ("vr1repro.evaluation", "vr1repro.reporting", "vr1repro.coldset", "vr1repro.benchmarks")),
]


@pytest.mark.parametrize(("job", "apart"), SEPARATE)
def test_a_job_is_not_remade_by_what_it_does_not_use(job: str, apart: tuple[str, ...]) -> None:
    assert [name for name in code_hash.closure([JOBS[job]]) if name.startswith(apart)] == []


@pytest.mark.parametrize("slug", lookup.slugs())
def test_a_benchmarks_scorers_are_apart_from_its_llms_stages(slug: str) -> None:
    """An edit to a scorer grades again, and samples, extracts and judges nothing."""
    scorers = code_hash.closure(lookup.scoring_modules(slug))
    stages = code_hash.closure([*lookup.extraction_modules(slug), *lookup.sampling_modules(slug), JOBS["extract"]])
    folder = benchmark_folders.folder_of(slug)
    names = [name for name in ("profiles", "official", "rule", "peers") if (folder / f"{name}.py").exists()]
    assert {f"vr1repro.benchmarks.{slug}.{name}" for name in names} <= scorers - stages
