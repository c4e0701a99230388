"""A kept run redrawn is the same bytes on every kind of processor that libraries can be told to take this one for.

numpy, OpenBLAS, torch, oneDNN and glibc choose their kernels by the processor; each has a variable to choose others.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__ as FEATURES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

TEXT = {".csv", ".md", ".tex", ".html", ".svg", ".js", ".json", ".css"}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
TWO_THREADS = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
OLD = {
    "NPY_DISABLE_CPU_FEATURES": " ".join(FEATURES),
    "OPENBLAS_CORETYPE": "Prescott",
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
}
PROCESSORS: dict[str, dict[str, str]] = {
    "as it is": ONE_THREAD,
    "without AVX": OLD | TWO_THREADS,
    "two threads": TWO_THREADS,
    "without AVX, one thread": OLD | ONE_THREAD,
    "without AVX512": {
        "NPY_DISABLE_CPU_FEATURES": " ".join(name for name in FEATURES if "512" in name or name == "X86_V4"),
        "OPENBLAS_CORETYPE": "Haswell",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        **ONE_THREAD,
    },
    "without FMA in glibc": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F", **ONE_THREAD},
}
CHOICES = {name for chosen in PROCESSORS.values() for name in chosen}


@pytest.fixture(scope="module")
def drawn(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Mapping[str, bytes]]:
    """The text files of the reference run, redrawn once for each kind of processor."""
    known: dict[str, dict[str, bytes]] = {}

    def draw(processor: str) -> Mapping[str, bytes]:
        if processor not in known:
            out = tmp_path_factory.mktemp("drawn")
            plain = {name: value for name, value in os.environ.items() if name not in CHOICES}
            # The page's time is of another day each time.
            environment = plain | {"SOURCE_DATE_EPOCH": "1700000000"} | PROCESSORS[processor]
            words = ["redraw", "--reference", "results/reference/micro", "--out", str(out / "micro")]
            words += ["--published", str(out / "published")]
            subprocess.run([sys.executable, "-m", "vr1repro", *words], cwd=repo, env=environment, check=True)
            paths = sorted(path for path in out.rglob("*") if path.suffix in TEXT)
            known[processor] = {path.relative_to(out).as_posix(): path.read_bytes() for path in paths}
        return known[processor]

    return draw


@pytest.mark.parametrize(
    "processor",
    [
        name if name == "without AVX" else pytest.param(name, marks=pytest.mark.verify)
        for name in PROCESSORS
        if name != "as it is"
    ],
)
def test_another_processor_writes_the_same_bytes(drawn: Callable[[str], Mapping[str, bytes]], processor: str) -> None:
    here, there = drawn("as it is"), drawn(processor)
    assert here.keys() == there.keys()
    assert {"micro/tables/t1.csv", "micro/figures/figure1.svg", "micro/report/index.html"} <= here.keys()
    assert [name for name in here if here[name] != there[name]] == []


@pytest.mark.verify
def test_the_committed_figures_are_what_the_archive_draws(
    drawn: Callable[[str], Mapping[str, bytes]], repo: Path
) -> None:
    """`make figures` changes no committed file."""
    files = {name: data for name, data in drawn("as it is").items() if not name.startswith("micro/report/")}
    assert [name for name in files if (repo / "paper_figs" / name).read_bytes() != files[name]] == []
