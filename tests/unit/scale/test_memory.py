"""States, engines, host and disk, against figures computed by hand from numbers of parameters."""

import dataclasses
from pathlib import Path

import pytest
from fake_memory import vision_peak

from vr1repro.config import loader
from vr1repro.config.training import Launch
from vr1repro.scale import memory
from vr1repro.scale.activations import vision_pass
from vr1repro.scale.shapes import QWEN_3B, QWEN_7B

N, TOWER = 8_292_166_656, 676_550_144  # parameters of Qwen2.5-VL-7B, and of its vision tower


def launch(**changes: object) -> Launch:
    values = {"nodes": 1, "processes": 8, "zero_stage": 3, "precision": "bf16", "gradient_checkpointing": True}
    return Launch.model_validate({**values, **changes})


def test_zero_3_shards_everything() -> None:
    held = memory.states(QWEN_7B, launch(), freeze_vision=True, reference=True)
    trained = N - TOWER
    assert held.weights == held.reference == 2 * N // 8
    assert held.optimizer == 12 * trained // 8
    assert held.gradients == pytest.approx(4 * trained / 8, rel=0.03)  # and two buckets of 3584 x 3584
    # DeepSpeed keeps up to a billion parameters gathered, and the largest module, which is the head.
    assert held.gathered == 2 * (10**9 + 152064 * 3584)


def test_offloaded_states_are_on_the_host() -> None:
    alone = launch(processes=1, offload=True)
    held = memory.states(QWEN_3B, alone, freeze_vision=False, reference=True)
    n = QWEN_3B.parameters
    # bf16 weights of the policy and of the reference, two buckets of 2048 x 2048.
    assert (held.weights, held.reference, held.optimizer, held.gathered) == (2 * n, 2 * n, 0, 0)
    assert held.gradients == 2 * 2048**2 * 4
    # Weights while they are saved; fp32 weights, two moments and gradients; a process.
    assert memory.host_bytes(QWEN_3B, alone, freeze_vision=False) == 2 * n + 16 * n + 4 * 10**9


def test_each_process_loads_all_weights_under_fsdp() -> None:
    fsdp = launch(zero_stage=0, fsdp=True)
    assert memory.host_bytes(QWEN_7B, fsdp, freeze_vision=False) == 8 * 2 * N + 8 * 4 * 10**9


def test_zero_2_shards_moments_and_gradients() -> None:
    held = memory.states(QWEN_7B, launch(zero_stage=2), freeze_vision=False, reference=True)
    assert (held.weights, held.reference, held.optimizer) == (2 * N, 2 * N, 12 * N // 8)
    # Two buckets of half a billion in bf16, and one in fp32 for the way.
    assert held.gradients == 4 * N // 8 + 5 * 10**8 * (2 * 2 + 4)


def test_fsdp_keeps_fp32() -> None:
    held = memory.states(QWEN_7B, launch(zero_stage=0, fsdp=True), freeze_vision=False, reference=True)
    assert (held.weights, held.optimizer, held.gradients, held.reference) == (4 * N // 8, N, 4 * N // 8, 4 * N // 8)


def test_one_gpu_holds_all() -> None:
    alone = launch(processes=1, zero_stage=0)
    held = memory.states(QWEN_3B, alone, freeze_vision=False)
    n = QWEN_3B.parameters
    # fp32 weights with autocast's bf16 copies, moments, gradients.
    assert held.total == (6 + 8 + 4) * n
    assert memory.states(QWEN_3B, alone.model_copy(update={"precision": "fp32"}), freeze_vision=False).total == 16 * n


def test_keys_and_values() -> None:
    # findings of the review: 56 KiB a token of 7B.
    assert memory.key_value_bytes(QWEN_7B) == 56 * 1024
    # Two heads over four cards: each holds one.
    needs = memory.engine_needs(QWEN_3B, split=4, context=1000)
    assert needs["keys and values"] == 1000 * 36 * 128 * 2 * 2
    assert needs["weights"] == 2 * QWEN_3B.parameters // 4


def test_disk_of_checkpoints() -> None:
    # 12 bytes of fp32 weights and moments, two copies of bf16 weights: 133 GB at 7B; up to three at once.
    assert memory.resume_bytes(QWEN_7B, launch(), freeze_vision=False) == 16 * N
    assert memory.resume_disk(QWEN_7B, launch(), freeze_vision=False) == 48 * N
    assert memory.resume_disk(QWEN_7B, launch(save_every=0), freeze_vision=False) == 0
    assert memory.kept_bytes(QWEN_7B, launch()) == 2 * N
    assert memory.kept_bytes(QWEN_7B, launch(zero_stage=0, fsdp=True)) == 4 * N


def test_pictures_of_a_rollout(repo: Path) -> None:
    config = loader.load(repo / "config" / "paper-8gpu-7b.yaml")
    stage = config.arms["vision-r1"].stages[0]

    def update(share: bool, pixels: int) -> dict[str, int]:
        rl = config.rl.model_copy(update={"share_prefix": share})
        peaks = memory.rl_peaks(QWEN_7B, rl, stage, pixels=pixels)
        return {peak.phase: peak for peak in peaks}["update"].parts

    # TRL keeps 512 x 16 / 8 completions' pictures: 196 pixels a patch, 1176 fp32 values.
    between = (4194304 // 196 - 262144 // 196) * 1024 * 1176 * 4
    assert update(False, 10**9)["pictures"] - update(False, 1)["pictures"] == between
    # A table on the host leaves a piece's: 2 prompts fill 32768 tokens, each 4096 x 28 x 28 pixels at most.
    assert update(True, 10**9) == update(True, 1)
    assert memory.rollout_pictures_on_host(config.rl, stage, pixels=10**9) == 512 * (4194304 // 196) * 1176 * 4


@pytest.mark.verify
@pytest.mark.parametrize("grad", [True, False])
def test_the_vision_tower(grad: bool) -> None:
    # Written on 4 blocks and 32 x 48 and 64 x 64 patches, through real tensors.
    shape = dataclasses.replace(QWEN_7B, vision=dataclasses.replace(QWEN_7B.vision, depth=3))
    kept, working = vision_pass(shape, 24 * 32, grad=grad)
    assert kept + working == pytest.approx(vision_peak(shape, 24, 32, grad=grad), rel=0.10)
