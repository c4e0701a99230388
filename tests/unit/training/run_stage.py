"""Run a pickled stage.

`{"kind": "sft" | "rl", "args": ..., "job": ..., "replay": bool}`, and where wanted `zero` (the DeepSpeed stage, for
which this process must pass for one with a GPU), `limit` (ends a stage that hangs after so many seconds), `uneven`
(completions of process 1 are so many times as long), `die` (every process ends in that update) and `patch` (a function
of `defects` that puts a defect back).
"""

import faulthandler
import pickle
import sys
from pathlib import Path
from typing import Any


def replay_rollouts(uneven: int = 1) -> None:
    """Make completions and rewards functions of prompt and place in the group, whatever process asks for them."""
    from zlib import crc32

    from trl import GRPOTrainer

    from vr1repro.rehearsal.worker import reward_by_hash

    def generate(self: Any, prompt_ids: list[list[int]], *_: Any, **__: Any) -> Any:
        ids = []
        for row, prompt in enumerate(prompt_ids):  # each process's rows are whole groups, in order
            place = row % self.num_generations
            start = crc32(repr((prompt, place)).encode())
            longer = uneven if self.accelerator.process_index else 1
            ids.append([4 + (start >> shift % 24) % 200 for shift in range((3 + place) * longer)])
        return ids, None

    GRPOTrainer._generate_single_turn = generate
    reward_by_hash()


def die_in_update(update: int) -> None:
    """End this process as a killed one ends, when that many updates are done."""
    import os

    from transformers import Trainer

    step = Trainer.training_step

    def dying(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step == update:
            os._exit(9)
        return step(self, *args, **kwargs)

    Trainer.training_step = dying


def main() -> None:
    work = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 - the test wrote it
    if work.get("limit"):
        faulthandler.dump_traceback_later(work["limit"], exit=True)
    from vr1repro.rehearsal.cpu import stand_in_for_gpus

    if work.get("zero") or work.get("fsdp"):
        stand_in_for_gpus(zero_stage=work["zero"], fsdp=work.get("fsdp", False))
    if work.get("replay"):
        replay_rollouts(work.get("uneven", 1))
    if work.get("die"):
        die_in_update(work["die"])
    if work.get("patch"):
        import defects

        getattr(defects, work["patch"])()
    if work["kind"] == "sft":
        from vr1repro.training import sft

        sft.train(*work["args"])
    else:
        from vr1repro.training import grpo

        grpo.train(grpo.StageJob(**work["job"]), *work["args"])


if __name__ == "__main__":  # grading workers import this file
    main()
