"""`vr1repro compare` on real responses to the general benchmarks: the table of v4 Table 2 with theirs beside."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from latex_document import can_compile, compiled

from vr1repro.benchmarks.mme import COGNITION, PERCEPTION
from vr1repro.core.jsonl import write_rows

pytestmark = pytest.mark.slow

PRINTED = "Vision-R1-LlamaV-CI-11B, v4 Table 2"


def mmstar(shared: Path) -> list[dict[str, Any]]:
    text = (shared / "mmstar" / "llava_next_yi_34b.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def mme(shared: Path) -> list[dict[str, Any]]:
    """LaVIN's rows, which name no subtask, under that of their file."""
    return [
        {**json.loads(line), "category": file.stem.removeprefix("LaVIN_")}
        for file in sorted((shared / "mme").glob("LaVIN_*.jsonl"))
        for line in file.read_text().splitlines()
    ]


def rest_of_mme() -> Iterable[dict[str, Any]]:
    """Made-up rows of the subtasks of which there are no real ones: a picture each, both questions right."""
    for subtask in (*PERCEPTION, *COGNITION):
        for answer in ("Yes", "No"):
            yield {"image": "made.jpg", "question": answer, "answer": answer, "prediction": answer, "category": subtask}


def compare(out: Path, benchmark: str, rows: list[dict[str, Any]]) -> tuple[str, Path]:
    out.mkdir()
    write_rows(out / "rows.jsonl", rows)
    command = ["compare", "--responses", f"mine={out / 'rows.jsonl'}", "--benchmark", benchmark]
    published = f"published:{PRINTED.partition(',')[0]}"
    command += ["--profile", "official", "--questions", out / "rows.jsonl", "--against", published]
    done = subprocess.run(
        [sys.executable, "-m", "vr1repro.cli", *map(str, command), "--out", str(out / "compared")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, out / "compared" / "tables" / "t2.tex"


def lines_of(table: Path) -> list[list[str]]:
    rows = [line.removesuffix(r" \\").split(" & ") for line in table.read_text().splitlines() if line.endswith(r"\\")]
    return [cells for cells in rows if cells[0]]


def page_of(table: Path) -> str:
    """The table's text as pdflatex and pdftotext give it; empty where they are not here."""
    if not can_compile() or shutil.which("pdftotext") is None:
        return ""
    assert "Overfull" not in compiled(table.parent, [table.read_text()])
    pages = ["pdftotext", "-layout", "all.pdf", "-"]
    return subprocess.run(pages, cwd=table.parent, capture_output=True, text=True, check=True).stdout


def test_half_of_mmstar_stands_beside_the_printed_score(shared: Path, tmp_path: Path) -> None:
    text, table = compare(tmp_path / "mmstar", "mmstar", mmstar(shared))
    assert "  MMStar: published 61.4, yours 50.3 +- 3.6; difference -11.1 " in text
    assert "mine: 750 of 1500 questions of MMStar" in text
    assert (
        "vlmevalkit of MMStar reads an LLM's extraction; to grade so:\n    vr1repro extract --benchmark mmstar" in text
    )
    assert lines_of(table) == [["Model", "ALL"], [PRINTED, "61.4"], ["mine", r"$50.3_{\pm 3.6}$"]]
    if page := page_of(table):
        assert re.search(r"MMStar\s+Model\s+ALL\s+Vision-R1-LlamaV-CI-11B, v4 Table 2\s+61\.4\s+mine\s+50\.3", page)
        assert "750 of 1500 questions of MMStar" in " ".join(page.split())


def test_seven_subtasks_of_mme_are_no_sum_over_fourteen(shared: Path, tmp_path: Path) -> None:
    rows = mme(shared)
    text, table = compare(tmp_path / "seven", "mme", rows)
    assert "Answered, but not compared: MME sum (MME: 1400 of 2800 points were asked for)." in text
    assert not table.exists()
    real = {row["category"] for row in rows}
    scores = json.loads((shared / "mme" / "scores.json").read_text())
    points = sum(scores[name]["acc"] + scores[name]["acc_plus"] for name in real)
    whole = points + 200 * len({*PERCEPTION, *COGNITION} - real)
    made = [row for row in rest_of_mme() if row["category"] not in real]
    text, table = compare(tmp_path / "whole", "mme", [*rows, *made])
    (ours,) = re.findall(r"MME sum: published 2190, yours ([\d,.]+) \+-", text)
    assert float(ours.replace(",", "")) == pytest.approx(whole, abs=1)
    cells = lines_of(table)
    assert cells[:2] == [["Model", "sum"], [PRINTED, "2,190"]]
    assert cells[2][0] == "mine"
    if page := page_of(table):
        assert re.search(r"MME\s+Model\s+sum\s+Vision-R1-LlamaV-CI-11B, v4 Table 2\s+2,?190\s+mine\s+2,?\d{3}", page)
