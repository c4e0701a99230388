"""Bridging with an engine that answers by a function of the request, and can be cut off."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from coldset_settings import coldset_settings
from rich.progress import Progress

from vr1repro.coldset.bridge import bridge, in_shard
from vr1repro.coldset.ledger import Ledger
from vr1repro.coldset.merge import merge
from vr1repro.coldset.records import Draft
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read
from vr1repro.core.problem_files import write_problems
from vr1repro.core.records import Problem, Trace
from vr1repro.engines.base import Completion, Request

SETTINGS = coldset_settings(shards=2)
PROBLEMS = [
    Problem(id=str(n), source="s", question=f"What is {n}+1?", answer=str(n + 1), image=b"picture %d" % n)
    for n in range(20)
]


class Crash(Exception):
    pass


class Counting:
    """Answers 'the description says ...' with the right sum for even numbers, and dies after `life` replies."""

    def __init__(self, life: int = 10**9) -> None:
        self.settings: dict[str, object] = {"kind": "counting"}
        self.requests: list[Request] = []
        self.life = life

    def attach(self, ledger: Ledger, steps: Sequence[str]) -> None:
        pass

    def cost(self, completion: Completion) -> float | None:
        return None

    def complete(self, step: str, requests: Mapping[str, Request]) -> Iterator[tuple[str, Completion]]:
        for sha, request in random.Random(len(self.requests)).sample(list(requests.items()), len(requests)):
            if self.life == 0:
                raise Crash
            self.life -= 1
            self.requests.append(request)
            n = int(request.text.split("What is ")[-1].split("+")[0])
            text = f"<think>The description says {n}.</think><answer> Final Answer:{n + 1 + n % 2} </answer>"
            yield sha, Completion(key=request.key, text=text, n_tokens=7, finish_reason="stop")


def build(folder: Path, problems: list[Problem], drafts: list[Path], out: Path, workers: int = 1) -> dict[str, Any]:
    write_problems(folder / "problems.parquet", problems)
    return merge([folder / "problems.parquet"], drafts, SETTINGS, out, workers)


def run(out: Path, mllm: Counting, reasoner: Counting, problems: list[Problem] = PROBLEMS) -> dict[str, object]:
    with Progress(disable=True) as progress:
        return bridge(problems, SETTINGS, mllm, reasoner, 1, out, progress)


def test_the_reasoner_sees_no_image_and_no_answer(tmp_path: Path) -> None:
    mllm, reasoner = Counting(), Counting()
    assert run(tmp_path, mllm, reasoner)["answered"] == 60
    assert all(request.images for request in mllm.requests)
    assert not any(request.images for request in reasoner.requests)
    assert not any("The answer is" in request.text for request in reasoner.requests)


def test_with_the_answer_in_the_prompt_by_config(tmp_path: Path) -> None:
    reasoner = Counting()
    with Progress(disable=True) as progress:
        settings = SETTINGS.model_copy(update={"answer_in_reasoner_prompt": True})
        bridge(PROBLEMS[:1], settings, Counting(), reasoner, 1, tmp_path, progress)
    assert reasoner.requests[0].text.endswith("The answer is 1.")


@pytest.mark.parametrize("life", [0, 1, 19, 20, 33, 40, 55])
def test_after_a_crash_nothing_is_asked_again(tmp_path: Path, life: int) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run(whole, Counting(), Counting())
    first = Counting(life)
    with pytest.raises(Crash):
        run(cut, first, first)
    with (cut / "ledger.jsonl").open("a") as ledger:
        ledger.write('{"request_sha": "torn')  # what a kill in the middle of a write leaves
    second = Counting()
    run(cut, second, second, random.Random(3).sample(PROBLEMS, len(PROBLEMS)))
    assert len(first.requests) + len(second.requests) == 60
    assert (cut / "drafts.jsonl").read_bytes() == (whole / "drafts.jsonl").read_bytes()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.jsonl"), pytest.raises(UserError, match="another process"):
        Ledger(tmp_path / "ledger.jsonl")


def test_the_set_does_not_depend_on_shards(tmp_path: Path) -> None:
    run(tmp_path / "one", Counting(), Counting())
    for shard in range(3):
        part = [problem for problem in PROBLEMS if in_shard(problem, shard, 3)]
        run(tmp_path / f"three{shard}", Counting(), Counting(), part)
    merged = []
    for name, shards in (("a", ["one"]), ("b", ["three2", "three0", "three1"])):
        out = tmp_path / name
        out.mkdir()
        report = build(tmp_path, PROBLEMS, [tmp_path / shard / "drafts.jsonl" for shard in shards], out, len(shards))
        merged.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert merged[0] == merged[1]
    assert report["problems"] == 20
    assert report["kept"] == 10
    assert report["rejected"]["answer-wrong"] == 10
    assert json.loads(merged[0]["yield.json"])["polished"] == {"description-says": 20}


def test_traces_say_why(tmp_path: Path) -> None:
    run(tmp_path, Counting(), Counting())
    build(tmp_path, PROBLEMS, [tmp_path / "drafts.jsonl"], tmp_path)
    traces = {trace.id: trace for trace in read(tmp_path / "traces.jsonl", Trace)}
    assert traces["2"].rejected is None
    assert traces["2"].chain == "The image shows 2."
    assert traces["3"].rejected == "answer-wrong"


def test_the_set_holds_chains_for_trl_and_llama_factory(tmp_path: Path) -> None:
    run(tmp_path, Counting(), Counting())
    report = build(tmp_path, PROBLEMS, [tmp_path / "drafts.jsonl"], tmp_path)
    rows = pq.read_table(tmp_path / "coldset.parquet").to_pylist()
    reply = "<think> The image shows 2. </think><answer> Final Answer:3 </answer>"
    row = next(row for row in rows if row["id"] == "2")
    assert json.loads(row["metadata"])["completion"] == reply == row["output"]
    assert row["messages"] == [
        {"role": "user", "content": "What is 2+1?"}, {"role": "assistant", "content": reply},
    ]  # fmt: skip
    assert row["instruction"] == "<image>What is 2+1?"
    assert row["image"]["bytes"] == b"picture 2"
    assert report["mean_words"] == 4
    assert (tmp_path / "README.md").read_text().startswith("---\nlicense: other")
    info = json.loads((tmp_path / "dataset_info.json").read_text())
    assert info["vision_r1_cold"]["columns"]["images"] == "image"


def test_a_draft_without_its_problem_is_named(tmp_path: Path) -> None:
    run(tmp_path, Counting(), Counting())
    with pytest.raises(UserError, match="problem '0' of 's' is not among the sources"):
        build(tmp_path, PROBLEMS[1:], [tmp_path / "drafts.jsonl"], tmp_path)


def test_drafts_are_records(tmp_path: Path) -> None:
    run(tmp_path, Counting(), Counting())
    assert [row.id for row in read(tmp_path / "drafts.jsonl", Draft)] == sorted(problem.id for problem in PROBLEMS)
