"""Bridging over HTTP: what identifies a request, budgets, refusals, and what all of it cost."""

import json
import socket
from collections import Counter
from contextlib import ExitStack

import pytest
from coldset_settings import coldset_settings
from llm_server import LlmServer, completion
from pydantic import ValidationError
from rich.progress import Progress

from vr1repro.coldset.bridge import bridge
from vr1repro.coldset.bridge_model import JobContext
from vr1repro.coldset.merge import merge
from vr1repro.coldset.models import open_model
from vr1repro.coldset.records import Draft
from vr1repro.coldset.spending import write_costs
from vr1repro.config.coldset import ModelEngine
from vr1repro.config.samplers import EndpointSampler
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read
from vr1repro.core.problem_files import write_problems
from vr1repro.core.records import Problem
from vr1repro.engines.base import Request, Sampling
from vr1repro.engines.endpoint.client import EndpointEngine

pytest.importorskip("aiohttp")

PROBLEMS = [Problem(id=str(n), source="s", question=f"What is {n}+1?", answer=str(n + 1)) for n in range(6)]
REQUESTS = 3 * len(PROBLEMS)
TOKENS = 10 + 5


def solved(asked):
    n = int(asked.text.split("What is ")[1].split("+")[0])
    return completion(
        f"<think>The description says {n}.</think><answer> Final Answer:{n + 1} </answer>", tokens=(10, 5)
    )


@pytest.fixture
def servers():
    """Makes servers that answer, on ports of their own."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(LlmServer(solved).running())


def broken(mark, reply):
    """Answers as ever, but for prompts that hold a mark."""
    return lambda asked: reply if mark in asked.text else solved(asked)


def engine(address, **changes):
    sampler = {"kind": "openai", "model": "m", "concurrency": 1, "retries": 0, "timeout_s": 20}
    sampler |= changes.pop("sampler", {})
    values = {"kind": "model", "model": address, "temperature": 0.6, "top_p": 0.95, "max_tokens": 64, **changes}
    return {**values, "sampler": sampler}


def settings(asked, **changes):
    return coldset_settings(mllm=asked, reasoner=asked, **changes)


def run(out, asked):
    with Progress(disable=True) as progress:
        context = JobContext(folders={}, threads=1)
        mllm, reasoner = open_model(asked.mllm, context), open_model(asked.reasoner, context)
        return bridge(PROBLEMS, asked, mllm, reasoner, 1, out, progress)


def test_a_model_that_moves_to_another_address_is_not_asked_again(servers, tmp_path):
    first, second = servers(), servers()
    assert run(tmp_path, settings(engine(first.url)))["answered"] == REQUESTS
    moved = engine(second.url, identity="m", sampler={"model": "renamed", "concurrency": 4})
    assert run(tmp_path, settings(moved))["answered"] == 0
    assert (len(first.asked), len(second.asked)) == (REQUESTS, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"sampler": {"model": "other"}}, {"identity": "other"}, {"temperature": 0.7}, {"top_p": 0.9},
        {"max_tokens": 65}, {"sampler": {"extra": {"top_k": 1}}}, {"max_image_pixels": 99},
    ],
)  # fmt: skip
def test_what_decides_a_reply_is_part_of_the_request(changes):
    def identity(**changes):
        model = ModelEngine.model_validate(engine("http://127.0.0.1:1/v1", **changes))
        return open_model(model, JobContext(folders={}, threads=1)).settings

    assert identity(**changes) != identity()


def test_how_fast_and_how_dear_it_is_decides_no_reply():
    quick = engine(
        "http://elsewhere/v1", prices={"prompt": 1, "completion": 2}, budget_tokens=9, budget_money=9,
        sampler={"concurrency": 99, "timeout_s": 1, "retries": 3, "unique_ids": True},
    )  # fmt: skip
    slow = engine("http://127.0.0.1:1/v1")
    context = JobContext(folders={}, threads=1)
    quick, slow = (open_model(ModelEngine.model_validate(one), context).settings for one in (quick, slow))
    assert quick == slow


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampler": {"model": None}}, "an endpoint needs `sampler.model` or `identity`"),
        ({"model": "key"}, "need a sampler of kind openai, others one of kind transformers"),
        ({"model": "key", "server": {}, "identity": "m"}, "identity: is for an endpoint"),
        ({"server": {}}, "is an endpoint; name a key of `models`"),
        ({"budget_money": 1}, "budget_money: needs `prices`"),
    ],
)
def test_an_engine_that_cannot_be_is_named(changes, message):
    with pytest.raises(ValidationError, match=message):
        ModelEngine.model_validate(engine(changes.pop("model", "http://127.0.0.1:1/v1"), **changes))


@pytest.mark.parametrize(
    ("budget", "left"), [({"budget_tokens": 8 * TOKENS}, 10), ({"budget_money": 11 * 2e-5}, 7)]
)  # fmt: skip
def test_a_budget_stops_cleanly_says_what_is_left_and_is_gone_on_from(servers, tmp_path, budget, left):
    server = servers()
    prices = {"prompt": 1.0, "completion": 2.0}  # 10 + 2 * 5 millionths a reply
    poor = settings(engine(server.url, prices=prices, **budget))
    words = f"{REQUESTS - left} requests are answered and kept, {left} are left"
    with pytest.raises(UserError, match=words):
        run(tmp_path, poor)
    assert len(server.asked) == REQUESTS - left
    with pytest.raises(UserError, match=words):
        run(tmp_path, poor)  # what earlier runs spent is spent
    assert len(server.asked) == REQUESTS - left
    assert run(tmp_path, settings(engine(server.url)))["answered"] == left
    assert max(Counter(asked.text for asked in server.asked).values()) == 1


def test_a_refused_problem_is_a_counted_rejection(servers, tmp_path):
    server = servers()
    server.answer = broken("What is 2+1?", (400, b"This model's maximum context length is 9 tokens"))
    asked = settings(engine(server.url))
    run(tmp_path, asked)
    drafts = {draft.id: draft for draft in read(tmp_path / "drafts.jsonl", Draft)}
    assert drafts["2"].rejected == "refused-pseudo-cot"
    write_problems(tmp_path / "problems.parquet", PROBLEMS)
    report = merge([tmp_path / "problems.parquet"], [tmp_path / "drafts.jsonl"], asked, tmp_path / "set", 1)
    assert (report["rejected"]["refused-pseudo-cot"], report["kept"]) == (1, 5)
    states = [json.loads(line) for line in (tmp_path / "problems.jsonl").read_text().splitlines()]
    assert [row["reason"] for row in states if row["id"] == "2"] == ["too_long"]


def test_what_stays_unanswered_ends_the_job_or_is_dropped_by_config(servers, tmp_path):
    server = servers()
    server.answer = broken("What is 4+1?", (500, b"oops"))
    with pytest.raises(UserError, match=r"1 of 6 problems got no answer after all tries \(status_500 1\)"):
        run(tmp_path, settings(engine(server.url)))
    asked = settings(engine(server.url), drop_unanswered=True)
    run(tmp_path, asked)
    write_problems(tmp_path / "problems.parquet", PROBLEMS)
    report = merge([tmp_path / "problems.parquet"], [tmp_path / "drafts.jsonl"], asked, tmp_path / "set", 1)
    assert (report["rejected"]["unanswered"], report["kept"]) == (1, 5)
    server.answer = solved
    run(tmp_path, asked)
    assert not any(draft.rejected for draft in read(tmp_path / "drafts.jsonl", Draft))


def test_costs_are_summed_over_shards_and_for_a_kept_trace(servers, tmp_path):
    server = servers()
    asked = settings(engine(server.url, prices={"prompt": 1.0, "completion": 2.0}, sampler={"retries": 2}))
    server.answer = broken("What is 4+1?", (500, b"oops"))
    with pytest.raises(UserError):
        run(tmp_path / "a", asked)
    server.answer = solved
    run(tmp_path / "a", asked)
    report = write_costs([tmp_path / "a", tmp_path / "no-endpoint"], kept=5, out=tmp_path / "cost.json")
    assert report == json.loads((tmp_path / "cost.json").read_text())
    assert report["steps"]["pseudo_cot"] == {"tries": 9, "replies": 6, "prompt_tokens": 60, "completion_tokens": 30}
    assert report["failures"] == {"status_500": 3}
    assert report["served_models"] == {"pseudo_cot": {"m": 6}, "description": {"m": 6}, "chain": {"m": 6}}
    assert (report["tokens"], report["tokens_per_kept"]) == (REQUESTS * TOKENS, REQUESTS * TOKENS / 5)
    assert report["cost"] == pytest.approx(REQUESTS * 2e-5)
    assert report["cost_per_kept"] == pytest.approx(REQUESTS * 2e-5 / 5)


def test_costs_without_prices_are_not_known(servers, tmp_path):
    run(tmp_path, settings(engine(servers().url)))
    report = write_costs([tmp_path], kept=0, out=tmp_path / "cost.json")
    assert (report["cost"], report["cost_per_kept"], report["tokens_per_kept"]) == (None, None, None)
    assert report["tokens"] == REQUESTS * TOKENS


def test_a_server_of_ours_that_died_ends_the_run_with_its_last_words():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sampler = EndpointSampler(kind="openai", model="m", retries=1000)
    asked = EndpointEngine(f"http://127.0.0.1:{port}", sampler, keep_going=True, died=lambda: "it ran out of memory")
    with pytest.raises(UserError, match="it ran out of memory; completions received so far are kept"):
        list(asked.generate([Request(key=1, text="hi", seed=1)], Sampling(0.0, 1.0, 4)))
