"""One process of a rehearsed job: `python -m vr1repro.rehearsal.worker <stage and its options>`.

It runs the very command that a rule runs, after the few changes without which its libraries would not take the path of
a GPU: `cpu` for the trainers, `sampler` for vLLM. The reward is of a hash of the text: an untrained model earns none,
and equal rewards would train nothing.
"""

import os
import sys
from pathlib import Path
from typing import Any
from zlib import crc32

from vr1repro.rehearsal.cpu import stand_in_for_gpus


def main(arguments: list[str]) -> None:
    """Run a job.

    Args:
        arguments: Those of `vr1repro stage`.
    """
    from vr1repro.config import loader

    kind = arguments[0]
    config = loader.load(Path(arguments[arguments.index("--config") + 1]))
    if kind in ("sft", "rl"):
        placed = config.of_arm if kind == "rl" else config.of_start
        name = arguments[arguments.index("--arm" if kind == "rl" else "--start") + 1]
        settings = getattr(placed(name), kind)
        vllm = kind == "rl" and settings.generation.engine == "vllm-colocate"
        stand_in_for_gpus(zero_stage=settings.launch.zero_stage, fsdp=settings.launch.fsdp, vllm=vllm)
        if kind == "rl":
            if vllm:
                from vr1repro.rehearsal.sampler import engine_on_cpu

                engine_on_cpu()
            reward_by_hash()
    else:
        os.environ.update(VLLM_CPU_KVCACHE_SPACE="1", VLLM_NO_USAGE_STATS="1")

    from vr1repro import jobs

    jobs.main(arguments)
    if "vllm" in sys.modules:
        # The engines of several processes wait for each other's groups when Python ends them one by one.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def reward_by_hash() -> None:
    """Let a completion's text alone decide its reward in this process: 0, 1/4, ... or 1."""
    from vr1repro.answers.reward import HardFormatReward, Reward
    from vr1repro.core.records import Outcome

    def score(_: Any, texts: list[str], *__: Any) -> list[Reward]:
        return [Reward(crc32(text.encode()) % 5 / 4, True, Outcome.RIGHT, None) for text in texts]

    setattr(HardFormatReward, "score", score)  # noqa: B010 - our own class, in a rehearsal's process alone


if __name__ == "__main__":  # grading workers import this file
    main(sys.argv[1:])
