"""Run by verl's Python: its data set, reward manager, config, loss and checkpoints on what an export holds.

prompts EXPORT OUT: ids, grid and hash of the pixels of every prompt, one JSON line each.
rewards EXPORT TEXTS OUT: rewards of completions by the export's reward manager.
config EXPORT OUT: the composed config, checked by verl itself.
keys OUT: every key of verl's own config.
losses OUT: verl's loss of one random batch, by its names of averages.
shards MODEL OUT: two gloo ranks write a model as shards with verl's checkpoint manager.
"""

import asyncio
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import two_ranks


def prompts(export: str, out: str) -> None:
    from omegaconf import OmegaConf
    from transformers import AutoProcessor
    from verl.utils.dataset.rl_dataset import RLHFDataset

    config = _composed(export)
    processor = AutoProcessor.from_pretrained(config.actor_rollout_ref.model.path)
    data = RLHFDataset(config.data.train_files, processor.tokenizer, config.data, processor=processor)
    assert OmegaConf.select(config, "data.shuffle") is False
    with Path(out).open("w") as stream:
        for row in data:
            turns = row["raw_prompt"]
            text = processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
            seen = asyncio.run(RLHFDataset.process_vision_info(turns, image_patch_size=14, config=config.data))
            encoded = processor(text=[text], images=seen[0], return_tensors="pt")
            stream.write(json.dumps(_encoded(encoded)) + "\n")


def rewards(export: str, texts: str, out: str) -> None:
    import numpy as np
    import torch
    from tensordict import TensorDict
    from transformers import AutoTokenizer
    from verl import DataProto
    from verl.trainer.ppo.reward import load_reward_manager

    config = _composed(export)
    tokenizer = AutoTokenizer.from_pretrained(config.actor_rollout_ref.model.path)

    async def of_all() -> list[float]:
        manager = load_reward_manager(config, tokenizer)  # it takes the running loop
        made = []
        for one in json.loads(Path(texts).read_text()):
            ids = torch.tensor([tokenizer(one["text"], add_special_tokens=False).input_ids])
            tensors = {"responses": ids, "attention_mask": torch.ones_like(ids)}
            others = {
                "data_source": ["vr1repro"],
                "reward_model": [{"style": "rule", "ground_truth": one["gold"]}],
                "extra_info": [{"index": 0, "id": "", "choices": one["choices"]}],
            }
            arrays = {}
            for name, values in others.items():
                arrays[name] = np.empty(1, dtype=object)
                arrays[name][0] = values[0]
            data = DataProto(batch=TensorDict(tensors, batch_size=[1]), non_tensor_batch=arrays)
            made.append((await manager.run_single(data))["reward_score"])
        return made

    Path(out).write_text(json.dumps(asyncio.run(of_all())))


def config(export: str, out: str) -> None:
    from omegaconf import OmegaConf
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import omega_conf_to_dataclass, validate_config

    made = _composed(export)
    validate_config(made, use_reference_policy=need_reference_policy(made), use_critic=need_critic(made))
    actor = omega_conf_to_dataclass(made.actor_rollout_ref.actor)
    assert actor.optim.lr == made.actor_rollout_ref.actor.optim.lr
    Path(out).write_text(json.dumps(OmegaConf.to_container(made, resolve=False)))


def keys(out: str) -> None:
    from hydra import compose, initialize_config_module
    from omegaconf import OmegaConf

    with initialize_config_module("verl.trainer.config", version_base=None):
        made = OmegaConf.to_container(compose("ppo_trainer"), resolve=False)
    Path(out).write_text("\n".join(sorted(_flat(made))) + "\n")


def losses(out: str) -> None:
    import numpy as np
    import torch
    from verl.trainer.ppo.core_algos import (
        agg_loss,
        compute_grpo_outcome_advantage,
        compute_policy_loss_vanilla,
        kl_penalty,
    )
    from verl.workers.config import FSDPActorConfig

    batch = torch.load(out + ".in", weights_only=True)
    made = {}
    scores = torch.zeros_like(batch["mask"])
    scores[torch.arange(len(scores)), batch["mask"].sum(1).long() - 1] = batch["reward"]
    groups = np.repeat(np.arange(len(scores) // batch["group"]), batch["group"])
    advantages, _ = compute_grpo_outcome_advantage(scores, batch["mask"], groups)
    made["advantages"] = advantages[:, 0].tolist()
    spread = batch["advantages"][:, None].expand_as(batch["mask"])
    for mode in ("token-mean", "seq-mean-token-mean", "seq-mean-token-sum-norm"):
        settings = FSDPActorConfig(
            strategy="fsdp", rollout_n=batch["group"], ppo_mini_batch_size=4, ppo_micro_batch_size_per_gpu=4,
            clip_ratio=0.2, clip_ratio_low=0.2, clip_ratio_high=0.2, clip_ratio_c=1e6, use_kl_loss=True,
            loss_agg_mode=mode, loss_scale_factor=batch["longest"],
        )  # fmt: skip
        factor = {"loss_scale_factor": batch["longest"]} if mode == "seq-mean-token-sum-norm" else {}
        settings.global_batch_info.update(factor)
        policy = compute_policy_loss_vanilla(batch["old"], batch["new"], spread, batch["mask"], mode, settings)[0]
        kl = agg_loss(kl_penalty(batch["new"], batch["reference"], "low_var_kl"), batch["mask"], mode, **factor)
        made[mode] = (policy + 0.01 * kl).item()
    Path(out).write_text(json.dumps(made))


def shards(model: str, out: str) -> None:
    two_ranks.write(model, out, _save)


def _save(sharded: Any, processor: Any, out: str) -> None:
    from omegaconf import OmegaConf
    from verl.utils.checkpoint.fsdp_checkpoint_manager import FSDPCheckpointManager

    contents = OmegaConf.create({"save_contents": ["model"], "load_contents": ["model"]})
    manager = FSDPCheckpointManager(
        model=sharded, optimizer=None, lr_scheduler=None, processing_class=processor, checkpoint_config=contents
    )
    manager.save_checkpoint(local_path=out, global_step=3)


def _composed(export: str) -> Any:
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(Path(export).absolute()), version_base=None):
        return compose("stage")


def _encoded(encoded: Any) -> dict[str, Any]:
    pixels = encoded["pixel_values"].float().numpy().tobytes()
    return {
        "ids": encoded["input_ids"][0].tolist(),
        "grid": encoded["image_grid_thw"].tolist(),
        "pixels": hashlib.sha256(pixels).hexdigest(),
    }


def _flat(values: dict[str, Any], prefix: str = "") -> list[str]:
    names = []
    for name, value in values.items():
        names += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) and value else [f"{prefix}{name}"]
    return names


if __name__ == "__main__":
    actions = {"prompts": prompts, "rewards": rewards, "config": config, "keys": keys, "losses": losses}
    {**actions, "shards": shards}[sys.argv[1]](*sys.argv[2:])
