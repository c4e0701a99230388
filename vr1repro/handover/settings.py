"""stage.yaml of an export: a stage in the words of the engine that is to train it.

Sources: LLaMA-Factory 0.9.5, src/llamafactory/hparams; verl 0.9.1, verl/trainer/config; EasyR1@b44b311,
verl/trainer/config.py. Their own validations of these files are tests (tests/unit/handover).
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import AutoProcessor

from vr1repro.core.errors import UserError
from vr1repro.core.outside import json_object
from vr1repro.handover.engines import Engine
from vr1repro.handover.names import CHECKPOINTS, DATA, MODEL, REWARD, TEMPLATE
from vr1repro.handover.stage import HandedStage

DATASET = "vision_r1_stage"
# "No limit" where an engine wants a number.
_NO_LIMIT = 2**31 - 1
# The dual clip of verl and EasyR1, which TRL has not: out of reach.
_NO_DUAL_CLIP = 1e6
# LLaMA-Factory's template of a family, by `model_type`; others have turns that it writes in another way.
_TEMPLATES = {"qwen2_vl": "qwen2_vl", "qwen2_5_vl": "qwen2_vl"}
_SYSTEM_TURN = re.compile(r"<\|im_start\|>system\n(.*?)<\|im_end\|>\n", re.DOTALL)


def settings_of(stage: HandedStage, engine: Engine, out: Path, *, has_model: bool = False) -> dict[str, Any]:
    """What stage.yaml holds.

    Args:
        out: The export's folder, which the paths in it name.
        has_model: Whether the folder holds the model in a form of its own.

    Raises:
        UserError: The engine has no template for the model's family.
    """
    made: Mapping[str, Callable[[HandedStage, Path, Path], dict[str, Any]]]
    made = {"llama-factory": _llama_factory, "verl": _verl, "easyr1": _easyr1}
    return made[engine.name](stage, out.absolute(), out.absolute() / MODEL if has_model else stage.model.absolute())


def _llama_factory(stage: HandedStage, out: Path, model: Path) -> dict[str, Any]:
    sft, launch = stage.config.sft, stage.config.sft.launch
    family = str(json_object(stage.model / "config.json").get("model_type"))
    if family not in _TEMPLATES:
        raise UserError(
            f"{stage.model}: model_type {family}: LLaMA-Factory's template of it was not compared with ours; known:"
            f" {', '.join(_TEMPLATES)}"
        )
    processes = launch.nodes * launch.processes
    gpu = stage.config.resources.sft.gpu > 0
    values: dict[str, Any] = {
        "model_name_or_path": str(model),
        "trust_remote_code": False,
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "full",
        "freeze_vision_tower": sft.freeze_vision,
        "freeze_multi_modal_projector": sft.freeze_vision,
        "image_min_pixels": sft.min_image_pixels or 1,
        "image_max_pixels": sft.max_image_pixels or _NO_LIMIT,
        "dataset": DATASET,
        "dataset_dir": str(out),
        "template": _TEMPLATES[family],
        # What the model's own template says where no system turn is given; LLaMA-Factory's would say its own.
        "default_system": default_system(stage.model),
        "cutoff_len": sft.cutoff,
        "overwrite_cache": True,
        "preprocessing_num_workers": 1,
        "disable_shuffling": sft.group_by_length,
        "output_dir": str(out / CHECKPOINTS),
        "overwrite_output_dir": False,
        "num_train_epochs": sft.epochs,
        "learning_rate": sft.learning_rate,
        "lr_scheduler_type": sft.schedule,
        "warmup_ratio": sft.warmup_ratio,
        "per_device_train_batch_size": sft.device_batch,
        "gradient_accumulation_steps": sft.batch // (processes * sft.device_batch),
        "weight_decay": sft.weight_decay,
        "adam_beta2": sft.adam_beta2,
        "max_grad_norm": sft.max_grad_norm,
        "bf16": launch.precision == "bf16",
        "disable_gradient_checkpointing": not launch.gradient_checkpointing,
        "seed": stage.seed,
        "data_seed": stage.seed,
        "logging_steps": 1,
        "save_strategy": "steps" if launch.save_every else "no",
        "save_steps": launch.save_every or 1,
        "eval_strategy": "no",
        "report_to": [name for name in launch.trackers if name != "trackio"] or "none",
        "plot_loss": False,
        "use_cpu": not gpu,
    }
    if launch.zero_stage or launch.fsdp:
        values["deepspeed"] = _deepspeed(3 if launch.fsdp else launch.zero_stage, launch.offload)
    return values


def _deepspeed(zero_stage: int, offload: bool) -> dict[str, Any]:
    """As the paper's ds_z3_config.json, but for what the trainer fills in itself."""
    cpu = {"device": "cpu", "pin_memory": True}
    zero: dict[str, Any] = {"stage": zero_stage, "overlap_comm": True, "contiguous_gradients": True}
    if zero_stage == 3:
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    if offload:
        zero |= {"offload_optimizer": cpu, "offload_param": cpu}
    auto = ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "gradient_clipping")
    return {**dict.fromkeys(auto, "auto"), "bf16": {"enabled": "auto"}, "zero_optimization": zero}


def default_system(model: Path) -> str:
    """What a model's template says in a system turn that was not asked for; empty where it says nothing."""
    processor = AutoProcessor.from_pretrained(model)
    turns = [{"role": "user", "content": [{"type": "text", "text": "."}]}]
    turn = _SYSTEM_TURN.match(processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))
    return turn[1] if turn else ""


def _verl(stage: HandedStage, out: Path, model: Path) -> dict[str, Any]:
    rl, limits = stage.config.rl, stage.stage
    launch, generation = rl.launch, rl.generation
    average = {"dapo": "token-mean", "grpo": "seq-mean-token-mean", "dr_grpo": "seq-mean-token-sum-norm"}[rl.loss]
    offload = {"param_offload": launch.offload, "optimizer_offload": launch.offload}
    tokens = {"use_dynamic_bsz": True, "ppo_max_token_len_per_gpu": rl.tokens_per_forward}
    log_probs = {"log_prob_use_dynamic_bsz": True, "log_prob_max_token_len_per_gpu": rl.tokens_per_forward}
    return {
        # Hydra: what is not said here is as in verl's own config.
        "hydra": {"searchpath": ["pkg://verl.trainer.config"]},
        "defaults": ["ppo_trainer", "_self_"],
        "data": {
            "train_files": str(out / DATA),
            "val_files": str(out / DATA),
            "val_max_samples": 1,
            "train_batch_size": rl.prompts_per_step,
            "max_prompt_length": rl.max_prompt_tokens,
            "max_response_length": limits.max_tokens,
            "shuffle": False,
            "seed": stage.seed,
            "filter_overlong_prompts": False,
            "truncation": "error",
            "image_key": "images",
            "trust_remote_code": False,
        },
        "algorithm": {
            "adv_estimator": "grpo",
            "norm_adv_by_std_in_grpo": rl.scale_rewards != "none",
            "use_kl_in_reward": False,
        },
        "actor_rollout_ref": {
            "model": {
                "path": str(model),
                "trust_remote_code": False,
                "enable_gradient_checkpointing": launch.gradient_checkpointing,
                "use_remove_padding": True,
            },
            "actor": {
                "ppo_mini_batch_size": rl.prompts_per_step // rl.updates_per_rollout,
                **tokens,
                "ppo_epochs": 1,
                "shuffle": False,
                "clip_ratio": rl.epsilon,
                "clip_ratio_low": rl.epsilon,
                "clip_ratio_high": rl.epsilon,
                "clip_ratio_c": _NO_DUAL_CLIP,
                "loss_agg_mode": average,
                "loss_scale_factor": limits.max_tokens if rl.loss == "dr_grpo" else None,
                "entropy_coeff": 0,
                "use_kl_loss": rl.beta > 0,
                "kl_loss_coef": rl.beta,
                "kl_loss_type": "low_var_kl",
                "freeze_vision_tower": rl.freeze_vision,
                "optim": {
                    "lr": rl.learning_rate,
                    "lr_scheduler_type": rl.schedule if rl.schedule == "cosine" else "constant",
                    "lr_warmup_steps": 0,
                    "weight_decay": rl.weight_decay,
                    "betas": [0.9, 0.999],
                    "clip_grad": rl.max_grad_norm,
                },
                "grad_clip": rl.max_grad_norm,
                "fsdp_config": {**offload, "model_dtype": "fp32", "dtype": _dtype(stage)},
            },
            "ref": {**log_probs, "fsdp_config": {"param_offload": launch.offload}},
            "rollout": {
                "name": "vllm",
                "n": limits.group,
                "temperature": generation.temperature,
                "top_p": generation.top_p,
                "gpu_memory_utilization": generation.gpu_memory_utilization,
                "tensor_model_parallel_size": generation.tensor_parallel,
                "calculate_log_probs": False,
                **log_probs,
            },
        },
        "reward": {
            "num_workers": stage.reward.workers,
            "reward_manager": {
                "source": "importlib",
                "name": "StageRewardManager",
                "module": {"path": str(out / REWARD)},
            },
        },
        "trainer": {
            "total_epochs": 1,
            "total_training_steps": limits.steps,
            "nnodes": launch.nodes,
            "n_gpus_per_node": launch.processes,
            "save_freq": launch.save_every or limits.steps,
            "test_freq": -1,
            "val_before_train": False,
            "logger": ["console", "file", *(name for name in launch.trackers if name != "trackio")],
            "project_name": "vr1repro",
            "experiment_name": stage.title,
            "default_local_dir": str(out / CHECKPOINTS),
            "resume_mode": "auto",
        },
    }


def _easyr1(stage: HandedStage, out: Path, model: Path) -> dict[str, Any]:
    rl, limits = stage.config.rl, stage.stage
    launch, generation = rl.launch, rl.generation
    dtype = {"mp_param_dtype": "bf16" if launch.precision == "bf16" else "fp32"}
    return {
        "data": {
            "train_files": str(out / DATA),
            "val_files": str(out / DATA),
            "prompt_key": "problem",
            "answer_key": "answer",
            "image_key": "images",
            "max_prompt_length": rl.max_prompt_tokens,
            "max_response_length": limits.max_tokens,
            "rollout_batch_size": rl.prompts_per_step,
            "val_batch_size": rl.prompts_per_step,
            "format_prompt": None,
            "override_chat_template": str(out / TEMPLATE) if stage.system_prompt else None,
            "shuffle": False,
            "seed": stage.seed,
            "min_pixels": rl.min_image_pixels,
            "max_pixels": rl.max_image_pixels,
            "filter_overlong_prompts": False,
        },
        "algorithm": {
            "adv_estimator": "grpo",
            "disable_kl": rl.beta == 0,
            "use_kl_loss": rl.beta > 0,
            "kl_penalty": "low_var_kl",
            "kl_coef": rl.beta,
            "online_filtering": False,
        },
        "worker": {
            "actor": {
                "global_batch_size": rl.prompts_per_step // rl.updates_per_rollout,
                "micro_batch_size_per_device_for_update": 1,
                "micro_batch_size_per_device_for_experience": 2,
                "max_grad_norm": rl.max_grad_norm,
                "clip_ratio_low": rl.epsilon,
                "clip_ratio_high": rl.epsilon,
                "clip_ratio_dual": _NO_DUAL_CLIP,
                "loss_avg_mode": "seq" if rl.loss == "grpo" else "token",
                "loss_type": "default",
                "ppo_epochs": 1,
                "padding_free": True,
                "dynamic_batching": True,
                "model": {
                    "model_path": str(model),
                    "enable_gradient_checkpointing": launch.gradient_checkpointing,
                    "trust_remote_code": False,
                    "freeze_vision_tower": rl.freeze_vision,
                },
                "optim": {
                    "lr": rl.learning_rate,
                    "betas": [0.9, 0.999],
                    "weight_decay": rl.weight_decay,
                    "strategy": "adamw",
                    "lr_warmup_ratio": 0.0,
                    "lr_scheduler_type": rl.schedule if rl.schedule == "cosine" else "constant",
                    "min_lr_ratio": 0.0,
                },
                "fsdp": {"enable_full_shard": True, "enable_cpu_offload": False, "enable_rank0_init": True, **dtype},
                "offload": {"offload_params": launch.offload, "offload_optimizer": launch.offload},
            },
            "rollout": {
                "n": limits.group,
                "temperature": generation.temperature,
                "top_p": generation.top_p,
                "seed": stage.seed,
                "limit_images": 1,
                "gpu_memory_utilization": generation.gpu_memory_utilization,
                "tensor_parallel_size": generation.tensor_parallel,
            },
            "ref": {
                "fsdp": {"enable_full_shard": True, "enable_cpu_offload": True, "enable_rank0_init": True},
                "offload": {"offload_params": False},
            },
            "reward": {
                "reward_function": f"{out / REWARD}:main",
                "reward_function_kwargs": {},
                # Else its text would lack special tokens, and a cut completion could not be told.
                "skip_special_tokens": False,
                "num_cpus": stage.reward.workers,
            },
        },
        "trainer": {
            "total_epochs": 1,
            "max_steps": limits.steps,
            "project_name": "vr1repro",
            "experiment_name": stage.title,
            "logger": ["console", "file", *(name for name in launch.trackers if name != "trackio")],
            "nnodes": launch.nodes,
            "n_gpus_per_node": launch.processes,
            "val_freq": -1,
            "val_before_train": False,
            "save_freq": launch.save_every or limits.steps,
            "save_limit": -1,
            "save_checkpoint_path": str(out / CHECKPOINTS),
            "find_last_checkpoint": True,
        },
    }


def _dtype(stage: HandedStage) -> str:
    return "bfloat16" if stage.config.rl.launch.precision == "bf16" else "float32"
