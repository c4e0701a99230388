import json
import os
import signal
import subprocess
import sys

import pytest
from waiting import PATIENCE_S, wait_until

from vr1repro.answers.compare import MatchSettings
from vr1repro.answers.grade import Grader, Pair, Work, mapped
from vr1repro.core.records import Outcome

# huggingface/Math-Verify#65: its own SIGALRM cannot interrupt the C call that works out this power.
HANGS = r"\boxed{\dfrac{5^{(5^{(5^{(5^5)})}-4)}-5}{16}}"


def note_when_there(mine, awaited=None):
    """Leave a mark, once another's is there."""
    if awaited is not None:
        wait_until(awaited.exists, f"{awaited.name} is done")
    mine.touch()
    return mine.name


def count(path):
    with path.open("a") as file:
        file.write("called\n")
    return len(path.read_text().splitlines())


def eat(megabytes):
    return len(bytearray(megabytes * 2**20))


def ignore_sigterm_and_loop():
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        pass


def crash():
    os._exit(7)


def recurse(depth=0):
    return recurse(depth + 1)


def work(call, *args):
    return Work(call, args, done=lambda value: value, failed=lambda cause: cause)


def kill_itself():
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_hanging_pair_among_many_is_one_timeout():
    pairs = [Pair("12", HANGS if number == 90 else rf"\sin {number}x") for number in range(200)]
    with Grader(workers=2, timeout_s=5) as grader:
        outcomes = list(grader.grade(pairs))
    assert outcomes.count(Outcome.TIMEOUT) == 1
    assert outcomes[90] is Outcome.TIMEOUT
    assert len(outcomes) == 200


def test_order_is_kept(tmp_path):
    first, third = tmp_path / "first", tmp_path / "third"
    with Grader(workers=2, timeout_s=PATIENCE_S) as grader:
        items = [work(note_when_there, first, third), "now", work(note_when_there, third), "last"]
        assert list(grader.stream(items)) == ["first", "now", "third", "last"]


@pytest.mark.parametrize(
    ("call", "cause"),
    [(ignore_sigterm_and_loop, "time"), (crash, "killed"), (kill_itself, "killed"), (recurse, "recursion")],
)
def test_bad_calls_come_to_no_end_for_a_cause_and_the_next_goes_on(call, cause):
    timeout_s = 1 if cause == "time" else 60
    with Grader(workers=1, timeout_s=timeout_s) as grader:
        results = list(grader.stream([work(call), work(len, "four")]))
    assert results == [cause, 4]


def test_mapped_work_keeps_what_is_done_and_why_it_failed():
    def text(value):
        return f"got {value}"

    with Grader(workers=1, timeout_s=60) as grader:
        items = [mapped(5, text), mapped(work(len, "four"), text), mapped(work(crash), text)]
        items.append(mapped(work(crash), text, failed=lambda cause: f"failed: {cause}"))
        assert list(grader.stream(items)) == ["got 5", "got 4", "got killed", "failed: killed"]


def test_a_pair_that_crashes_its_worker_is_a_timeout():
    assert Pair("x+1", "(x+1)").work().failed("killed") is Outcome.TIMEOUT


def test_long_texts_behind_a_hanging_one_do_not_block_its_deadline():
    """Without its deadline the hanging one would hang this test."""
    with Grader(workers=1, timeout_s=1) as grader:
        items = [work(ignore_sigterm_and_loop), *(work(len, "x" * 5_000_000 + str(n)) for n in range(4))]
        got = list(grader.stream(items))
    assert got == ["time", *[5_000_001] * 4]


def test_memory_is_bounded():
    with Grader(workers=1, timeout_s=20, memory_mb=1024) as grader:
        assert list(grader.stream([work(eat, 4096), work(eat, 16)])) == ["memory", 16 * 2**20]


def test_an_error_of_ours_is_not_swallowed():
    with Grader(workers=1, timeout_s=20) as grader, pytest.raises(ZeroDivisionError):
        list(grader.stream([work(divmod, 1, 0)]))


def test_equal_work_is_done_once(tmp_path):
    with Grader(workers=2, timeout_s=PATIENCE_S) as grader:
        assert list(grader.stream(work(count, tmp_path / "calls") for _ in range(50))) == [1] * 50
    assert (tmp_path / "calls").read_text() == "called\n"


def test_streams_without_reading_all():
    read = 0

    def endless():
        nonlocal read
        while True:
            read += 1
            yield work(abs, read) if read % 3 == 0 else read

    with Grader(workers=2, timeout_s=10) as grader:
        stream = grader.stream(endless())
        for _ in range(300):
            next(stream)
    assert read < 300 + 5000


def test_a_formula_answers_a_gold_letter_by_the_choice_it_equals():
    with Grader(timeout_s=20) as grader:
        choices = ["\\frac{\\sqrt{2}}{2}", "\\sqrt{2}"]
        assert grader.equivalent("A", "\\frac{1}{\\sqrt{2}}", choices) is Outcome.RIGHT
        assert grader.equivalent("B", "\\frac{1}{\\sqrt{2}}", choices) is Outcome.WRONG


def test_no_process_starts_for_certain_pairs():
    grader = Grader(workers=1)
    assert grader.equivalent("12", "12.0") is Outcome.RIGHT
    assert grader._pool is None


def test_hostile_answers_get_a_verdict_and_nothing_runs(tmp_path):
    mark = tmp_path / "mark"
    hostile = [
        f"__import__('os').system('touch {mark}')",
        f"$__import__('os').system('touch {mark}')$",
        "{" * 5000,
        "\\boxed{" * 2000,
        "$" * 3001,
        "<b>12</b>",
        "1\x002",
        "\ud800",
        "\u202e21",
        "((((" * 1000,
        "9" * 10_000_000,
    ]
    with Grader(workers=2, timeout_s=3) as grader:
        outcomes = list(grader.grade(Pair("12", pred) for pred in hostile))
    assert len(outcomes) == len(hostile)
    assert Outcome.RIGHT not in outcomes
    assert not mark.exists()


def test_math_verify_own_cases(shared):
    cases = json.loads((shared / "grader_cases" / "math_verify_cases.json").read_text())

    def pair(case):
        kinds = ("latex", "expr") if case["match_types"] == "default" else tuple(case["match_types"])
        settings = MatchSettings(
            match_types=kinds,
            precision=case["precision"],
            strict=case["strict"],
            allow_set_relation_comp=case["allow_set_relation_comp"],
            matcher="math-verify",
        )
        return Pair(case["gold"], case["pred"], None, settings)

    with Grader(workers=2, timeout_s=30) as grader:
        outcomes = list(grader.grade(map(pair, cases)))
    failed = [
        case
        for case, outcome in zip(cases, outcomes, strict=True)
        if (outcome is Outcome.RIGHT) != bool(case["expected"])
    ]
    assert failed == []


def test_r1v_verdicts(shared):
    path = shared / "r1v" / "geoqa_test_qwen2vl_7b_grpo_2epochs_legacy.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    alone = MatchSettings(matcher="math-verify")
    with Grader(workers=2, timeout_s=30) as grader:
        outcomes = list(grader.grade(Pair(row["ground_truth"], row["model_output"], None, alone) for row in rows))
    assert [outcome is Outcome.RIGHT for outcome in outcomes] == [row["is_correct"] for row in rows]


KILLED = """
import os, signal, sys
from concurrent.futures import ProcessPoolExecutor
from vr1repro.answers.grade import Grader, Work, end_with_parent, fork_server

def late(result):
    with open(sys.argv[1], "w") as ready:
        ready.write("ready")
    return result

if __name__ == "__main__":
    with ProcessPoolExecutor(1, mp_context=fork_server(), initializer=end_with_parent) as pool, Grader() as grader:
        pool.submit(os.getpid).result()
        items = [Work(os.getpid, (), done=late, failed=late), Work(signal.pause, (), done=late, failed=late)]
        list(grader.stream(items))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_is_killed_leaves_no_worker_behind(tmp_path, how):
    import psutil

    script, ready = tmp_path / "killed.py", tmp_path / "ready"
    script.write_text(KILLED)
    process = subprocess.Popen([sys.executable, str(script), str(ready)], stderr=subprocess.DEVNULL)
    wait_until(lambda: ready.exists() or process.poll() is not None, "its first result")
    assert process.poll() is None
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 3  # the fork server and a worker of each pool
    process.send_signal(how)
    process.wait()
    _, left = psutil.wait_procs(family, timeout=PATIENCE_S)
    for worker in left:
        worker.kill()
    assert not left
