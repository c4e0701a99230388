"""Bridges or merges under a limit on the size of files, as a process: to the writer a full disk looks the same."""

import random
import resource
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from coldset_settings import coldset_settings
from rich.progress import Progress

from vr1repro.coldset.bridge import bridge
from vr1repro.coldset.ledger import Ledger
from vr1repro.coldset.merge import merge
from vr1repro.core.errors import UserError
from vr1repro.core.problem_files import write_problems
from vr1repro.core.records import Problem
from vr1repro.engines.base import Completion, Request

SETTINGS = coldset_settings(max_chain_chars=100_000, repetition_share=0.9)
PROBLEMS = [
    Problem(
        id=str(n), source="s", question=f"What is {n}+1?", answer=str(n + 1), image=random.Random(n).randbytes(4000)
    )
    for n in range(40)
]


class Noting:
    """Answers every request rightly and says on stdout what it was asked."""

    @property
    def settings(self) -> dict[str, object]:
        return {"kind": "noting"}

    def attach(self, ledger: Ledger, steps: Sequence[str]) -> None:
        pass

    def cost(self, completion: Completion) -> float | None:
        return None

    def complete(self, step: str, requests: Mapping[str, Request]) -> Iterator[tuple[str, Completion]]:
        for sha, request in requests.items():
            print(sha, flush=True)
            n = int(request.text.split("What is ")[-1].split("+")[0])
            words = " ".join(str(n + k) for k in range(200))
            text = f"<think>{words}</think><answer> Final Answer:{n + 1} </answer>"
            yield sha, Completion(key=request.key, text=text, n_tokens=7, finish_reason="stop")


def main() -> None:
    what, out, limit = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if what == "merge":
        write_problems(out / "problems.parquet", PROBLEMS)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        if what == "bridge":
            with Progress(disable=True) as progress:
                bridge(PROBLEMS, SETTINGS, Noting(), Noting(), 1, out, progress)
        else:
            merge([out / "problems.parquet"], [out / "drafts.jsonl"], SETTINGS, out / "set", 1)
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
