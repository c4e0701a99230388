"""Eleven impossible configs are refused with the number that is wrong; five vary by a fixed seed from a valid one.

Expected figures are computed here by hand, from the model card's and the cards' numbers, not by the package.
"""

import random
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from vr1repro.cli import app
from vr1repro.config import loader
from vr1repro.config.plan import Plan
from vr1repro.scale.limits import disk_bytes, impossible, splits
from vr1repro.scale.shapes import QWEN_3B, QWEN_7B, QWEN_32B, QWEN_72B

SEVEN = 8.292_166_656e9  # parameters of Qwen2.5-VL-7B
GPU = 79.1 * 2**30
FREE = GPU - 6e9
# A token of SFT's backward pass: inputs of 28 layers; of the layer that is computed again four feed-forward tensors,
# two norms of (fp32 + 2 bf16), queries, the sum before the second norm, keys and values of 4 heads, attention's output
# with its 28 log-sums; then a gradient and two more feed-forward tensors; sine and cosine.
SFT_TOKEN = (
    28 * 3584 * 2 + 4 * 18944 * 2 + 2 * 3584 * 8 + 2 * 3584 * 2 + 2 * 512 * 2 + 3584 * 2 + 28 * 4
    + 3584 * 2 + 2 * 18944 * 2 + 2 * 128 * 2
)  # fmt: skip


def changed(repo: Path, *changes: tuple[str, Any], name: str = "paper-8gpu-7b") -> list[str]:
    """Messages about a preset with some keys changed; the sampler leaves the trainer's states their room."""
    values = yaml.safe_load((repo / "config" / f"{name}.yaml").read_text())
    for path, value in (("rl/generation/gpu_memory_utilization", 0.6), *changes):
        *sections, key = path.split("/")
        section = values
        for part in sections:
            section = section[part]
        section[key] = value
    return impossible(loader.check(values, name))


def the_message(messages: list[str], key: str) -> str:
    (message,) = {message for message in messages if message.startswith(f"{key}:")}
    return message


def gigabytes(message: str) -> list[float]:
    return [float(size) for size in re.findall(r"([\d.]+) GB\b", message.replace(" 80GB", ""))]


def close(size: float) -> Any:
    """Within what is printed."""
    return pytest.approx(size / 1e9, abs=0.11)


def test_the_preset_that_is_varied_is_possible(repo: Path) -> None:
    assert changed(repo) == []


def test_splits_of_the_models() -> None:
    # 28 heads and 4 of keys; 3420 = 4 x 855; 3456 = 128 x 27.
    assert [splits(shape) for shape in (QWEN_3B, QWEN_7B, QWEN_32B, QWEN_72B)] == [
        [1, 2, 4], [1, 2, 4], [1, 2, 4, 8], [1, 2, 4, 8]
    ]  # fmt: skip


def test_heads_that_do_not_divide(repo: Path) -> None:
    split = {"kind": "vllm", "tensor_parallel": 8}
    message = the_message(
        changed(repo, ("evaluation/engine", split), ("resources/evaluate/gpu", 8)), "evaluation.engine.tensor_parallel"
    )
    assert "28 attention heads and a vision MLP of 3420, which 8 does not divide; 1, 2, 4 would" in message


def test_a_vision_mlp_that_does_not_divide(repo: Path) -> None:
    split = {"kind": "vllm", "tensor_parallel": 8}
    messages = changed(repo, ("evaluation/engine", split), ("resources/evaluate/gpu", 8), name="paper-8gpu-3b")
    assert "has a vision MLP of 3420, which 8 does not divide" in the_message(
        messages, "evaluation.engine.tensor_parallel"
    )


def test_weights_over_a_gpu(repo: Path) -> None:
    # 73.41e9 parameters of two bytes, over two cards; four cards would do.
    changes = [("evaluation/engine", {"kind": "vllm", "tensor_parallel": 2}), ("resources/evaluate/gpu", 2),
               ("models/qwen2.5-vl-7b/id", "Qwen/Qwen2.5-VL-72B-Instruct")]  # fmt: skip
    message = the_message(changed(repo, *changes), "evaluation.engine.tensor_parallel")
    assert "weights 73.4 GB" in message
    assert "a split over 4, 8 would fit" in message


def test_states_that_are_not_sharded(repo: Path) -> None:
    # fp32 weights and bf16 copies, moments, gradients and their buckets: 4 + 2 + 8 + 8 bytes, and a reference of 4.
    messages = changed(repo, ("rl/launch/zero_stage", 0))
    assert gigabytes(the_message(messages, "rl.launch")) == [close(26 * SEVEN), close(FREE)]


def test_one_row_that_is_too_long(repo: Path) -> None:
    stages = [{"max_tokens": 120_000, "group": 4, "steps": 50}]
    message = the_message(changed(repo, ("arms/long/stages", stages)), "rl.max_prompt_tokens")
    # As in SFT, but keys and values are copied for 28 heads.
    row = (4096 + 120_000) * (SFT_TOKEN - 2 * 512 * 2 + 2 * 3584 * 2)
    assert message.startswith("rl.max_prompt_tokens: one row of 4096 and 120000 tokens of Qwen2.5-VL-7B needs")
    assert gigabytes(message)[0] == close(row)


def test_a_disk_that_is_too_small(repo: Path) -> None:
    config = loader.load(repo / "config" / "paper-8gpu-3b.yaml")
    (message,) = impossible(config, disk=10**9)
    assert message.startswith("rl.evaluate_every: 25 keeps checkpoints of ")
    assert impossible(config, disk=10**13) == []


def test_the_disk_holds_the_candidates_of_one_job(repo: Path) -> None:
    values = yaml.safe_load((repo / "config" / "paper-8gpu-7b.yaml").read_text())
    for kind in ("sft", "rl"):  # no job has checkpoints to go on from, which would be more
        values[kind]["launch"]["save_every"] = 0
    with_them = disk_bytes(Plan(loader.check(values, "x")))
    for arm in values["arms"].values():
        arm["select"] = "last"
    # Ten candidates in fifty steps, two of which are kept anyway; bf16.
    assert with_them - disk_bytes(Plan(loader.check(values, "x"))) == pytest.approx(8 * 2 * SEVEN, rel=1e-3)


def test_a_share_beside_the_states(repo: Path, rng: random.Random) -> None:
    share = round(rng.uniform(0.75, 0.95), 3)
    messages = changed(repo, ("rl/generation/gpu_memory_utilization", share))
    # An eighth of bf16 weights, of the reference, of fp32 weights with moments, and of fp32 gradients; two buckets.
    states = (2 + 2 + 12 + 4) * SEVEN / 8 + 2 * 3584**2 * 4
    message = the_message(messages, "rl.generation.gpu_memory_utilization")
    assert gigabytes(message) == [close(share * GPU), close(states), 6.0]
    assert message.endswith(f"at most {int((FREE - states) / GPU * 100) / 100} would fit")


def test_an_engine_without_room(repo: Path, rng: random.Random) -> None:
    share = round(rng.uniform(0.05, 0.3), 3)
    messages = changed(repo, ("evaluation/engine/gpu_memory_utilization", share))
    sizes = gigabytes(the_message(messages, "evaluation.engine.tensor_parallel"))
    # 128 000 tokens of keys and values: 28 layers, 4 heads of 128, two bytes, twice.
    assert sizes[1] == close(2 * SEVEN)
    assert sizes[3] == close(128_000 * 2 * 28 * 4 * 128 * 2)
    assert sizes[4] == close(share * GPU)


def test_host_memory(repo: Path, rng: random.Random) -> None:
    given = rng.randrange(1000, 40_000)
    messages = changed(repo, ("resources/rl/mem_mb", given))
    # Gathered weights, eight processes of 4 GB, and a rollout's 512 smallest pictures: 1176 fp32 values a patch.
    needed = 2 * SEVEN + 8 * 4e9 + 512 * (262144 // 196) * 1176 * 4
    (figure,) = re.findall(rf"{given}, but 8 processes .* need (\d+) on a node", "\n".join(messages))[:1]
    assert int(figure) == pytest.approx(needed / 1e6, abs=2)


def test_rows_too_long_for_sft(repo: Path, rng: random.Random) -> None:
    cutoff = rng.randrange(150_000, 300_000)
    message = the_message(changed(repo, ("sft/cutoff", cutoff)), "sft.cutoff")
    activations = gigabytes(message)[4]
    assert activations == pytest.approx(cutoff * SFT_TOKEN / 1e9, abs=0.11)


def test_pieces_too_large_for_an_update(repo: Path, rng: random.Random) -> None:
    tokens = rng.randrange(200_000, 400_000)
    messages = changed(repo, ("rl/tokens_per_forward", tokens))
    key = f"rl.tokens_per_forward: {tokens} tokens of Qwen2.5-VL-7B need"
    found = [message for message in messages if message.startswith(key)]
    # The stage of 16 384 tokens and four completions: groups of 4096 + 4 x 16 384, and what the budget leaves.
    whole, left = divmod(tokens, 4096 + 4 * 16384)
    more = max(0, (left - 4096) // 16384)
    completions, prompts = 4 * whole + more, whole + (more > 0)
    row = 4096 * prompts + 16384 * completions
    # A token of an update, as in SFT, with keys and values copied for 28 heads; each completion's 16 384 rows keep
    # queries, output, log-sums and copies of the prompt's keys and values beside its own; a piece, a mask.
    token = SFT_TOKEN - 2 * 512 * 2 - 3584 * 2 - 28 * 4 + 2 * 3584 * 2
    kept = token * row + prompts * 4096 * (3584 * 2 + 28 * 4)
    kept += completions * (16384 * (2 * 3584 * 2 + 28 * 4) + 2 * (4096 + 16384) * 3584 * 2)
    kept += prompts * 16384 * (4096 + 16384) * 2
    # The other stages of this preset, of 4096 tokens, are in messages of their own.
    assert any(re.search(r"activations ([\d.]+)", one) and float(re.search(r"activations ([\d.]+)", one)[1])  # type: ignore[index]
               == pytest.approx(kept / 1e9, abs=0.11) for one in found)  # fmt: skip


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(f"17 {request.node.name}")


def test_check_refuses(repo: Path, tmp_path: Path) -> None:
    text = (repo / "config" / "paper-8gpu-3b.yaml").read_text()
    bad = tmp_path / "bad.yaml"
    bad.write_text(text.replace("engine: {kind: vllm}", "engine: {kind: vllm, gpu_memory_utilization: 0.05}"))
    good = CliRunner().invoke(app, ["check", str(repo / "config" / "paper-8gpu-3b.yaml")])
    assert good.exit_code == 0
    refused = CliRunner().invoke(app, ["check", str(bad)])
    assert refused.exit_code != 0
    assert "evaluation.engine.tensor_parallel: Qwen2.5-VL-3B over 1 needs" in f"{refused.output}{refused.exception}"
