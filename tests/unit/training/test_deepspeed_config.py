"""DeepSpeed's own parser over the ZeRO settings of every config that asks for it.

What training does with them is in test_sharded.py.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vr1repro.config import loader
from vr1repro.config.training import Launch
from vr1repro.training.launch import deepspeed_config

pytest.importorskip("deepspeed", reason="DeepSpeed is not installed: it is part of envs/cluster.txt alone")

HIDDEN = 3584  # Qwen2.5-VL-7B


def parsed(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What DeepSpeed understands after transformers has filled in every `auto`, as in a trainer."""
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    from deepspeed.runtime.config import DeepSpeedConfig
    from transformers import TrainingArguments
    from transformers.integrations.deepspeed import HfTrainerDeepSpeedConfig

    filled = HfTrainerDeepSpeedConfig(deepspeed_config(launch))
    args = TrainingArguments(
        output_dir="unused", use_cpu=True, per_device_train_batch_size=2, gradient_accumulation_steps=16, bf16=True
    )
    filled.trainer_config_process(args)
    filled.trainer_config_finalize(args, SimpleNamespace(config=SimpleNamespace(hidden_size=HIDDEN)), 100)
    return DeepSpeedConfig(filled.config)


def launches(repo: Path) -> list[Launch]:
    launches = []
    for path in sorted((repo / "config").glob("*.yaml")):
        config = loader.load(path)
        launches += [launch for launch in (config.sft.launch, config.rl.launch) if launch.zero_stage]
    return launches


def test_every_configs_zero_settings_are_understood(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured = launches(repo)
    assert {launch.zero_stage for launch in configured} >= {3}
    assert {launch.offload for launch in configured} == {True, False}
    for launch in [*configured, configured[0].model_copy(update={"zero_stage": 2})]:
        settings = parsed(launch, monkeypatch)
        assert settings.zero_optimization_stage == launch.zero_stage
        assert settings.train_batch_size == 32
        assert settings.bfloat16_config.enabled
        if launch.zero_stage == 3:
            assert settings.zero_config.reduce_bucket_size == HIDDEN**2
            assert settings.zero_config.gather_16bit_weights_on_model_save
            offloads = settings.zero_config.offload_optimizer
            assert (offloads is not None and offloads.device == "cpu") == launch.offload


def test_weights_are_gathered_within_a_node_where_there_are_several(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured = launches(repo)
    assert {launch.nodes > 1 for launch in configured if launch.zero_stage == 3} == {False, True}
    for launch in configured:
        assert parsed(launch, monkeypatch).zero_config.zero_hpz_partition_size == 1  # off: it takes memory
        asked = launch.model_copy(update={"hpz": True})
        size = parsed(asked, monkeypatch).zero_config.zero_hpz_partition_size
        assert size == (launch.processes if launch.nodes > 1 and launch.zero_stage == 3 else 1)
    over_nodes = next(launch for launch in configured if launch.nodes > 1).model_copy(update={"hpz": True})
    settings = parsed(over_nodes.model_copy(update={"zero_stage": 2}), monkeypatch)
    assert settings.zero_config.zero_hpz_partition_size == 1
