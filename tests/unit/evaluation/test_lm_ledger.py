"""Responses are earned once, kept through crashes and changed settings, and end in the benchmark's order."""

from vr1repro.core.jsonl import read
from vr1repro.core.records import Response
from vr1repro.evaluation.ledger import ASIDE, Ledger, counts, key


def row(identity, attempt=0, text="t", generation="g", **more):
    return Response.model_validate(
        {"run": "r", "model": "m", "eval_seed": 1, "protocol": "single", "benchmark": "mathvista", "id": identity,
         "prompt_sha": f"p{identity}", "attempt": attempt, "response": text, "generation_sha": generation,
         "finish_reason": "stop", "n_tokens": 3, **more}
    )  # fmt: skip


def folders(tmp_path):
    return {"single": tmp_path / "single", "paper": tmp_path / "paper"}


def rows(tmp_path, protocol, name="responses.jsonl"):
    return [(one.id, one.attempt, one.protocol) for one in read(tmp_path / protocol / name, Response)]


def test_files_end_in_order_and_each_protocol_has_its_attempts(tmp_path):
    ledger = Ledger(folders(tmp_path)).open()
    first, second, again = row("1"), row("2"), row("1", attempt=1)
    for one in (second, first, again):
        ledger.add(one, {"seconds": 1.0})
    list(ledger.finish([first, again, second]))
    assert rows(tmp_path, "single") == [("1", 0, "single"), ("2", 0, "single")]
    assert rows(tmp_path, "paper") == [("1", 0, "paper"), ("1", 1, "paper"), ("2", 0, "paper")]
    assert not (tmp_path / "paper" / ASIDE).exists()


def test_a_torn_last_line_is_asked_again_and_the_rest_is_not(tmp_path):
    ledger = Ledger(folders(tmp_path)).open()
    for one in (row("1"), row("2")):
        ledger.add(one, {})
    ledger.close()
    for protocol in folders(tmp_path):
        path = tmp_path / protocol / "responses.jsonl"
        path.write_bytes(path.read_bytes()[:-5])
    after = Ledger(folders(tmp_path)).open()
    assert after.row_of(key(row("1"))) is not None
    assert after.row_of(key(row("2"))) is None
    after.close()


def test_other_settings_are_asked_anew_and_nothing_earned_is_lost(tmp_path):
    for generation in ("old", "new"):
        ledger = Ledger(folders(tmp_path)).open()
        one = row("1", generation=generation)
        assert ledger.row_of(key(one)) is None
        ledger.add(one, {})
        list(ledger.finish([one]))
    assert rows(tmp_path, "single", ASIDE) == [("1", 0, "single")]
    back = Ledger(folders(tmp_path)).open()
    old = back.row_of(key(row("1", generation="old")))
    assert old is not None
    list(back.finish([old]))
    assert [one.generation_sha for one in read(tmp_path / "paper" / ASIDE, Response)] == ["new"]


def test_counts_say_what_a_reader_must_know():
    found = counts(
        [
            row("1", finish_reason="length", unknown_tokens=2),
            row("1", attempt=1),
            row("2", finish_reason="refused", grid_mismatch=True, n_tokens=0),
        ]
    )
    assert found == {"questions": 2, "responses": 3, "truncated": 1, "refused": 1, "unknown_tokens": 2,
                     "grid_mismatches": 1, "tokens": 6}  # fmt: skip
