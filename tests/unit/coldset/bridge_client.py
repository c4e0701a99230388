"""Bridges and merges problems against an endpoint, as a process that a test can kill."""

import io
import json
import random
import sys
from pathlib import Path

from coldset_settings import coldset_settings
from PIL import Image
from rich.progress import Progress

from vr1repro.coldset.bridge import bridge
from vr1repro.coldset.bridge_model import JobContext
from vr1repro.coldset.merge import merge
from vr1repro.coldset.models import open_model
from vr1repro.config.coldset import ColdsetSettings
from vr1repro.core.problem_files import write_problems
from vr1repro.core.records import Problem

SEED = 1


def settings(url: str) -> ColdsetSettings:
    engine = {
        "kind": "model", "model": url, "temperature": 0.6, "top_p": 0.95, "max_tokens": 64,
        "prices": {"prompt": 1.0, "completion": 2.0},
        "sampler": {"kind": "openai", "model": "m", "concurrency": 48, "timeout_s": 6, "retries": 8,
                    "max_backoff_s": 0.2, "unique_ids": True, "patience_s": 60},
    }  # fmt: skip
    return coldset_settings(mllm=engine, reasoner=engine)


def problems(count: int) -> list[Problem]:
    made = []
    for n in range(count):
        picture = io.BytesIO()
        Image.new("RGB", (8, 8), (n % 256, n // 256 % 256, 7)).save(picture, format="PNG")
        made.append(
            Problem(id=str(n), source="s", question=f"What is {n}+1?", answer=str(n + 1), image=picture.getvalue())
        )
    return made


def main() -> None:
    url, out, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    rows, asked = problems(count), settings(url)
    shuffled = random.Random().sample(rows, len(rows))
    with Progress(disable=True) as progress:
        context = JobContext(folders={}, threads=1)
        mllm, reasoner = open_model(asked.mllm, context), open_model(asked.reasoner, context)
        found = bridge(shuffled, asked, mllm, reasoner, SEED, out / "shard", progress)
    write_problems(out / "problems.parquet", rows)
    merge([out / "problems.parquet"], [out / "shard" / "drafts.jsonl"], asked, out / "set", workers=1)
    (out / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
