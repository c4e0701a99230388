from pathlib import Path

import pytest
import yaml

from vr1repro.config import loader, uses
from vr1repro.config.plan import Plan
from vr1repro.config.run import Config
from vr1repro.core.errors import UserError


@pytest.fixture
def plan(repo: Path) -> Plan:
    return Plan(loader.load(repo / "config" / "paper.yaml"))


def test_vision_r1_is_two_stages_from_ci(plan: Plan) -> None:
    assert str(plan.stage_model("vision-r1", 0, 1)) == "results/paper/train/ci/s1/sft/final"
    assert str(plan.stage_model("vision-r1", 1, 1)) == "results/paper/train/vision-r1/s1/stage1/step100"
    assert str(plan.stage_model("vision-r1", 2, 1)) == "results/paper/train/vision-r1/s1/stage2/step200"


@pytest.mark.parametrize(
    ("arm", "stage", "owner"),
    [
        ("vision-r1-stage3", 1, "vision-r1"),
        ("vision-r1-stage3", 2, "vision-r1"),
        ("vision-r1-stage3", 3, "vision-r1-stage3"),
        ("ptst-4kx16-4kx16", 1, "vision-r1"),
        ("ptst-4kx16-4kx16", 2, "ptst-4kx16-4kx16"),
        ("ptst-16kx16-16kx16", 1, "ptst-16kx16-16kx16"),
        ("zero-ptst", 1, "zero-ptst"),
        ("zero-sft-ptst", 1, "zero-sft-ptst"),
    ],
)
def test_equal_first_stages_are_shared(plan: Plan, arm: str, stage: int, owner: str) -> None:
    assert plan.stage_owner(arm, stage) == owner


def test_checkpoints_on_the_way(plan: Plan) -> None:
    assert plan.kept_steps("vision-r1", 1) == [25, 50, 75, 100]
    assert plan.kept_steps("vision-r1", 2) == [125, 150, 175, 200]
    slugs = [checkpoint.slug for checkpoint in plan.progress_checkpoints("vision-r1-stage3")]
    # The end of stage 2 is the end of Vision-R1, and is evaluated once, as that.
    assert slugs == [
        *(f"vision-r1_s1_stage1_step{step}" for step in (25, 50, 75, 100)),
        *(f"vision-r1_s1_stage2_step{step}" for step in (125, 150, 175)),
        "vision-r1_s1",
        *(f"vision-r1-stage3_s1_stage3_step{step}" for step in (225, 250, 275)),
    ]


def test_every_checkpoint_is_found_by_its_slug(plan: Plan) -> None:
    for arm in plan.config.arms:
        for checkpoint in plan.checkpoints(arm):
            assert plan.checkpoint(checkpoint.slug) == checkpoint
    with pytest.raises(UserError, match="keeps no such checkpoint"):
        plan.checkpoint("vision-r1_s1_stage1_step7")


def test_the_best_is_chosen_among_every_fifth_of_the_last_fifty_steps(plan: Plan) -> None:
    """v4 App. A: the best checkpoint among evaluations "every fifth step in the final 50 steps"."""
    tables = {"zero", "long", "vision-r1", "zero-ptst", "zero-sft-ptst"}
    tables |= {name for name in plan.config.arms if name.startswith("ptst-")}
    assert {arm for arm, _ in uses.selections(plan)} == tables
    candidates = plan.candidate_checkpoints("vision-r1", 1)
    assert [candidate.step for candidate in candidates] == [155, 160, 165, 170, 175, 180, 185, 190, 195, 200]
    # Two of them are kept anyway: one for Figure 1 E, and the end.
    assert plan.passing_steps("vision-r1", 2) == [155, 160, 165, 170, 180, 185, 190, 195]
    assert plan.passing_steps("vision-r1", 1) == []
    assert [candidate.passing for candidate in candidates] == [
        candidate.step not in (175, 200) for candidate in candidates
    ]
    assert [candidate.slug for candidate in candidates[4::5]] == ["vision-r1_s1_stage2_step175", "vision-r1_s1"]


def test_a_passing_candidate_is_asked_once_and_lies_apart(plan: Plan) -> None:
    candidate = plan.checkpoint("long_s1_stage1_step255")
    stage = "results/paper/train/long/s1/stage1"
    assert str(plan.checkpoint_model(candidate)) == f"{stage}/candidates/step255"
    assert str(plan.checkpoint_closed(candidate)) == f"{stage}/content.sha256"
    assert plan.benchmarks(candidate) == ["mathvista", "mathverse", "mmmath"]
    assert plan.evaluation(candidate).protocols == ["single"]
    assert plan.evaluation_seeds(candidate) == [1]
    kept = plan.checkpoint("long_s1_stage1_step275")
    assert str(plan.checkpoint_model(kept)) == f"{stage}/step275"
    assert plan.benchmarks(kept) == plan.config.evaluation.benchmarks
    assert plan.evaluation(kept) == plan.config.of_arm("long").evaluation


def test_an_arm_may_be_asked_under_further_protocols(repo: Path) -> None:
    """Its ends and what is on the way to them, each protocol once; no other arm, and no passing candidate."""
    plan = Plan(loader.load(repo / "config" / "smoke.yaml"))
    asked = {slug: plan.evaluation(plan.checkpoint(slug)).protocols for slug in ("base_s0", "ci_s1", "vision-r1_s1")}
    assert asked == {"base_s0": ["single"], "ci_s1": ["single"], "vision-r1_s1": ["single", "paper"]}
    assert plan.evaluation(plan.checkpoint("vision-r1_s1_stage1_step2")).protocols == ["single", "paper"]
    values = plan.config.model_dump()
    values["arms"]["ptst-4kx16-4kx16"]["further_protocols"] = ["paper", "single", "paper"]
    choosing = Plan(Config.model_validate(values))
    protocols = {
        candidate.passing: choosing.evaluation(candidate).protocols
        for candidate in choosing.candidate_checkpoints("ptst-4kx16-4kx16", 1)
    }
    assert protocols == {True: ["single"], False: ["single", "paper"]}


def test_a_shared_stage_keeps_the_candidates_of_the_arm_that_ends_with_it(plan: Plan) -> None:
    """The arm that owns the stage goes on, the arm that chooses ends there."""
    values = plan.config.model_dump()
    values["arms"] = {name: values["arms"][name] for name in ("base", "ci", "vision-r1-stage3", "vision-r1")}
    values |= {"run_arms": list(values["arms"]), "lengths": None}
    shared = Plan(Config.model_validate(values))
    assert shared.stage_owner("vision-r1", 2) == "vision-r1-stage3"
    assert shared.passing_steps("vision-r1-stage3", 2) == plan.passing_steps("vision-r1", 2)
    slugs = [candidate.slug for candidate in shared.candidate_checkpoints("vision-r1", 1)]
    assert slugs[0] == "vision-r1-stage3_s1_stage2_step155"
    assert str(shared.selected("vision-r1", 1)) == "results/paper/eval/vision-r1_s1/selected.json"


def test_a_base_model_has_no_training_seed(plan: Plan) -> None:
    (base,) = plan.final_checkpoints("base")
    assert base.slug == "base_s0"
    assert str(plan.checkpoint_model(base)) == "results/paper/models/qwen2.5-vl-7b"


def _taking(plan: Plan, *names: str) -> Plan:
    return Plan(Config.model_validate({**plan.config.model_dump(), "take_released": list(names)}))


def test_a_released_start_replaces_its_training(plan: Plan) -> None:
    taken = _taking(plan, "ci", "coldset")
    assert str(taken.start_model("ci", 1)) == "results/paper/models/released.ci"
    assert taken.model_sources()["released.ci"].kind == "hub"
    assert str(taken.coldset()) == "results/paper/released/coldset"


def test_a_released_arm_needs_no_stage(plan: Plan) -> None:
    taken = _taking(plan, "vision-r1")
    (end,) = taken.final_checkpoints("vision-r1")
    assert end.slug == "vision-r1_s0"
    assert str(taken.checkpoint_closed(end)) == "results/paper/models/released.vision-r1/content.sha256"
    assert list(taken.progress_checkpoints("vision-r1")) == []
    assert taken.candidate_checkpoints("vision-r1", 0) == []


def test_the_ablations_of_the_paper_are_arms_in_both_configs(repo: Path) -> None:
    paper, micro = (yaml.safe_load((repo / "config" / f"{name}.yaml").read_text()) for name in ("paper", "micro"))
    large = {"base-32b", "vision-r1-32b", "base-72b", "vision-r1-72b", "llama-base", "llama-ci"}
    assert set(paper["arms"]) - large == set(micro["arms"])
    for name in set(micro["arms"]) - {"zero", "long"}:
        shape = [
            [len(arms[name].get("stages", [])), [s["group"] for s in arms[name].get("stages", [])]]
            for arms in (paper["arms"], micro["arms"])
        ]
        assert shape[0] == shape[1], name
