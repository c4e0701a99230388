"""Filter, polish and export at the paper's scale: wall time, CPU time and peak memory of all processes together.

    python bench/coldset_scale.py --traces 200000 --workers 2 --out /tmp/scale [--record results/reference/bench]

Makes synthetic problems (PNG noise of about 20 KB) and drafts (median 600 words; 30 % LaTeX answers, 5 % wrong, 2 %
hostile, each unlike the others), then runs the merge with every filter on in a process of its own. Its memory and that
of its children is summed every other second (proportional share, so that shared pages count once), and so is their CPU
time, which other work on the machine changes far less than wall time.
"""

import argparse
import io
import json
import multiprocessing
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from vr1repro.coldset.bridge import in_shard
from vr1repro.coldset.merge import merge
from vr1repro.coldset.records import Draft
from vr1repro.config.coldset import ColdsetSettings, ScriptedEngine
from vr1repro.core.problem_files import write_problems
from vr1repro.core.provenance import made
from vr1repro.core.records import Problem, dump_line

SHARDS = 8
SETTINGS = ColdsetSettings(
    sources=["synthetic"], shards=SHARDS, mllm=ScriptedEngine(kind="scripted"),
    reasoner=ScriptedEngine(kind="scripted"), answer_in_reasoner_prompt=False, max_chain_chars=60_000,
    repetition_ngram=20, repetition_share=0.2, min_chain_words=5, polish=True, released=None,
)  # fmt: skip
_TEXT = (
    "we have the triangle angle side length so that x y equals sum of both given figure shows a bar with value "
    "then wait let me check this again hmm perhaps alternatively compute area radius circle from point to line "
    "parallel therefore since 12 7.5 90 degrees because ratio is constant we find substitute into equation and "
    "simplify"
)
_WORDS = _TEXT.split()


def answer(rng: random.Random) -> tuple[str, str, str]:
    """A gold answer, the same in another hand, and a wrong one; 30 % are LaTeX."""
    a, b, c = rng.randint(2, 99), rng.randint(2, 99), rng.randint(2, 9)
    if rng.random() < 0.7:
        return str(a), str(a) if c > 4 else f"{a}.0", str(a + 1)
    return rng.choice(
        [
            (rf"\frac{{{a}}}{{{b}}}", rf"\dfrac{{{a}}}{{{b}}}", rf"\frac{{{a + 1}}}{{{b}}}"),
            (rf"{a}\sqrt{{{b}}}", rf"${a}\sqrt{{{b}}}$", rf"{a + 1}\sqrt{{{b}}}"),
            (rf"{a}\pi", rf"{a}\pi" if c > 3 else f"{a}*pi", rf"{a + 1}\pi"),
            (rf"x={a}", str(a), str(a + 1)),
        ]
    )


def hostile(rng: random.Random, n: int) -> str:
    """A reply that breaks what is careless, unlike every other one."""
    kinds = (
        f"<think>{'so ' * 300}</think><answer> Final Answer:9^{{9^{{9^{{{n}}}}}}} </answer>",
        f"<think>a </answer> {n}</think><answer> Final Answer:1 </answer>",
        "<think>" + "wait let me see " * 2000 + f"</think><answer> Final Answer:{n} </answer>",
        f"<think>{'b ' * 50}</think><answer> Final Answer:" + "{" * 5000 + f"{n} </answer>",
        f"<think>{'c ' * 50}\x00\x1b[31m</think><answer> Final Answer:{n} </answer>",
        f"<think>As an AI I cannot see it. {n}</think><answer> Final Answer:{n} </answer>",
        f"<think>{'d ' * 50}</think><answer> Final Answer:" + r"\frac{1}{" * 60 + str(n) + "}" * 60 + " </answer>",
        f"<answer> Final Answer:{n}",
        "<think>" + "\\boxed{" * 20000 + str(n),
    )
    return kinds[rng.randrange(len(kinds))]


def rows(count: int, seed: int) -> Iterator[tuple[Problem, Draft]]:
    """Problems and their drafts."""
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    for n in range(count):
        gold, same, wrong = answer(rng)
        picture = io.BytesIO()
        pixels = noise.integers(0, 256, (82, 82, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(picture, format="PNG", compress_level=0)
        problem = Problem(
            id=str(n), source="synthetic", question=f"What is quantity {n} in the figure?", answer=gold,
            image=picture.getvalue(),
        )  # fmt: skip
        length = max(20, int(rng.lognormvariate(np.log(600), 0.6)))
        chain = " ".join(rng.choices(_WORDS, k=length))
        if rng.random() < 0.3:
            chain = f"The description says there is a bar. {chain}"
        draw = rng.random()
        given = same if draw > 0.05 else wrong
        reply = f"<think>{chain}</think><answer> Final Answer:{given} </answer>"
        yield problem, Draft(
            id=problem.id, source="synthetic", pseudo_cot="Caption: a bar. Reasoning: read it. " * 10,
            description="A figure with a bar and a label. " * 20,
            reply=hostile(rng, n) if rng.random() < 0.02 else reply, finished=True,
        )  # fmt: skip


def prepare(folder: Path, count: int, seed: int) -> list[Path]:
    """Write problems and drafts."""
    folder.mkdir(parents=True, exist_ok=True)
    drafts = [folder / f"drafts-{shard}.jsonl" for shard in range(SHARDS)]
    streams = [path.open("w") for path in drafts]

    def problems() -> Iterator[Problem]:
        for problem, draft in rows(count, seed):
            shard = next(shard for shard in range(SHARDS) if in_shard(problem, shard, SHARDS))
            streams[shard].write(dump_line(draft) + "\n")
            yield problem

    write_problems(folder / "problems.parquet", problems())
    for stream in streams:
        stream.close()
    return drafts


def work(folder: Path, drafts: list[Path], workers: int) -> None:
    """What is measured."""
    report = merge([folder / "problems.parquet"], drafts, SETTINGS, folder / "set", workers)
    (folder / "report.json").write_text(json.dumps(report))


class Watch(threading.Thread):
    """Sums memory and CPU time of a process and all below it until told to stop."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self._process, self._stop_now = process, threading.Event()
        self._cpu: dict[int, float] = {}
        self.peak_mb = 0.0

    @property
    def cpu_seconds(self) -> float:
        """User and system time of all processes, as last seen of each."""
        return sum(self._cpu.values())

    def run(self) -> None:
        """Look, often at first."""
        looks = 0
        while not self._stop_now.is_set():
            total = 0.0
            try:
                family = [self._process, *self._process.children(recursive=True)]
            except psutil.Error:
                break
            for one in family:
                try:
                    total += one.memory_full_info().pss / 2**20
                    times = one.cpu_times()
                except psutil.Error:
                    continue
                self._cpu[one.pid] = times.user + times.system
            self.peak_mb = max(self.peak_mb, total)
            looks += 1
            self._stop_now.wait(0.05 if looks < 100 else 2.0)

    def stop(self) -> None:
        """Stop looking."""
        self._stop_now.set()
        self.join()


def main() -> None:
    """Prepare, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--traces", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reuse", action="store_true", help="Take what an earlier run prepared in --out.")
    parser.add_argument("--record", type=Path, help="Folder to write coldset-scale.json into.")
    asked = parser.parse_args()
    began = time.perf_counter()
    drafts = sorted(asked.out.glob("drafts-*.jsonl")) if asked.reuse else prepare(asked.out, asked.traces, asked.seed)
    prepared = time.perf_counter() - began
    process = multiprocessing.get_context("spawn").Process(target=work, args=(asked.out, drafts, asked.workers))
    began = time.perf_counter()
    process.start()
    watch = Watch(psutil.Process(process.pid))
    watch.start()
    process.join()
    seconds = time.perf_counter() - began
    watch.stop()
    assert process.exitcode == 0, "the merge failed"
    report = json.loads((asked.out / "report.json").read_text())
    result = {
        "command": f"python bench/coldset_scale.py --traces {asked.traces} --workers {asked.workers}",
        "traces": asked.traces, "kept": report["kept"], "rejected": report["rejected"],
        "mean_words": report["mean_words"], "seconds": round(seconds, 1),
        "cpu_seconds": round(watch.cpu_seconds, 1), "peak_mb": round(watch.peak_mb),
        "traces_per_second": round(asked.traces / seconds), "prepare_seconds": round(prepared, 1),
        "cores": os.cpu_count(), "load_average_at_end": [round(x, 2) for x in os.getloadavg()], "made": made(),
    }  # fmt: skip
    if asked.record:
        asked.record.mkdir(parents=True, exist_ok=True)
        (asked.record / "coldset-scale.json").write_text(json.dumps(result, indent=2, sort_keys=True) + "\n")
    print(json.dumps({name: value for name, value in result.items() if name != "made"}, indent=2))


if __name__ == "__main__":
    main()
