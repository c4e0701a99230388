"""An endpoint that replies in every bad way: no text is lost, no reply vanishes, no key is kept."""

import base64
import gzip
import json
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hostile_server import reply, serving

from vr1repro.config.samplers import EndpointSampler
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read_lines
from vr1repro.engines.base import Request, Sampling
from vr1repro.engines.endpoint.client import EndpointEngine

pytest.importorskip("aiohttp")

SAMPLING = Sampling(0.0, 1.0, 16)
KEY = 'sk-canary/"7731+abcdef'
REQUESTS = [Request(key=number, text=f"{number} + 1?", seed=number) for number in range(3)]
TEXT = "The answer is 3"


def engine(server, **options):
    further = {name: options.pop(name) for name in ("journal", "keep_going") if name in options}
    values = {"model": "m", "concurrency": 4, "retries": 0, "timeout_s": 20, "max_backoff_s": 0.01, **options}
    return EndpointEngine(server.url, EndpointSampler(kind="openai", **values), **{"keep_going": True, **further})


def completions(answer, **options):
    with serving(answer) as server:
        return sorted(engine(server, **options).generate(REQUESTS, SAMPLING), key=lambda one: one.key)


def body(data, **headers):
    return lambda handler: handler.send(200, data, **headers)


def usage(value, prompt=9):
    return reply(usage={"completion_tokens": value, "prompt_tokens": prompt})


DEEP = b"[" * 20_000 + b"]" * 20_000
JUNK = b'{"model":"m","junk":%s,"choices":[{"message":{"content":"3"},"finish_reason":"stop"}]}'

# What is sent; text, finish reason, completion tokens, prompt tokens; what the note says.
KEPT = {
    "a count as text": (usage("12"), TEXT, "stop", None, 9, "usage.completion_tokens: '12'"),
    "both counts as text": (usage("12", "9"), TEXT, "stop", None, None, "usage.prompt_tokens: '9'"),
    "a negative count": (usage(-7), TEXT, "stop", None, 9, "usage.completion_tokens: -7"),
    "a count with a fraction": (usage(4.5), TEXT, "stop", None, 9, "usage.completion_tokens: 4.5"),
    "a whole count as a float": (usage(4.0), TEXT, "stop", None, 9, "usage.completion_tokens: 4.0"),
    "true as a count": (usage(True), TEXT, "stop", None, 9, "usage.completion_tokens: True"),
    "NaN as a count": (usage(float("nan")), TEXT, "stop", None, 9, "usage.completion_tokens: nan"),
    "a count past any": (usage(10**30), TEXT, "stop", None, 9, "usage.completion_tokens: 1000"),
    "a count as an object": (usage({"a": 1}), TEXT, "stop", None, 9, "usage.completion_tokens: {'a': 1}"),
    "usage as a list": (reply(usage=[1, 2]), TEXT, "stop", None, None, "usage: [1, 2]"),
    "usage as a text": (reply(usage="12"), TEXT, "stop", None, None, "usage: '12'"),
    "usage as a number": (reply(usage=12), TEXT, "stop", None, None, "usage: 12"),
    "no usage": (reply(usage=None), TEXT, "stop", None, None, ""),
    "no counts": (reply(usage={}), TEXT, "stop", None, None, ""),
    "5000 digits": (JUNK % (b"9" * 5000), "3", "stop", None, None, "an integer of 5000 digits: null"),
    "nested junk": (JUNK % DEEP, "3", "stop", None, None, "nested deeper than 64 levels: null"),
    "nested junk in usage": (
        reply().replace(b'"prompt_tokens": 9', b'"details": ' + DEEP), TEXT, "stop", 4, None, "nested deeper",
    ),
    "nested junk that only looks so": (reply("[" * 300 + "{"), "[" * 300 + "{", "stop", 4, 9, ""),
    "tool_calls": (reply(finish="tool_calls"), TEXT, "unknown", 4, 9, "finish_reason: 'tool_calls'"),
    "abort": (reply(finish="abort"), TEXT, "unknown", 4, 9, "finish_reason: 'abort'"),
    "no finish reason": (reply(finish=None), TEXT, "unknown", 4, 9, "finish_reason: None"),
    "a list as finish reason": (reply(finish=["stop"]), TEXT, "unknown", 4, 9, "finish_reason: ['stop']"),
    "length": (reply(finish="length"), TEXT, "length", 4, 9, ""),
    "a model that is no text": (reply(model={"name": "m"}), TEXT, "stop", 4, 9, "model: {'name': 'm'}"),
    "an id that is no text": (reply(id=[1]), TEXT, "stop", 4, 9, "id: [1]"),
    "an empty text": (reply(""), "", "stop", 4, 9, ""),
    "a lone surrogate": (reply("\ud800 3"), "\ud800 3", "stop", 4, 9, ""),
    "NUL and control characters": (reply("\0\x1b[2J3"), "\0\x1b[2J3", "stop", 4, 9, ""),
    "a key twice": (reply()[:-1] + b',"usage":null}', TEXT, "stop", None, None, ""),
}  # fmt: skip


@pytest.mark.parametrize("case", KEPT)
def test_a_fault_beside_the_text_keeps_the_text(case):
    data, text, finish, tokens, prompt_tokens, note = KEPT[case]
    for one in completions(body(data)):
        assert (one.text, one.finish_reason, one.n_tokens, one.n_prompt_tokens) == (text, finish, tokens, prompt_tokens)
        assert note in one.note
        assert bool(one.note) == bool(note)


def message(**content):
    return json.dumps({"model": "m", "choices": [{"message": content, "finish_reason": "stop"}]}).encode()


# What is sent, and what the failed row says.
FAILED = {
    "no JSON": (b"<html>", "broken_json: 6 bytes"),
    "half of it": (reply()[:60], "broken_json: 60 bytes"),
    "nothing": (b"", "broken_json: 0 bytes"),
    "null": (b"null", "malformed: a reply is NoneType"),
    "a list": (b"[]", "malformed: a reply is list"),
    "Latin-1": (reply("caf\u00e9").replace(b"\\u00e9", b"\xe9"), "broken_json"),
    "UTF-16": (reply().decode().encode("utf-16"), "broken_json"),
    "unbalanced brackets": (b'{"choices":' + b"[" * 100_000, "broken_json"),
    "nested choices": (b'{"choices":' + DEEP + b"}", "malformed: a choice is list"),
    "no choices": (reply(choices=[]), "no_choices"),
    "choices as an object": (reply(choices={"0": 1}), "no_choices: `choices` is dict"),
    "a choice as a text": (reply(choices=["3"]), "malformed: a choice is str"),
    "no message": (reply(choices=[{"index": 0}]), "malformed: a message is NoneType"),
    "content in parts": (message(content=[{"type": "text", "text": "3"}]), "malformed: content is no text"),
    "no content": (message(content=None), "no_text: neither content nor reasoning"),
    "a refusal alone": (message(content=None, refusal="I will not"), "no_text: I will not"),
    "another model": (reply(model="other"), "wrong_model: other, asked for m (`accept_models`)"),
}


@pytest.mark.parametrize("case", FAILED)
def test_a_reply_without_text_is_a_failed_row_with_its_reason(case):
    data, reason = FAILED[case]
    rows = completions(body(data))
    assert [(one.key, one.text, one.finish_reason) for one in rows] == [(n, "", "failed") for n in range(3)]
    assert all(reason in one.detail for one in rows)
    with pytest.raises(UserError, match=reason.split(":")[0]):
        completions(body(data), keep_going=False)


PACKED = {
    "gzip": (gzip.compress(reply()), "gzip"),
    "gzip in two members": (gzip.compress(reply()[:20]) + gzip.compress(reply()[20:]), "gzip"),
    "deflate": (zlib.compress(reply()), "deflate"),
    "raw deflate": (zlib.compress(reply(), wbits=-15), "deflate"),
    "capitals": (gzip.compress(reply()), "GZIP"),
    "no packing": (reply(), "identity"),
}


@pytest.mark.parametrize("case", PACKED)
def test_packed_replies_are_unpacked(case):
    data, encoding = PACKED[case]
    assert {one.text for one in completions(body(data, Content_Encoding=encoding))} == {TEXT}


@pytest.mark.parametrize(
    ("data", "encoding", "reason"),
    [
        (reply(), "br", "unknown_encoding: br"),
        (reply(), "gzip", "broken_encoding"),
        (gzip.compress(reply())[:-12], "gzip", "broken_encoding: it ends too early"),
        (b"\x1f\x8b" + b"\xff" * 90, "gzip", "broken_encoding"),
        (gzip.compress(b" " * 10_000_000 + reply()), "gzip", "too_large: more than 1000000 bytes"),
        (gzip.compress(b" " * 600_000 + reply()[:9]) * 2, "gzip", "too_large: more than 1000000 bytes"),
        (b" " * 1_000_001, "identity", "too_large: more than 1000000 bytes"),
    ],
)
def test_a_body_past_the_limit_or_badly_packed_is_a_failed_row(data, encoding, reason):
    rows = completions(body(data, Content_Encoding=encoding), max_reply_bytes=1_000_000)
    assert all(one.finish_reason == "failed" and reason in one.detail for one in rows)


_CLIENT = """
import resource, sys
from vr1repro.config.samplers import EndpointSampler
from vr1repro.engines.base import Request, Sampling
from vr1repro.engines.endpoint.client import EndpointEngine
import aiohttp
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
engine = EndpointEngine(sys.argv[1], EndpointSampler(kind="openai", model="m", retries=0), keep_going=True)
requests = [Request(key=n, text="q", seed=n) for n in range(3)]
for one in engine.generate(requests, Sampling(0.0, 1.0, 16)):
    print(one.detail)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["plain", "packed"])
def test_memory_stays_bounded_whatever_is_poured(how):
    command = [sys.executable, str(Path(__file__).with_name("hostile_server.py")), "600", how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            url = server.stdout.readline().strip()
            done = subprocess.run([sys.executable, "-c", _CLIENT, url], capture_output=True, text=True, check=True)
        finally:
            server.kill()
    *details, grown_mb = done.stdout.splitlines()
    assert len(details) == 3
    assert all("too_large: more than 32000000 bytes" in detail for detail in details)
    # Three bodies of 32 MB at once and what aiohttp holds; 1800 MB were sent.
    assert int(grown_mb) < 300


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_not_followed_and_named(status):
    with serving(body(reply())) as other:
        rows = completions(lambda handler: handler.send(status, b"", Location=f"{other.url}/v1/chat/completions"))
        assert all(f"redirects to {other.url}" in one.detail for one in rows)
        assert not other.arrived


@pytest.mark.parametrize("location", ["file:///etc/passwd", "//evil.example/x", "https://u:p@evil.example/"])
def test_a_redirect_elsewhere_is_refused_and_tells_no_password(location):
    rows = completions(lambda handler: handler.send(307, b"", Location=location))
    assert all(one.finish_reason == "failed" and "redirects to" in one.detail for one in rows)
    assert all("u:p@" not in one.detail for one in rows)


def test_a_redirect_within_the_server_is_followed_a_few_times():
    def answer(handler):
        if "moved" in handler.path:
            handler.send(200, reply())
        else:
            handler.send(307, b"", Location="/v1/moved")

    assert {one.text for one in completions(answer)} == {TEXT}
    back_and_forth = completions(lambda h: h.send(307, b"", Location="/v1/b" if h.path == "/v1/a" else "/v1/a"))
    assert all("redirected: more than 5 times" in one.detail for one in back_and_forth)


def test_a_server_that_asks_to_wait_for_years_is_given_up():
    rows = completions(lambda handler: handler.send(429, b"slow down", Retry_After="999999999"), retries=3)
    assert all("asks to wait 999999999 s" in one.detail for one in rows)


ECHOES = {
    "as it is": lambda key: key,
    "in base64": lambda key: base64.b64encode(f"Bearer {key}".encode()).decode(),
    "in base64, one letter on": lambda key: base64.b64encode(f"x{key}!".encode()).decode(),
    "in base64, two letters on": lambda key: base64.urlsafe_b64encode(f"xy{key}!".encode()).decode(),
    "in JSON": lambda key: json.dumps({"key": key}),
    "in JSON in JSON": lambda key: json.dumps({"log": json.dumps({"key": key})}),
    "in JSON, letter by letter": lambda key: json.dumps("".join(f"\\u{ord(letter):04x}" for letter in key)),
    "percent": lambda key: key.replace("/", "%2F").replace('"', "%22").replace("+", "%2B"),
}


@pytest.mark.parametrize("case", ECHOES)
def test_a_key_that_a_server_echoes_is_nowhere(monkeypatch, tmp_path, case):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    spelt = ECHOES[case](KEY)
    journal = tmp_path / "replies.jsonl"
    with serving(body(reply(f"3 {spelt}", id=spelt, system_fingerprint=spelt))) as server:
        stream = engine(server, journal=journal).generate(REQUESTS, SAMPLING)
        one = next(stream)  # the journal is on disk, for the others wait
        kept = journal.read_text()
        rows = [one, *stream]
        assert server.arrived[0][1] == f"Bearer {KEY}"
    assert all("***" in row.text and row.text.startswith("3 ") for row in rows)
    for text in (kept, repr(rows)):
        assert spelt not in text
        assert json.dumps(spelt)[1:-1] not in text


def test_a_key_escaped_letter_by_letter_is_found_before_it_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    escaped = "".join(f"\\u{ord(letter):04X}" for letter in KEY)
    data = reply("3 KEY").replace(b"KEY", escaped.encode())
    assert KEY in json.loads(data)["choices"][0]["message"]["content"]
    assert {one.text for one in completions(body(data), journal=tmp_path / "replies.jsonl")} == {"3 ***"}


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_a_key_in_an_error_is_cleaned(monkeypatch, status):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    try:
        words = repr(completions(lambda handler: handler.send(status, f"bad key {KEY}".encode()), patience_s=0.01))
    except UserError as error:
        words = str(error)
    assert "bad key ***" in words
    assert KEY not in words


@pytest.mark.parametrize("url", ["http://user:pa55word@127.0.0.1:9/v1", "http://127.0.0.1:9/v1?api_key=abcdefgh"])
def test_an_address_that_holds_a_key_is_refused_without_it(url):
    with pytest.raises(UserError, match="key_env") as caught:
        EndpointEngine(url, EndpointSampler(kind="openai", model="m"))
    assert "pa55word" not in str(caught.value)
    assert "abcdefgh" not in str(caught.value)


def test_what_arrived_before_a_kill_is_not_asked_again(tmp_path):
    journal = tmp_path / "replies.jsonl"
    with serving(body(reply())) as server:
        stream = engine(server, journal=journal, concurrency=1).generate(REQUESTS, SAMPLING)
        next(stream)
        whole = journal.read_bytes()
        stream.close()
        rows = [json.loads(line) for line in whole.splitlines()]
        arrived = {row["request"] for row in rows if row["what"] == "reply"}
        flying = {row["request"] for row in rows if row["what"] == "sent"} - arrived
        # As a process that was killed with one more in flight leaves it, its last row torn.
        lost = json.dumps({"what": "sent", "request": "f" * 64, "attempt": 1}).encode() + b"\n"
        journal.write_bytes(whole + lost + b'{"what": "rep')
        del server.arrived[:]
        again = engine(server, journal=journal)
        assert sorted(one.key for one in again.generate(REQUESTS, SAMPLING)) == [0, 1, 2]
        assert len(server.arrived) == 3 - len(arrived)
        assert again.connection.journal.unanswered == 1 + len(flying)
    assert not journal.exists()


def test_the_journal_holds_every_reply_and_goes_when_all_is_taken(tmp_path):
    journal = tmp_path / "replies.jsonl"
    answers = iter([(500, b"oops"), (200, b"\xff\xfe"), (200, reply())])
    with serving(lambda handler: handler.send(*next(answers))) as server:
        stream = engine(server, journal=journal, retries=2).generate(REQUESTS[:1], SAMPLING)
        assert next(stream).text == TEXT
        rows = [row for _, row in read_lines(journal)]
        assert [(row["what"], row.get("status")) for row in rows] == [
            ("sent", None), ("reply", 500), ("sent", None), ("reply", 200), ("sent", None), ("reply", 200),
        ]  # fmt: skip
        assert base64.b64decode(rows[3]["base64"]) == b"\xff\xfe"
        assert list(stream) == []
    assert not journal.exists()


def test_a_long_journal_is_made_small_on_the_way(tmp_path, monkeypatch):
    monkeypatch.setattr("vr1repro.engines.endpoint.journal._LARGE", 20_000)
    journal = tmp_path / "replies.jsonl"
    requests = [Request(key=number, text=str(number), seed=number) for number in range(60)]
    largest = 0
    with serving(body(reply("x" * 2000))) as server:
        for _ in engine(server, journal=journal).generate(requests, SAMPLING):
            largest = max(largest, journal.stat().st_size)
    assert largest < 60_000  # of 120 kB of replies
    assert not journal.exists()


def test_a_journal_that_finds_no_room_to_be_made_small_stays_whole(monkeypatch, tmp_path):
    def full(path, rows):
        raise UserError(f"{path}: cannot be written: No space left on device")

    with serving(body(reply())) as server:
        stream = engine(server, journal=tmp_path / "replies.jsonl").generate(REQUESTS, SAMPLING)
        first = next(stream)
        monkeypatch.setattr("vr1repro.engines.endpoint.journal.write_rows", full)
        stream.close()  # its caller met the full disk too
        assert {row["what"] for _, row in read_lines(tmp_path / "replies.jsonl")} >= {"sent", "reply"}
        monkeypatch.undo()
        rows = list(engine(server, journal=tmp_path / "replies.jsonl").generate(REQUESTS, SAMPLING))
        assert [row.text for row in rows] == [TEXT] * 3
        assert [sent["seed"] for _, _, sent in server.arrived].count(first.key) == 1


def test_a_damaged_journal_is_named(tmp_path):
    journal = tmp_path / "replies.jsonl"
    journal.write_text('{"what": "dreamt"}\n')
    with serving(body(reply())) as server, pytest.raises(UserError, match=r"replies\.jsonl:1: not a Row: what"):
        list(engine(server, journal=journal).generate(REQUESTS, SAMPLING))


@pytest.mark.parametrize(
    "extra",
    [
        {"api_key": "x"}, {"Authorization": "x"}, {"headers": {"x-api-key": "x"}}, {"a": [{"OPENAI_API_KEY": "x"}]},
        {"token": "x"}, {"access_token": "x"}, {"password": "x"}, {"user": "Bearer abcdefghij"},
        {"metadata": {"note": "sk-abcdefghijklmnop"}}, {"secret": None},
    ],
)  # fmt: skip
def test_a_key_in_extra_is_refused_and_points_to_key_env(extra):
    with pytest.raises(ValueError, match=r"extra\..*key_env"):
        EndpointSampler(kind="openai", extra=extra)


def test_what_only_sounds_like_a_key_may_stand_in_extra():
    extra = {"max_tokens": 4, "stop_token_ids": [1], "return_token_ids": True, "prompt_cache_key": "a", "top_k": -1,
             "skip_special_tokens": False, "chat_template_kwargs": {"enable_thinking": True}}  # fmt: skip
    assert EndpointSampler(kind="openai", extra=extra).extra == extra
