"""The environments of --sdm conda and --sdm apptainer install the hash-pinned files, which are there and whole."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml


def pins(path: Path) -> dict[str, int]:
    """Package to number of hashes."""
    logical = path.read_text().replace("\\\n", " ").splitlines()
    lines = [line for line in logical if line.strip() and not line.lstrip().startswith("#")]
    found = {}
    for line in lines:
        match = re.match(r"([\w.\[\],-]+)==([\w.+!]+) ", line)
        assert match, line
        found[match[1].split("[")[0]] = line.count("--hash=sha256:")
    return found


@pytest.mark.parametrize("name", ["cluster", "micro", "report", "test"])
def test_every_package_is_pinned_by_hash(repo: Path, name: str) -> None:
    found = pins(repo / "envs" / f"{name}.txt")
    assert len(found) > 30
    assert all(found.values())


def test_a_cluster_has_what_it_needs_and_the_tables_need_no_torch(repo: Path) -> None:
    assert {"torch", "vllm", "deepspeed", "snakemake-executor-plugin-slurm"} <= set(pins(repo / "envs/cluster.txt"))
    assert "torch" not in pins(repo / "envs/report.txt")


def test_every_rule_names_an_environment_that_is_there(repo: Path) -> None:
    named = set(re.findall(r'_ENV = "\.\./\.\./(envs/[\w.]+)"', (repo / "workflow/rules/common.smk").read_text()))
    assert named == {"envs/cluster.yaml", "envs/report.yaml"}
    for name in named:
        values = yaml.safe_load((repo / name).read_text())
        assert "python =3.11" in values["dependencies"]
        assert (repo / name).with_suffix("").with_suffix(".post-deploy.sh").is_file()


@pytest.mark.parametrize("name", ["cluster", "report"])
def test_the_script_installs_its_own_file_and_refuses_another(repo: Path, tmp_path: Path, name: str) -> None:
    # A pip that notes what it was asked: 5 GB of packages are not installed for this.
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    (tmp_path / "bin" / "python").chmod(0o755)
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / f"{name}.txt").write_bytes((repo / "envs" / f"{name}.txt").read_bytes())
    environment = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    command = ["sh", str(repo / "envs" / f"{name}.post-deploy.sh")]
    assert subprocess.run(command, cwd=tmp_path, env=environment, check=False).returncode == 0
    asked = (tmp_path / "asked").read_text()
    assert f"--require-hashes --requirement envs/{name}.txt" in asked
    (tmp_path / "envs" / f"{name}.txt").write_text("other==1")
    assert subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True).returncode != 0


def test_the_image_takes_files_that_are_there(repo: Path) -> None:
    text = (repo / "envs" / "apptainer.def").read_text()
    taken = re.search(r"%files\n((?:    .+\n)+)", text)
    assert taken
    for line in taken[1].splitlines():
        assert (repo / line.split()[0]).exists(), line
    assert "--require-hashes --requirement envs/cluster.txt" in text
