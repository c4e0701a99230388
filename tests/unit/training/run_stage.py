"""Run a pickled stage: `{"kind": "sft" | "rl", "args": ..., "job": ..., "replay": bool}`."""

import pickle
import sys
from pathlib import Path
from typing import Any


def replay_rollouts() -> None:
    """Make completions and rewards functions of prompt and place in the group, whatever process asks for them."""
    from zlib import crc32

    from trl import GRPOTrainer

    from vr1repro.answers.reward import HardFormatReward, Reward
    from vr1repro.core.records import Outcome

    def generate(self: Any, prompt_ids: list[list[int]], *_: Any, **__: Any) -> Any:
        ids = []
        for row, prompt in enumerate(prompt_ids):  # each process's rows are whole groups, in order
            place = row % self.num_generations
            start = crc32(repr((prompt, place)).encode())
            ids.append([4 + (start >> shift) % 200 for shift in range(3 + place)])
        return ids, None

    def score(_: Any, texts: list[str], *__: Any) -> list[Reward]:
        return [Reward(crc32(text.encode()) % 5 / 4, True, Outcome.RIGHT, None) for text in texts]

    GRPOTrainer._generate_single_turn = generate
    HardFormatReward.score = score  # type: ignore[assignment, method-assign]


def main() -> None:
    work = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 - the test wrote it
    if work.get("replay"):
        replay_rollouts()
    if work["kind"] == "sft":
        from vr1repro.training import sft

        sft.train(*work["args"])
    else:
        from vr1repro.training import grpo

        grpo.train(grpo.StageJob(**work["job"]), *work["args"])


if __name__ == "__main__":  # grading workers import this file
    main()
