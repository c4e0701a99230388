"""Arms as the report sees them, from the shipped configs."""

from pathlib import Path

import pytest

from vr1repro.config.loader import load
from vr1repro.config.plan import Plan
from vr1repro.published import load_values
from vr1repro.reporting.run.arms import from_plan


@pytest.mark.parametrize("scale", ["micro", "paper"])
def test_arms_of_the_shipped_configs(repo: Path, scale: str) -> None:
    arms = from_plan(Plan(load(repo / "config" / f"{scale}.yaml")), f"config/{scale}.yaml")
    assert arms["ci"].parent == "ci"
    assert arms["zero"].parent == "base"
    assert arms["long"].parent == "ci"
    assert len(arms["vision-r1"].stages) == 2
    third = arms["vision-r1-stage3"].stages
    assert [stage.owner for stage in third] == ["vision-r1", "vision-r1", "vision-r1-stage3"]
    assert third[0].last_step < third[1].last_step < third[2].last_step == arms["vision-r1-stage3"].last_step
    assert arms["zero"].command == f"snakemake --cores all zero --configfile config/{scale}.yaml"


def test_every_published_arm_is_in_the_papers_config(repo: Path) -> None:
    arms = from_plan(Plan(load(repo / "config" / "paper.yaml")))
    wanted = {value.target.arm for value in load_values() if value.target is not None and value.target.arm}
    assert wanted <= set(arms)


def test_a_config_may_lack_arms_of_the_paper(repo: Path) -> None:
    arms = from_plan(Plan(load(repo / "config" / "smoke.yaml")))
    assert {"base", "ci", "vision-r1"} <= set(arms)


def test_a_tuned_start_knows_the_model_before(repo):
    arms = from_plan(Plan(load(repo / "config" / "paper.yaml")))
    assert {name: arm.tuned_from for name, arm in arms.items() if arm.tuned_from} == {
        "ci": "base",
        "llama-ci": "llama-base",
    }
