"""The smoke experiment for real: every stage to the report, then nothing is left to do, and an edit reruns its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_smoke_from_problems_to_report(repo: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "snakemake", "-s", str(repo / "Snakefile"), "--directory", str(tmp_path)]
    command += ["--cores", "1", "--configfile", str(repo / "config" / "smoke.yaml")]

    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    logs = "\n".join(f"{path}:\n{path.read_text()[-1500:]}" for path in tmp_path.rglob("logs/**/*.log"))
    assert done.returncode == 0, done.stderr[-3000:] + logs

    root = tmp_path / "results" / "smoke"
    assert (root / "report" / "index.html").stat().st_size > 10_000
    assert {path.suffix for path in (root / "figures").glob("figure1.*")} == {".pdf", ".svg", ".png"}
    for slug in ("base_s0", "ci_s1", "zero_s1", "vision-r1_s1", "ptst-4kx16-4kx16_s1"):
        summary = json.loads((root / "eval" / slug / "responses.json").read_text())
        for figures in (entry["figures"] for entry in summary.values()):
            assert (figures["unknown_tokens"], figures["grid_mismatches"], figures["refused"]) == (0, 0, 0)

    again = subprocess.run([*command, "-n"], capture_output=True, text=True, env=environment, check=False)
    assert "Nothing to be done" in again.stdout + again.stderr

    kept, drawn = tmp_path / "kept", tmp_path / "drawn"
    for words in (
        ["keep", "--config", str(root / "config.yaml"), "--out", str(kept)],
        ["redraw", "--reference", str(kept), "--out", str(drawn)],
    ):
        # From the archive alone, and without torch.
        code = "import sys; sys.modules['torch'] = None\nfrom vr1repro.cli import main\nmain()"
        subprocess.run([sys.executable, "-c", code, *words], check=True, cwd=tmp_path, env=environment)
    for folder in ("tables", "figures"):
        made = {path.name: path.read_bytes() for path in (root / folder).iterdir() if path.name != "manifest.json"}
        assert made == {path.name: path.read_bytes() for path in (drawn / folder).iterdir()}
