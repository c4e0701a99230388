"""vLLM's CPU engine in the trainer's process, where TRL starts the engine of a GPU.

The first rollout is the stage's own: TRL's requests, the engine's prompt tokens and log-probabilities, the guards. The
CPU engine cannot take new weights in place, so after an update the policy is saved and an engine is started on it.
What this leaves out: the sync in place, sleep mode, CUDA graphs and kernels.
"""

import os
from pathlib import Path
from typing import Any

from vr1repro.core.upstream import require

# An engine that ends takes the process group with it, which is the trainer's too.
_KEPT: list[Any] = []


def engine_on_cpu() -> None:
    """Change TRL's class for this process."""
    require("trl")
    require("vllm")
    os.environ.update(VLLM_CPU_KVCACHE_SPACE="1", VLLM_NO_USAGE_STATS="1", VLLM_ENABLE_V1_MULTIPROCESSING="0")
    from trl.generation import vllm_generation
    from vllm import LLM

    generation = vllm_generation.VLLMGeneration
    start = generation._init_vllm

    def cpu_engine(**options: Any) -> Any:
        return LLM(**{**options, "enable_sleep_mode": False, "enforce_eager": True})

    def init(self: Any) -> None:
        self.enable_sleep_mode = False
        self._updates = 0
        start(self)

    def sync(self: Any) -> None:
        # TRL syncs before the first rollout too; the engine then holds the very files that the policy came from.
        if self._updates:
            _restart(self, cpu_engine)
        self._updates += 1

    vllm_generation.LLM = cpu_engine
    generation._init_vllm = init
    generation.sync_weights = sync


def _restart(vllm: Any, engine: Any) -> None:
    """Save the policy, which takes all processes, and start an engine on it."""
    accelerator, model = vllm.accelerator, vllm.accelerator.unwrap_model(vllm.model)
    options = {
        "tensor_parallel_size": vllm.tensor_parallel_size,
        "max_model_len": vllm.max_model_length,
        "max_num_seqs": vllm.max_num_seqs,
        "distributed_executor_backend": "external_launcher",
        "seed": accelerator.process_index // vllm.tensor_parallel_size,
        "max_num_batched_tokens": 4096,
        "logprobs_mode": "processed_logprobs",
    }
    source = Path(model.name_or_path)
    folder = Path("policy").absolute()  # in the rehearsal's folder, where its jobs run one after the other
    # TRL's own walk over the policy's weights, which gathers shards; the guard of weight sums counts what passes.
    weights = {name: tensor.detach().cpu().clone() for name, tensor in vllm._iter_named_params()}
    if accelerator.is_main_process:
        model.save_pretrained(folder, state_dict=weights)
        for file in source.iterdir():
            if file.is_file() and not (folder / file.name).exists():
                (folder / file.name).write_bytes(file.read_bytes())
    accelerator.wait_for_everyone()
    _KEPT.append(vllm.llm)
    vllm.llm = engine(model=str(folder), **options)
    accelerator.wait_for_everyone()
