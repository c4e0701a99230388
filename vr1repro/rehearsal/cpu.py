"""Let the multi-GPU code paths of accelerate, transformers and DeepSpeed run on CPU processes (gloo).

They take "no GPU" for "no ZeRO, no bf16 and one process"; nothing below these four answers asks for a GPU. Kernels,
NCCL and the overlap of communication are not rehearsed so. Listed in docs/upstream.md.
"""

import os
from typing import Any

from vr1repro.core.upstream import require
from vr1repro.engines.slim import import_trl

# Read when DeepSpeed and accelerate are imported.
ENVIRONMENT = {"DS_ACCELERATOR": "cpu", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def stand_in_for_gpus(*, zero_stage: int, fsdp: bool = False, vllm: bool = False) -> None:
    """Change the answers in this process, before any stage is imported.

    Args:
        zero_stage: The preset's; with one, accelerate must take DeepSpeed's path.
        fsdp: The preset's; without a GPU accelerate would make DDP of it, without a word.
        vllm: Whether the stage samples with vLLM.
    """
    require("transformers")
    require("accelerate")
    os.environ.update(ENVIRONMENT)
    if zero_stage:
        os.environ.update(ACCELERATE_USE_DEEPSPEED="true")
    if zero_stage or fsdp:
        os.environ.update(ACCELERATE_USE_CPU="false")
    import_trl(vllm=vllm)
    import torch

    torch.set_num_threads(1)
    if not (zero_stage or fsdp):
        return
    import accelerate.state
    import transformers.training_args

    from vr1repro.training import launch

    def backend(self: Any, *args: Any, **kwargs: Any) -> Any:
        return "gloo", accelerate.state.DistributedType.MULTI_GPU

    def device(self: Any) -> None:
        self.device = torch.device("cpu")

    accelerate.state.PartialState._prepare_backend = backend
    accelerate.state.PartialState.set_device = device
    transformers.training_args.is_torch_bf16_gpu_available = lambda: True
    launch.ON_CPU = False
