"""Resolve the engines' environments, hash-pinned: `make lock-engines`. They cannot share ours (vr1repro/handover).

`engine-<name>.txt` is for checks on CPUs, and the tests install it. `engine-<name>-gpu.txt` is for real runs: resolved
here, **never installed here**. flash-attn has no wheel, so its entry is a source that is built on the GPU machine.
"""

import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
# What `vr1repro.answers` needs where it is the engine's reward. Hydra and OmegaConf want antlr 4.9.3; with the antlr of
# our own extra `grade`, a resolver goes back to Hydra 0.11 without a word.
_REWARD = (
    *("math-verify[antlr4_9_3]==0.9.0", "openpyxl>=3.1.5", "pebble>=5.1", "psutil>=7.0", "pydantic>=2.12"),
    *("pillow>=12.0", "pyarrow>=21", "pyyaml>=6.0.3", "qwen-vl-utils==0.0.14"),
)
_TORCH = ("torch==2.13.0", "torchvision==0.28.0")
# requirements.txt of hiyouga/EasyR1@b44b311, which is on no registry. It has no floors, so datasets would go back to
# 2.14, and its config does not load with OmegaConf 2.4.
_EASYR1 = (
    *("accelerate", "codetiming", "datasets==4.8.5", "huggingface-hub<1", "liger-kernel", "mathruler", "pandas"),
    *("omegaconf==2.3.1", "peft", "pylatexenc", "ray[default]", "tensordict", "torchdata", "transformers==4.57.6"),
    "wandb",
)
ENGINES = {
    "llamafactory": ("llamafactory==0.9.5", *_TORCH),
    "verl": ("verl==0.9.1", "hydra-core>=1.3.2", *_TORCH, *_REWARD),
    "easyr1": (*_EASYR1, *_TORCH, *_REWARD),
    "llamafactory-gpu": ("llamafactory==0.9.5", "deepspeed<=0.18.4", *_TORCH),
    "verl-gpu": ("verl[vllm]==0.9.1", "hydra-core>=1.3.2", "flash-attn==2.8.3", *_REWARD),
    "easyr1-gpu": (*_EASYR1, "torch", "torchvision", "vllm>=0.8", "flash-attn>=2.4.3", *_REWARD),
}
_HEADS = {
    False: "# Checks on CPUs. Made by envs/engines.py.\n",
    True: "# Real runs on GPUs: resolved, never installed here. Made by envs/engines.py.\n",
}


def main() -> None:
    """Resolve each environment."""
    command = ["uv", "pip", "compile", "-q", "-", "--no-config", "--generate-hashes", "--no-header", "--no-annotate"]
    command += ["--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28", "--no-emit-index-url"]
    # Not our project's overrides, and no registry's address in the file.
    for name, requirements in ENGINES.items():
        done = subprocess.run(command, input="\n".join(requirements), capture_output=True, text=True, check=True)
        (HERE / f"engine-{name}.txt").write_text(_HEADS[name.endswith("-gpu")] + done.stdout)


if __name__ == "__main__":
    main()
