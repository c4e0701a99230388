"""What a sampling engine holds after a sync, against what it was given."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from vr1repro.core.errors import UserError
from vr1repro.training.weight_sums import sync_and_compare

pytestmark = pytest.mark.slow


class Policy(torch.nn.Module):
    """Names as transformers gives them."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "embed_tokens"):
            self.register_parameter(name, torch.nn.Parameter(torch.randn(6, 4)))

    def named(self) -> list[tuple[str, torch.Tensor]]:
        return [(f"model.language_model.layers.0.{name}.weight", p.data) for name, p in self.named_parameters()]


class Engine(torch.nn.Module):
    """The same as vLLM keeps them: fused, padded, laid out anew."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv_proj = torch.nn.Parameter(torch.zeros(18, 4))
        self.gate_up_proj = torch.nn.Parameter(torch.zeros(4, 12))
        self.embed_tokens = torch.nn.Parameter(torch.zeros(64, 4))

    def load(self, name: str, value: torch.Tensor) -> None:
        part = name.split(".")[-2]
        if part == "embed_tokens":
            self.embed_tokens.data[:6] = value
        elif part in ("gate_proj", "up_proj"):
            start = 6 * (part == "up_proj")
            self.gate_up_proj.data[:, start : start + 6] = value.T
        else:
            start = 6 * ("q_proj", "k_proj", "v_proj").index(part)
            self.qkv_proj.data[start : start + 6] = value

    def named_parameters(self, *args: Any, **kwargs: Any) -> Any:
        for name, parameter in super().named_parameters(*args, **kwargs):
            yield f"language_model.model.layers.0.{name}.weight", parameter


def vllm(policy: Policy, engine: torch.nn.Module) -> Any:
    runner = SimpleNamespace(model_runner=SimpleNamespace(model=engine))
    executor = SimpleNamespace(model_executor=SimpleNamespace(driver_worker=runner))
    return SimpleNamespace(llm=SimpleNamespace(llm_engine=executor), _iter_named_params=policy.named)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_sync_that_loads_everything_passes(dtype: torch.dtype, caplog: pytest.LogCaptureFixture) -> None:
    policy, engine = Policy(), Engine().to(dtype)
    generation = vllm(policy, engine)

    def sync() -> None:
        for name, value in generation._iter_named_params():
            engine.load(name, value)

    for _ in range(2):
        sync_and_compare(sync, generation)
        assert torch.equal(engine.qkv_proj.data[12:], policy.v_proj.data.to(dtype))
        assert "not compared" not in caplog.text
        policy.v_proj.data += 0.1


@pytest.mark.parametrize("forgotten", ["k_proj", "up_proj", "embed_tokens"])
def test_a_tensor_that_was_not_loaded_is_named(forgotten: str) -> None:
    policy, engine = Policy(), Engine()
    generation = vllm(policy, engine)

    def sync() -> None:
        for name, value in generation._iter_named_params():
            if forgotten not in name:
                engine.load(name, value)

    with pytest.raises(
        UserError, match=r"sync: layers\.0\.(qkv_proj|gate_up_proj|embed_tokens)\.weight in the sampling"
    ):
        sync_and_compare(sync, generation)
    assert generation._iter_named_params == policy.named


def test_other_names_are_not_compared(caplog: pytest.LogCaptureFixture) -> None:
    generation = vllm(Policy(), torch.nn.Linear(2, 2))

    def sync() -> None:
        for _ in generation._iter_named_params():
            pass

    sync_and_compare(sync, generation)
    assert "not compared" in caplog.text


REAL = """
import sys, torch
from transformers import AutoModelForImageTextToText
from vllm import LLM
from vr1repro.core.errors import UserError
from vr1repro.training.weight_sums import WeightSums

if __name__ == "__main__":
    llm = LLM(model=sys.argv[1], dtype="float32", max_model_len=256, enforce_eager=True,
              gpu_memory_utilization=0.2, limit_mm_per_prompt={"image": 1, "video": 0})
    engine = llm.llm_engine.model_executor.driver_worker.model_runner.model
    policy = AutoModelForImageTextToText.from_pretrained(sys.argv[1], dtype="float32")
    sums = WeightSums(torch.float32)
    list(sums.watch(policy.named_parameters()))
    print("compared", sums.check(engine.named_parameters()), "of", len(list(policy.named_parameters())))
    tensors = {name.removeprefix("language_model.model."): p for name, p in engine.named_parameters()}
    tensors["layers.1.input_layernorm.weight"].data[0] += 1e-3
    try:
        sums.check(engine.named_parameters())
    except UserError as error:
        print(error)
"""


@pytest.mark.verify
@pytest.mark.timeout(900)
def test_vllm_s_own_tensors_are_compared(lab: SimpleNamespace, tmp_path: Path, repo: Path) -> None:
    pytest.importorskip("vllm")
    (tmp_path / "real.py").write_text(REAL)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "real.py"), str(lab.model)], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(repo), "VLLM_ENABLE_V1_MULTIPROCESSING": "0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    # The CPU build packs linear layers away; embeddings, norms, biases and the vision tower's stay.
    assert int(done.stdout.split("compared ")[1].split()[0]) >= 15
    assert "layers.1.input_layernorm.weight in the sampling engine is not the policy's" in done.stdout
