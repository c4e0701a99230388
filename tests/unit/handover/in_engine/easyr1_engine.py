"""Run by EasyR1's Python, with its checkout on the path: its data set, reward manager and config on an export.

prompts EXPORT OUT, rewards EXPORT TEXTS OUT, config EXPORT OUT, keys OUT, shards MODEL OUT: as for verl.
"""

import hashlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import two_ranks

# It imports vLLM for its workers, and what comes with vLLM, which is not in an environment for CPUs.
_VLLM = (
    *("vllm", "vllm.lora", "vllm.lora.models", "vllm.lora.request", "vllm.lora.peft_helper", "vllm.lora.utils"),
    *("vllm.lora.worker_manager", "vllm.distributed", "vllm.distributed.parallel_state", "vllm.utils"),
    *("vllm.model_executor", "vllm.sampling_params", "msgspec"),
)


class _Absent(MagicMock):
    __path__ = ()
    __spec__ = None


def prompts(export: str, out: str) -> None:
    from verl.utils.dataset import RLHFDataset, process_image
    from verl.utils.tokenizer import get_processor, get_tokenizer

    config = _config(export)
    data, model = config.data, config.worker.actor.model
    kind = {"override_chat_template": data.override_chat_template, "trust_remote_code": False, "use_fast": True}
    processor = get_processor(model.model_path, **kind)
    read = RLHFDataset(
        data_path=data.train_files,
        tokenizer=get_tokenizer(model.model_path, **kind),
        processor=processor,
        prompt_key=data.prompt_key,
        answer_key=data.answer_key,
        image_key=data.image_key,
        max_prompt_length=data.max_prompt_length,
        truncation="right",
        format_prompt=data.format_prompt,
        min_pixels=data.min_pixels,
        max_pixels=data.max_pixels,
        filter_overlong_prompts=data.filter_overlong_prompts,
    )
    assert data.shuffle is False
    with Path(out).open("w") as stream:
        for row in read:
            images = [process_image(one, data.min_pixels, data.max_pixels) for one in row["multi_modal_data"]["images"]]
            encoded = processor.image_processor(images, return_tensors="pt")
            line = {
                "ids": row["input_ids"][row["attention_mask"].bool()].tolist(),
                "grid": encoded["image_grid_thw"].tolist(),
                "pixels": hashlib.sha256(encoded["pixel_values"].float().numpy().tobytes()).hexdigest(),
            }
            stream.write(json.dumps(line) + "\n")


def rewards(export: str, texts: str, out: str) -> None:
    import numpy as np
    import torch
    from verl.protocol import DataProto
    from verl.utils.tokenizer import get_tokenizer
    from verl.workers.reward.function import AutoRewardManager

    config = _config(export)
    tokenizer = get_tokenizer(config.worker.actor.model.model_path)
    rows = json.loads(Path(texts).read_text())
    encoded = [tokenizer(one["text"], add_special_tokens=False).input_ids for one in rows]
    longest = max(map(len, encoded))
    ids = torch.tensor([row + [tokenizer.pad_token_id] * (longest - len(row)) for row in encoded])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in encoded])
    golds = [json.dumps({"gold": one["gold"], "choices": one["choices"], "id": ""}) for one in rows]
    data = DataProto.from_dict(
        tensors={"responses": ids, "response_mask": mask}, non_tensors={"ground_truth": np.array(golds, dtype=object)}
    )
    scores, _ = AutoRewardManager(config.worker.reward, tokenizer).compute_reward(data)
    Path(out).write_text(json.dumps(scores.sum(1).tolist()))


def config(export: str, out: str) -> None:
    Path(out).write_text(json.dumps(_config(export).to_dict()))


def keys(out: str) -> None:
    from omegaconf import OmegaConf
    from verl.trainer.config import PPOConfig

    made = OmegaConf.to_container(OmegaConf.structured(PPOConfig()))
    Path(out).write_text("\n".join(sorted(_flat(made))) + "\n")


def shards(model: str, out: str) -> None:
    two_ranks.write(model, out, _save)


def _save(sharded: Any, processor: Any, out: str) -> None:
    from verl.utils.checkpoint.fsdp_checkpoint_manager import FSDPCheckpointManager

    manager = FSDPCheckpointManager(model=sharded, optimizer=None, lr_scheduler=None, processing_class=processor)
    manager.save_checkpoint(out, save_model_only=True)


def _config(export: str) -> Any:
    from omegaconf import OmegaConf
    from verl.trainer.config import PPOConfig

    read = OmegaConf.load(Path(export) / "stage.yaml")
    made = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(PPOConfig()), read))
    made.deep_post_init()
    return made


def _flat(values: dict[str, Any], prefix: str = "") -> list[str]:
    names = []
    for name, value in values.items():
        names += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) and value else [f"{prefix}{name}"]
    return names


if __name__ == "__main__":
    absent: dict[str, ModuleType] = {name: _Absent() for name in _VLLM}
    sys.modules.update(absent)
    actions = {"prompts": prompts, "rewards": rewards, "config": config, "keys": keys, "shards": shards}
    actions[sys.argv[1]](*sys.argv[2:])
