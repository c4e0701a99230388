"""The plan before the money: its jobs are the DAG's, its ranges follow the config, and each says what it rests on."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from vr1repro.benchmarks import lookup
from vr1repro.cluster import estimate, outlook
from vr1repro.cluster.costs import Cost, billions
from vr1repro.cluster.slurm import Partition, _gpus, _minutes
from vr1repro.config import loader
from vr1repro.config.models import HubModel
from vr1repro.config.plan import Plan
from vr1repro.scale.ranges import NOTHING

RESOURCES = {"threads": 8, "gpu": 8, "mem_mb": 900_000}
CONFIGS = ("smoke", "micro", "paper", "paper-8gpu-7b", "paper-8gpu-3b", "paper-1gpu-3b", "evaluate")


def changed(repo: Path, name: str = "paper", **sections: Any) -> dict[str, Cost]:
    values = yaml.safe_load((repo / "config" / f"{name}.yaml").read_text())
    for key, value in sections.items():
        values[key] = {**values[key], **value} if isinstance(value, dict) else value
    return {cost.name: cost for cost in estimate.estimate(Plan(loader.check(values, name)))}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_jobs_are_those_of_the_dag(repo: Path, tmp_path: Path, name: str) -> None:
    config = repo / "config" / f"{name}.yaml"
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "-q", "rules", "-s", str(repo / "Snakefile"), "--directory",
         str(tmp_path), "--configfile", str(config)],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(repo)},
    )  # fmt: skip
    (planned,) = {
        int(line.split()[1]) for line in (done.stdout + done.stderr).splitlines() if line.startswith("total ")
    }
    costs = estimate.estimate(Plan(loader.load(config)))
    assert estimate.total(costs).jobs == planned - 1  # `all` is no job


def test_the_papers_own_figures_and_their_tags(repo: Path) -> None:
    costs = changed(repo, run_arms=["ci"], take_released=["coldset"])
    # One fine-tuning of 7B for two epochs, by its shape; what v1 states stands beside it.
    assert 0.2 * 320 < costs["SFT"].gpu_hours.low < costs["SFT"].gpu_hours.high < 320
    # A model whose shape is not known: v1's time in proportion, up to the larger set that was released.
    other = changed(repo, run_arms=["llama-ci"], take_released=["coldset"])
    assert other["SFT"].gpu_hours == pytest.approx((320 * 11 / 7, 416 * 11 / 7))
    assert ("v1", "SFT of 7B: 32 H800 for about 10 hours: 320 GPU-hours for 2 epochs (4.1)") in costs["SFT"].inputs
    for name, cost in changed(repo).items():
        tags = {"calculated" if name == "extraction, judging" else "v1", "assumed"}  # v1 says nothing of its graders
        assert not cost.gpu_hours.high or {given.tag for given in cost.inputs} >= tags


def test_ranges_follow_the_config(repo: Path) -> None:
    once = changed(repo, run_arms=["vision-r1"])
    more = changed(repo, run_arms=["vision-r1"], rl={"prompts_per_step": 1024})
    # Passes take twice as long; a rollout's longest row and the sync do not.
    assert once["RL"].gpu_hours.low < more["RL"].gpu_hours.low < 2 * once["RL"].gpu_hours.low
    large = changed(repo, run_arms=["vision-r1-72b"])
    # 73.4 and 8.3 billion parameters, both bound by the network.
    assert large["SFT"].gpu_hours.low == pytest.approx(once["SFT"].gpu_hours.low * 73.4 / 8.29, rel=0.01)
    assert large["RL"].disk_gb.low > 10 * once["RL"].disk_gb.low
    assert changed(repo, take_released=["coldset"])["cold set"].gpu_hours == NOTHING
    assert changed(repo, "smoke")["RL"].gpu_hours == NOTHING


def test_hours_are_within_a_narrow_range(repo: Path) -> None:
    for name in ("paper", "paper-8gpu-7b", "paper-8gpu-3b"):
        hours = changed(repo, name, run_arms=["vision-r1"])["RL"].gpu_hours
        assert hours.high < 2.6 * hours.low


def test_checkpoints_on_the_way_with_one_seed(repo: Path) -> None:
    (text,) = [given.text for given in changed(repo, run_arms=["vision-r1"])["evaluation"].inputs
               if "first answers" in given.text]  # fmt: skip
    config = loader.load(repo / "config" / "paper.yaml")
    questions = sum(lookup.facts(slug).n_questions for slug in config.evaluation.benchmarks)
    # Eight checkpoints of 25 steps, of which the last is the arm's end; eight seeds.
    assert int(text.split()[0].replace(",", "")) == questions * (8 + 7)


def test_candidates_are_a_stage_of_their_own(repo: Path) -> None:
    cost = changed(repo, run_arms=["vision-r1", "base"])["choosing the best"]
    config = loader.load(repo / "config" / "paper.yaml")
    questions = sum(lookup.facts(slug).n_questions for slug in ("mathvista", "mathverse", "mmmath"))
    (text,) = [given.text for given in cost.inputs if "first answers" in given.text]
    # Ten in the last 50 steps, of which the end and one of Figure 1 E are evaluated anyway; then the choice.
    assert int(text.split()[0].replace(",", "")) == questions * 8
    assert cost.jobs == 8 + 1
    values = config.model_dump(mode="json")
    values["arms"]["vision-r1"]["select"] = "last"
    values["run_arms"] = ["vision-r1", "base"]
    last = {each.name: each for each in estimate.estimate(Plan(loader.check(values, "x")))}
    assert (last["choosing the best"].jobs, last["choosing the best"].inputs) == (0, [])
    once = changed(repo, run_arms=["vision-r1", "base"])
    assert once["evaluation"].gpu_hours == last["evaluation"].gpu_hours
    assert once["RL"].disk_gb.low == last["RL"].disk_gb.low
    assert once["RL"].disk_gb.high - last["RL"].disk_gb.high == pytest.approx(8 * 2 * 8.29, rel=0.01)


def test_the_api_costs_what_the_config_says(repo: Path) -> None:
    assert changed(repo)["cold set"].money is None
    values = yaml.safe_load((repo / "config" / "paper.yaml").read_text())
    values["coldset"]["reasoner"]["prices"] = {"prompt": 0, "completion": 2.0}
    (cost,) = [cost for cost in estimate.estimate(Plan(loader.check(values, "x"))) if cost.name == "cold set"]
    # v1: 360K problems, 1285 to 3566 tokens a chain (Table 4), 2 a million.
    assert cost.money == pytest.approx((0.36 * 1285 * 2, 0.36 * 3566 * 2))


def test_extraction_and_judging_are_counted(repo: Path) -> None:
    cost = changed(repo, run_arms=["base"])["extraction, judging"]
    # MathVista, MathVerse and DynaMath are extracted, MathVerse is judged.
    assert cost.jobs == 4
    assert 0 < cost.gpu_hours.low < cost.gpu_hours.high < 100
    (text,) = [given.text for given in cost.inputs if "requests" in given.text]
    sizes = {slug: lookup.facts(slug).n_questions for slug in ("mathvista", "mathverse", "dynamath")}
    # Eight seeds, two protocols: whole responses, and answers cut out that may be the same under every seed.
    extracted = (9 * sum(sizes.values()), 16 * sum(sizes.values()))
    judged = (sizes["mathverse"], 16 * sizes["mathverse"])
    least, most = (f"{(one + other) / 1e3:,.0f}" for one, other in zip(extracted, judged, strict=True))
    assert text.startswith(f"extraction, judging: {least}-{most} thousand requests")
    assert changed(repo, "smoke")["extraction, judging"].gpu_hours == NOTHING
    assert changed(repo, run_arms=["base"], graders=None)["extraction, judging"].jobs == 0


def test_an_endpoint_that_extracts_costs_what_the_config_says(repo: Path) -> None:
    values = yaml.safe_load((repo / "config" / "paper.yaml").read_text()) | {"run_arms": ["base"]}
    llm = {"kind": "model", "model": "http://127.0.0.1:9/v1", "sampler": {"kind": "openai", "model": "m"}}
    values["graders"]["llm"] = llm
    values["resources"]["graders"]["gpu"] = 0

    def money() -> Any:
        (cost,) = [one for one in estimate.estimate(Plan(loader.check(values, "x"))) if one.name.startswith("extrac")]
        assert cost.gpu_hours == NOTHING
        return cost.money

    assert money() is None
    llm["prices"] = {"prompt": 0.1, "completion": 0.4}
    once = money()
    llm["prices"] = {"prompt": 0.2, "completion": 0.8}
    assert 0 < once.low < once.high
    assert money() == pytest.approx((2 * once.low, 2 * once.high))


@pytest.mark.parametrize(
    ("name", "size"),
    [("Qwen/Qwen2.5-VL-7B-Instruct", 7), ("Qwen/Qwen2.5-VL-72B", 72), ("meta-llama/Llama-3.2-11B-Vision", 11),
     ("x/y-0.5B", 0.5), ("x/no-size", 7), ("x/2BIG", 7)],
)  # fmt: skip
def test_size_from_the_name(name: str, size: float) -> None:
    assert billions(HubModel(kind="hub", id=name, revision=None, context=1)) == size


def test_what_a_partition_lacks(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    costs = list(changed(repo).values())
    part = Partition(name="short", default=True, nodes=4, cpus=64, mem_mb=256_000, gpus=4, minutes=720)
    monkeypatch.setattr(outlook.slurm, "partitions", lambda: [part])
    monkeypatch.delenv("SLURM_PARTITION", raising=False)
    lines = outlook.cluster_lacks(costs)
    assert "RL: a job needs 8 nodes, partition short gives 4" in lines
    assert "RL: a job needs 8 GPUs a node, partition short gives 4" in lines
    assert "RL: a job needs 900000 MB of memory, partition short gives 256000" in lines
    assert "RL: a job needs 4320 minutes, partition short gives 720" in lines
    assert not any(line.startswith("grading") for line in lines)
    monkeypatch.setenv("SLURM_PARTITION", "other")
    assert outlook.cluster_lacks(costs) == ["no partition other; there are: short"]


def test_a_job_longer_than_its_run_time_is_named(repo: Path) -> None:
    costs = changed(repo, run_arms=["vision-r1-72b"], resources={"sft": {**RESOURCES, "runtime": 600}})
    (line,) = [line for line in outlook.time_limits(list(costs.values())) if line.startswith("SFT")]
    assert line.startswith("SFT: its longest job takes 31-40 h, resources allow 10 h (60 h over 3 attempts")


@pytest.mark.parametrize(
    ("gres", "count"),
    [("gpu:8", 8), ("(null)", 0), ("gpu:h100:4(S:0-1)", 4), ("gpu:a:2,gpu:b:2", 4), ("shard:16,gpu:1", 1)],
)
def test_gpus_of_a_node(gres: str, count: int) -> None:
    assert _gpus(gres) == count


@pytest.mark.parametrize(
    ("limit", "minutes"), [("infinite", None), ("3-00:00:00", 4320), ("12:00:00", 720), ("30:00", 30)]
)
def test_time_limits(limit: str, minutes: int | None) -> None:
    assert _minutes(limit) == minutes


def test_the_document_shows_todays_table(repo: Path) -> None:
    costs = list(changed(repo).values())
    assert "\n".join(outlook.table(costs)) in (repo / "docs" / "cluster.md").read_text()
