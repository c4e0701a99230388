"""What SFT and GRPO share of the trainer's arguments: devices, precision, logging, seeds."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import DistributedType

from vr1repro.config.training import Launch
from vr1repro.core.errors import UserError
from vr1repro.core.upstream import require

# What transformers is told of the device; None: what torch sees. A rehearsal of a GPU preset says no.
ON_CPU: bool | None = None


def is_first_process() -> bool:
    """Whether this process writes what one process must write; torchrun numbers them, a lone one has no number."""
    return int(os.environ.get("RANK", "0")) == 0


def distributed_arguments(launch: Launch, seed: int, out: Path, *, every: int = 1) -> dict[str, Any]:
    """Arguments of transformers' Trainer that follow from where it runs.

    Args:
        launch: Devices.
        seed: Training seed.
        out: The job's folder.
        every: Optimizer steps of one of our steps.

    Raises:
        UserError: The number of processes is not the config's, so the effective batch would not be either; or a
            tracker is not installed.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started != (configured := launch.nodes * launch.processes):
        raise UserError(
            f"launch: the config asks for {launch.nodes} x {launch.processes} = {configured} processes, {started} were"
            " started; start it through the workflow's rule, or change `launch` in the config"
        )
    for tracker in launch.trackers:
        if find_spec(tracker) is None:
            raise UserError(f"launch.trackers: {tracker} is not installed; pip install {tracker}, or take it out")
    deepspeed = deepspeed_config(launch)
    if deepspeed and "zero_hpz_partition_size" in deepspeed["zero_optimization"]:
        _share_hpz_groups()
    return {
        "output_dir": str(out),
        "use_cpu": not torch.cuda.is_available() if ON_CPU is None else ON_CPU,
        "bf16": launch.precision == "bf16",
        "gradient_checkpointing": launch.gradient_checkpointing,
        "deepspeed": deepspeed,
        **fsdp_arguments(launch),
        "seed": seed,
        "data_seed": seed,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "steps" if launch.save_every else "no",
        "save_steps": (launch.save_every or 1) * every,
        "report_to": list(launch.trackers),
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
    }


def check_backend(accelerator: Any, launch: Launch) -> None:
    """Refuse a trainer that does not shard as the config asks.

    Without a GPU accelerate makes DDP of FSDP, and says nothing; losses are the same, so no test of them would show it.

    Args:
        accelerator: The trainer's.
        launch: Devices.

    Raises:
        UserError: It is another kind.
    """
    kind, needed = accelerator.distributed_type, None
    if launch.fsdp:
        needed = DistributedType.FSDP
    elif launch.zero_stage:
        needed = DistributedType.DEEPSPEED
    if needed is not None and kind != needed:
        raise UserError(
            f"launch: the config asks for {needed.value}, accelerate would run {kind.value}; that needs a GPU a"
            " process. On CPUs set fsdp to false and zero_stage to 0, or rehearse the config (vr1repro rehearse)"
        )


def fsdp_arguments(launch: Launch) -> dict[str, Any]:
    """FSDP2 with one shard group a decoder layer, as the model names them; nothing where it is not asked for."""
    if not launch.fsdp:
        return {}
    return {
        "fsdp": "full_shard",
        "fsdp_config": {
            "version": 2,
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "state_dict_type": "FULL_STATE_DICT",
        },
    }


def deepspeed_config(launch: Launch) -> dict[str, Any] | None:
    """DeepSpeed's config for a ZeRO stage, or None.

    The stage is the paper's for SFT (repo, ds_z3_config.json); every size is left to DeepSpeed's `auto`, which takes
    it from the model.
    """
    if launch.zero_stage == 0:
        return None
    zero: dict[str, Any] = {"stage": launch.zero_stage, "overlap_comm": True, "contiguous_gradients": True}
    if launch.zero_stage == 3:
        zero |= {
            "reduce_bucket_size": "auto",
            "stage3_prefetch_bucket_size": "auto",
            "stage3_param_persistence_threshold": "auto",
            "stage3_gather_16bit_weights_on_model_save": True,
        }
        if launch.hpz and launch.nodes > 1:
            # hpZ (ZeRO++, arXiv 2306.10209): each node keeps a second, 16-bit copy of the weights, sharded over its own
            # GPUs, so only the first gather of a layer after an update leaves it. 2 B x parameters / processes on each
            # GPU, for the policy and again for the reference.
            zero["zero_hpz_partition_size"] = launch.processes
    # torch's fused AdamW also steps on the host; DeepSpeed's own would have to be compiled there first.
    offloaded = {"zero_force_ds_cpu_optimizer": False} if launch.offload else {}
    if launch.offload:
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": True}
    return {
        **offloaded,
        "train_batch_size": "auto",
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": "auto",
        "zero_allow_untested_optimizer": True,
        # Sums over many pieces and processes; bf16 sums of 256 parts are off by 1.5 %. verl reduces in fp32 too.
        "data_types": {"grad_accum_dtype": "fp32"},
        "communication_data_type": "fp32",
        "bf16": {"enabled": launch.precision == "bf16"},
        "zero_optimization": zero,
    }


def _share_hpz_groups() -> None:
    """Let a second model, GRPO's reference, use the first one's groups of hpZ, which DeepSpeed builds only once."""
    require("deepspeed")
    from deepspeed.utils import groups  # type: ignore[import-untyped,unused-ignore]

    build = groups._create_zero_param_parallel_group
    if getattr(build, "shares_groups", False):  # of an earlier stage in this process
        return

    def build_once(size: int) -> None:
        if groups._get_zero_param_intra_parallel_group() is None:
            build(size)

    build_once.shares_groups = True  # type: ignore[attr-defined]
    groups._create_zero_param_parallel_group = build_once
