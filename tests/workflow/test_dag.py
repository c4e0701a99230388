"""The workflow as a dry run: what each config asks for, and what is refused before any job starts."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml


def snakemake(repo: Path, work: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "snakemake", "-s", str(repo / "Snakefile"), "--directory", str(work), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def jobs(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Rule name to number of jobs, from the last `Job stats` table of a dry run."""
    assert done.returncode == 0, done.stdout + done.stderr
    table = (done.stdout + done.stderr).rsplit("Job stats:", 1)[1].split("\n\n")[0]
    rows = [line.split() for line in table.splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


@pytest.fixture
def paper(repo: Path) -> dict[str, Any]:
    return yaml.safe_load((repo / "config" / "paper.yaml").read_text())


def write(path: Path, values: dict[str, Any]) -> str:
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return str(path)


def test_the_default_is_micro(repo: Path, tmp_path: Path) -> None:
    assert jobs(snakemake(repo, tmp_path, "-n"))["pretrain_lab_model"] == 1
    assert yaml.safe_load((tmp_path / "results/micro/config.yaml").read_text())["run"] == "micro"


def test_the_paper_is_whole_and_holds_no_micro_value(repo: Path, tmp_path: Path) -> None:
    done = snakemake(repo, tmp_path, "-n", "--configfile", str(repo / "config/paper.yaml"))
    found = jobs(done)
    assert "pretrain_lab_model" not in found
    # 7B on chains and on answers, 32B and 72B; the Llama arm is not run.
    assert found["train_sft"] == 4
    # Zero, Long, Vision-R1 2, stage 3, 4K 4K, 4K 8Kx16, 6K 8K, 16K 16K, Zero+PTST 2, Zero+SFT+PTST 2, 32B 3, 72B 3.
    assert found["train_rl_stage"] == 1 + 1 + 2 + 1 + 1 + 1 + 2 + 2 + 2 + 2 + 3 + 3
    # Table 5: four of its own, Long, Vision-R1; Table 6: Zero, Zero+PTST, Zero+SFT+PTST.
    assert found["select_checkpoint"] == 4 + 2 + 3
    # Sixteen arms' ends: MathVista, MathVerse and DynaMath are extracted, MathVerse judged.
    assert (found["extract_answers"], found["judge_answers"]) == (3 * 16, 16)
    # Table 3: Zero, CI, Long, Vision-R1.
    assert found["sample_lengths"] == 4
    resolved = yaml.safe_load((tmp_path / "results/paper/config.yaml").read_text())
    assert resolved["lab"] is None
    assert "tiny" not in str(resolved)


def test_the_drawn_graph_has_every_rule_and_what_it_waits_for(repo: Path, tmp_path: Path) -> None:
    """docs/rulegraph.svg, made by the line below it in docs/cluster.md, which needs graphviz."""
    done = snakemake(repo, tmp_path, "--rulegraph", "--configfile", str(repo / "config/paper.yaml"))
    assert done.returncode == 0, done.stderr
    drawn = (repo / "docs" / "rulegraph.svg").read_text(encoding="utf-8")
    planned = dict(re.findall(r'(\d+)\[label = "(\w+)"', done.stdout))
    shown = dict(re.findall(r"<title>(\d+)</title>.*?>(\w+)</text>", drawn, re.DOTALL))
    assert len(planned) > 10
    assert sorted(shown.values()) == sorted(planned.values())
    arrows = {(planned[one], planned[other]) for one, other in re.findall(r"(\d+) -> (\d+)", done.stdout)}
    assert {(shown[one], shown[other]) for one, other in re.findall(r"<title>(\d+)&#45;&gt;(\d+)<", drawn)} == arrows


def test_what_is_released_is_not_made(repo: Path, tmp_path: Path, paper: dict[str, Any]) -> None:
    paper |= {"take_released": ["coldset", "ci", "vision-r1"], "run_arms": ["base", "ci", "vision-r1"]}
    found = jobs(snakemake(repo, tmp_path, "-n", "--configfile", write(tmp_path / "c.yaml", paper)))
    assert not {"bridge_shard", "train_sft", "train_rl_stage"} & set(found)
    assert found["fetch_model"] == 3 + 1  # and the model that extracts and judges
    assert found["evaluate_checkpoint"] == 3
    assert found["fetch_coldset"] == 1
    # Where nothing is trained, a cold-start set is there only if it was asked for.
    paper["take_released"] = ["ci", "vision-r1"]
    found = jobs(snakemake(repo, tmp_path, "-n", "--configfile", write(tmp_path / "c.yaml", paper)))
    assert not {"bridge_shard", "fetch_coldset"} & set(found)
    assert found["make_report"] == 1


def test_a_new_arm_is_yaml_alone(repo: Path, tmp_path: Path) -> None:
    values = yaml.safe_load((repo / "config" / "smoke.yaml").read_text())
    stages = [{"max_tokens": 8, "group": 4, "steps": 2}, {"max_tokens": 16, "group": 4, "steps": 2}]
    values["arms"]["mine"] = {"label": "Mine", "start": "ci", "reward": "hard", "stages": stages}
    found = jobs(snakemake(repo, tmp_path, "-n", "mine", "--configfile", write(tmp_path / "c.yaml", values)))
    # Its first stage is Vision-R1's, so one stage of its own is added to one that is shared.
    assert found["train_rl_stage"] == 2
    assert found["evaluate_checkpoint"] == 2


@pytest.mark.parametrize("target", ["coldset", "sft", "rl", "evaluate", "tables", "figures", "report", "zero"])
def test_named_targets(repo: Path, tmp_path: Path, target: str) -> None:
    assert jobs(snakemake(repo, tmp_path, "-n", target, "--configfile", str(repo / "config/smoke.yaml")))[target] == 1


GRADERS = {
    "llm": {"kind": "model", "model": "http://127.0.0.1:9/v1", "sampler": {"kind": "openai", "model": "m"}},
    "profiles": ["official"],
}


@pytest.mark.parametrize(
    ("graders", "extract", "judge"),
    # Five arms' ends: MathVista and MathVerse read an extraction, MathVerse a judgement, MM-Math neither.
    [(None, 0, 0), (GRADERS, 10, 5), (GRADERS | {"profiles": ["lmms-eval"]}, 5, 5)],
)
def test_an_llm_is_asked_where_a_profile_reads_it(
    repo: Path, tmp_path: Path, graders: dict[str, Any] | None, extract: int, judge: int
) -> None:
    values = yaml.safe_load((repo / "config" / "smoke.yaml").read_text()) | {"graders": graders}
    found = jobs(snakemake(repo, tmp_path, "-n", "--configfile", write(tmp_path / "c.yaml", values)))
    assert (found.get("extract_answers", 0), found.get("judge_answers", 0)) == (extract, judge)
    # Seven checkpoints on these three, and one arm's end on the four general benchmarks.
    assert found["grade_benchmark"] == 7 * 3 + 4


def test_a_headline_profile_that_nobody_can_grade_is_refused_before_any_job(repo: Path, tmp_path: Path) -> None:
    values = yaml.safe_load((repo / "config" / "smoke.yaml").read_text())
    values["reporting"]["profile"] = "official"
    found = jobs(snakemake(repo, tmp_path, "-n", "--configfile", write(tmp_path / "c.yaml", values)))
    # The checkpoints on the way are then read by the LLM too: seven, on two benchmarks; three of the general benchmarks
    # have their vlmevalkit read by it.
    assert (found["extract_answers"], found["judge_answers"]) == (7 * 2 + 3, 7)
    for graders, said in (
        (None, "reporting.profile: official of mathvista needs an LLM"),
        (GRADERS | {"profiles": ["officious"]}, "graders.profiles: 'officious' is no profile"),
    ):
        values["graders"] = graders
        done = snakemake(repo, tmp_path, "-n", "--configfile", write(tmp_path / "c.yaml", values))
        assert done.returncode != 0
        assert said in done.stdout + done.stderr


def test_a_wrong_key_is_one_line_before_any_job(repo: Path, tmp_path: Path) -> None:
    values = yaml.safe_load((repo / "config" / "smoke.yaml").read_text())
    values["sft"]["epoch"] = 3
    done = snakemake(repo, tmp_path, "--cores", "1", "--configfile", write(tmp_path / "broken.yaml", values))
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "broken.yaml" in said
    assert "sft.epoch: unknown key" in said
    assert not (tmp_path / "results").exists()


def test_the_literal_profile_option_finds_the_slurm_profile(repo: Path) -> None:
    assert (repo / "slurm").is_symlink()
    profile = yaml.safe_load((repo / "slurm" / "profile.yaml").read_text())
    assert profile["executor"] == "slurm"
    assert profile["configfile"] == "config/paper.yaml"


def test_a_stage_of_another_engine_has_its_own_rule(repo: Path, tmp_path: Path) -> None:
    """An arm on each engine, and one whose stage was trained before; the rest of the workflow knows nothing of it."""
    values = yaml.safe_load((repo / "config" / "micro.yaml").read_text())
    values["starts"]["ci"]["engine"] = "llama-factory"
    adopted = tmp_path / "adopted" / "s1"
    adopted.mkdir(parents=True)
    (adopted / "content.sha256").write_text("0\n")
    for arm, said in {
        "vision-r1": {"engine": "verl", "approximate": True},
        "long": {"engine": "easyr1", "approximate": True},
        "zero": {"adopted": str(tmp_path / "adopted" / "s{seed}")},
    }.items():
        values["arms"][arm]["stages"][0] |= said
    values["run_arms"] = ["base", "ci", "zero", "long", "vision-r1"]
    done = snakemake(repo, tmp_path, "-n", "--configfile", write(tmp_path / "c.yaml", values))
    planned = jobs(done)
    rules = ("train_sft", "train_start_elsewhere", "train_stage_elsewhere", "adopt_stage", "train_rl_stage")
    # Vision-R1's second stage is trained here, from what verl's stage gives back.
    assert [planned.get(rule, 0) for rule in rules] == [0, 1, 2, 1, 1]
    assert "LLaMA-Factory 0.9.5: executed: results/micro/train/ci/s1/sft/content.sha256" in done.stdout
    for engine, path in (("verl 0.9.1", "vision-r1"), ("EasyR1 b44b311", "long")):
        line = next(
            line for line in done.stdout.splitlines() if f"train/{path}/s1/stage1/content" in line and engine in line
        )
        assert "validated, never trained" in line


def test_keys_of_other_engines_change_no_setting_of_a_run_without_them(repo: Path) -> None:
    from vr1repro.config.loader import load

    config = load(repo / "config" / "paper.yaml")
    written = [config.starts["ci"].model_dump(), config.arms["vision-r1"].stages[0].model_dump()]
    assert not {"engine", "adopted", "approximate"} & {key for values in written for key in values}
