"""A preset made small keeps what breaks things; what differs is on the list."""

from pathlib import Path

import pytest

from vr1repro.config.loader import load
from vr1repro.core.errors import UserError
from vr1repro.rehearsal import run, shrink

PRESETS = ("paper", "paper-8gpu-7b", "paper-8gpu-3b", "paper-1gpu-3b", "evaluate")
KEPT = (
    "rl.loss", "rl.updates_per_rollout", "rl.reference", "rl.share_prefix", "rl.pack", "rl.freeze_vision", "rl.beta",
    "rl.launch.zero_stage", "rl.launch.fsdp", "rl.launch.offload",
    "rl.launch.precision", "rl.launch.gradient_checkpointing",
    "rl.generation.engine", "rl.generation.correction", "rl.generation.ban_placeholders", "sft.launch.zero_stage",
    "sft.launch.precision", "sft.device_batch", "sft.freeze_vision", "evaluation.engine.kind",
)  # fmt: skip


def value(config: object, key: str) -> object:
    for name in key.split("."):
        config = getattr(config, name)
    return config


@pytest.mark.parametrize("name", PRESETS)
def test_what_breaks_things_is_kept(repo: Path, name: str) -> None:
    preset, lab = load(repo / "config" / f"{name}.yaml"), load(repo / "config" / "smoke.yaml").lab
    assert lab is not None
    small, changes = run.prepare(preset, lab)
    assert {key: value(small, key) for key in KEPT} == {key: value(preset, key) for key in KEPT}
    assert {change.key for change in changes}.isdisjoint(KEPT)
    for arm, shrunken in zip(preset.arms.values(), small.arms.values(), strict=True):
        assert [stage.group for stage in shrunken.stages] == [stage.group for stage in arm.stages]
    for launch in (small.sft.launch, small.rl.launch):
        assert (launch.nodes, launch.processes) in {(1, 1), (1, 2)}
    # The ratio of the longest row to the budget is the preset's.
    longest = max((stage.max_tokens for arm in preset.arms.values() for stage in arm.stages), default=0)
    shortened = max((stage.max_tokens for arm in small.arms.values() for stage in arm.stages), default=0)
    assert longest * small.rl.tokens_per_forward == shortened * preset.rl.tokens_per_forward


def test_a_key_off_the_list_is_refused(repo: Path) -> None:
    preset, lab = load(repo / "config" / "paper-8gpu-7b.yaml"), load(repo / "config" / "smoke.yaml").lab
    assert lab is not None
    small, _ = run.prepare(preset, lab)
    other = small.model_copy(update={"rl": small.rl.model_copy(update={"beta": 0.5})})
    with pytest.raises(UserError, match=r"rl\.beta is 0\.01 in the preset and 0\.5 in the small config"):
        shrink.changes(preset, other)


def test_the_lab_s_own_configs_are_small_already(repo: Path) -> None:
    micro = load(repo / "config" / "micro.yaml")
    assert micro.lab is not None
    with pytest.raises(UserError, match="runs on a laptop as it is"):
        run.prepare(micro, micro.lab)


@pytest.mark.parametrize(
    ("name", "arms"),
    [
        ("paper-8gpu-7b", ["vision-r1", "zero"]),
        ("evaluate", ["vision-r1"]),
    ],
)
def test_one_arm_of_each_kind_is_rehearsed(repo: Path, name: str, arms: list[str]) -> None:
    chosen = run.arms_to_rehearse(load(repo / "config" / f"{name}.yaml"))
    assert set(arms) <= set(chosen)
    assert len(chosen) == len(set(chosen))
