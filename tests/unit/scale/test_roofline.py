"""The roofline, against hand counts; and its table."""

from pathlib import Path

import pytest

from vr1repro.config import loader
from vr1repro.config.arms import Stage
from vr1repro.config.plan import Plan
from vr1repro.scale import roofline
from vr1repro.scale.gpus import A100, H100, H800
from vr1repro.scale.ranges import Range
from vr1repro.scale.shapes import QWEN_3B, QWEN_7B
from vr1repro.scale.table import HEAD, memory_and_time


def test_operations_of_a_forward() -> None:
    # 7B's layer: q and o of 3584 x 3584, k and v of 3584 x 512 with biases, three of 3584 x 18944, two norms.
    layer = 2 * 3584 * 3584 + 2 * 3584 * 512 + 3584 + 2 * 512 + 3 * 3584 * 18944 + 2 * 3584
    count = roofline.forward_operations(QWEN_7B, 10, scored=4, context=100, pictures=0)
    assert count == 10 * 28 * (2 * layer + 4 * 3584 * 100) + 4 * 2 * 152064 * 3584
    # A picture's token is four patches.
    seen = roofline.forward_operations(QWEN_7B, 10, scored=4, context=100, pictures=3) - count
    assert seen == 3 * 4 * 2 * 676_550_144


def test_decoding_alone_reads_all_weights_a_token() -> None:
    speed, bound = roofline.decoding(QWEN_7B, memory_left=5e10, split=1, context=1000, rows=1, share=0.6, gpu=H100)
    assert speed == pytest.approx(0.6 * 3.35e12 / (2 * 8.292e9 + 1000 * 57344), rel=1e-3)
    assert bound == "bandwidth"


def test_decoding_is_bound_by_what_memory_holds() -> None:
    # Room for ten sequences of 1000 tokens of 57 344 bytes.
    few, _ = roofline.decoding(
        QWEN_7B, memory_left=10 * 1000 * 57344, split=1, context=1000, rows=500, share=0.6, gpu=H100
    )
    one, _ = roofline.decoding(QWEN_7B, memory_left=5e10, split=1, context=1000, rows=1, share=0.6, gpu=H100)
    assert few == pytest.approx(10 * one * (2 * 8.292e9 + 57344e3) / (2 * 8.292e9 + 573440e3), rel=1e-3)


@pytest.fixture(scope="module")
def plan(repo: Path) -> Plan:
    return Plan(loader.load(repo / "config" / "paper-8gpu-7b.yaml"))


def test_a_step_follows_its_prompts_and_its_card(plan: Plan) -> None:
    rl, stage = plan.config.rl, Stage(max_tokens=4096, group=16, steps=100)
    length = Range(1000, 1000)
    step = roofline.rl_step(QWEN_7B, rl, stage, length)
    twice = roofline.rl_step(
        QWEN_7B, rl.model_copy(update={"prompts_per_step": 2 * rl.prompts_per_step}), stage, length
    )
    assert twice.update == pytest.approx(step.update.times(2))
    slower = roofline.rl_step(QWEN_7B, rl, stage, length, gpu=A100)
    assert slower.update == pytest.approx(step.update.times(989 / 312))
    # 3 x forward of 64 prompts and 1024 completions on a GPU at 26 % of its rate, network hidden.
    forward = roofline.forward_operations(
        QWEN_7B, 64 * 600 + 1024 * 1000, scored=1024 * 1000, context=600 + 500, pictures=64 * 600 * 0.8
    )
    assert step.update.low == pytest.approx(3 * forward / (989e12 * 0.26))
    assert roofline.rl_step(QWEN_7B, rl, stage, length, gpu=H800).update == step.update


def test_a_rollout_lasts_as_long_as_its_longest_row(plan: Plan) -> None:
    rl = plan.config.rl.model_copy(update={"prompts_per_step": 8})
    step = roofline.rl_step(QWEN_7B, rl, Stage(max_tokens=16384, group=4, steps=1), Range(500, 500))
    # 16 384 steps that read 16.6 GB each, and the sync.
    assert step.rollout.low == pytest.approx(16384 * 2 * 8.292e9 / (3.35e12 * 0.7) + 5, rel=1e-3)
    assert step.bound[0] == "longest row"


def test_one_gpu_has_no_network_and_shards_over_nodes_do(plan: Plan) -> None:
    sft = plan.config.sft
    alone = sft.model_copy(update={"launch": sft.launch.model_copy(update={"processes": 1})})
    wide = sft.model_copy(update={"launch": sft.launch.model_copy(update={"nodes": 4})})
    ours, theirs, one = (
        roofline.sft_gpu_seconds(QWEN_7B, settings, chains=True).low for settings in (sft, wide, alone)
    )
    # Three times 16.6 GB a row, at 50 GB/s.
    assert theirs == pytest.approx(sft.epochs * 200_000 * 3 * 2 * 8.292e9 / 50e9, rel=1e-3)
    assert one <= ours < theirs


def test_small_models_reach_less() -> None:
    assert roofline._training(QWEN_3B).high <= roofline._training(QWEN_7B).low


def test_the_table(plan: Plan, repo: Path) -> None:
    head, *rows, note = memory_and_time(plan)
    assert all(name in head for name in HEAD)
    assert [row.split("  ")[0] for row in rows] == ["Qwen2.5-VL-7B"] * len(rows)
    jobs = "\n".join(rows)
    for job in ("SFT 1 x 16384", "RL 4096 x 16", "RL 8192 x 8", "RL 16384 x 4", "evaluation"):
        assert job in jobs
    assert "84.9 GB" in note
    assert memory_and_time(Plan(loader.load(repo / "config" / "micro.yaml"))) == []
