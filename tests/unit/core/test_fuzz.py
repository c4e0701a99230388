"""Mutated files: every reader gives values or one message that names the file, and nothing else.

The examples of `make test` are fixed. `make verify` draws others until its time is over; what it finds becomes a row of
`test_bad_inputs.py`.
"""

import json
import random
import time
import warnings
from io import BytesIO
from pathlib import Path

import pytest
from bad_files import parquet, tar_xz, zipped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from vr1repro.benchmarks.lookup import facts
from vr1repro.benchmarks.questions import question_rows
from vr1repro.config.loader import load
from vr1repro.config.problems import ProblemSource
from vr1repro.config.samplers import EndpointSampler
from vr1repro.core.archives import open_zip, unpack_tar_xz
from vr1repro.core.errors import UserError
from vr1repro.core.images import BadImage, ZipImages, decode
from vr1repro.core.jsonl import read, read_lines
from vr1repro.core.outside import json_file
from vr1repro.core.problem_files import read_problems
from vr1repro.core.records import Response
from vr1repro.engines.endpoint import protocol
from vr1repro.engines.endpoint.journal import Row
from vr1repro.engines.model_folder import check_files
from vr1repro.problems.load import load_problems
from vr1repro.reporting.compare.printed import read_score_file

MICRO = (Path(__file__).resolve().parents[3] / "config" / "micro.yaml").read_bytes()
FUZZ_S = 20  # a reader, in `make verify`
# What grammars trip over.
WORDS = [
    b"[" * 70, b"{" * 70, b'{"a":' * 70, b"9" * 4400, b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"NaN",
    b"-", b"1e999", b'"', b"\\", b"\\ud800", b"\n", b"\r", b"\t", b"&a ", b"*a", b"<<: ", b"!!python/name:os.system ",
    b"? ", b"!!int ", b"!!timestamp ", b"---\n", b"%YAML 9.9\n", b"null", b"[]", b"{}", b"true", b"-1", b"PAR1",
    b"PK\x01\x02", b"\x7f" * 8, b"\xff" * 8, b"\0" * 64,
]  # fmt: skip

EDIT = st.tuples(
    st.sampled_from(["flip", "cut", "drop", "insert", "double", "swap"]),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 255),
    st.sampled_from(WORDS),
)


def mutated(data, edits):
    changed = bytearray(data)
    for kind, share, byte, word in edits:
        place = int(share * len(changed))
        if kind == "flip" and changed:
            changed[place] ^= byte or 255
        elif kind == "cut":
            del changed[place:]
        elif kind == "drop":
            del changed[place : place + byte]
        elif kind == "insert":
            changed[place:place] = word
        elif kind == "double":
            changed[place:place] = changed[place : place + byte * 4]
        elif kind == "swap":
            changed[place : place + len(word)] = word
    return bytes(changed)


def picture(kind):
    buffer = BytesIO()
    Image.effect_noise((24, 18), 60).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


def tensors():
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    return len(header).to_bytes(8, "little") + header + b"\0" * 8


def unpacked(path):
    unpack_tar_xz(path, path.parent / "in")


def all_of_zip(path):
    with open_zip(path):
        store = ZipImages(path)
        for name in ("a.png", "b/c.png"):
            try:
                decode(store.read(name), 10**6)
            except BadImage:
                continue


def understood(path):
    try:
        reply = protocol.understand(200, path.read_bytes(), "m", EndpointSampler(kind="openai", model="m"))
    except (protocol.TryAgain, protocol.Refused):
        return
    assert isinstance(reply.text, str)
    assert reply.finish_reason in ("stop", "length", "unknown")
    for count in (reply.n_tokens, reply.n_prompt_tokens):
        assert count is None or (type(count) is int and count >= 0)


def decoded(path):
    try:
        decode(path.read_bytes(), 10**6)
    except BadImage:
        return


QUESTION = {"id": ["1"], "source": ["s"], "question": ["?"], "answer": ["1"], "choices": [["a"]], "image": [None],
            "metadata": ['{"level": 1}']}  # fmt: skip
RESPONSE = {"run": "r", "model": "m", "eval_seed": 1, "protocol": "single", "benchmark": "b", "id": 1, "prompt_sha": "",
            "response": "r", "n_tokens": 4, "attempt": 0, "finish_reason": "stop"}  # fmt: skip
REPLY = {"id": "r", "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "3"},
         "finish_reason": "stop"}], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}  # fmt: skip
SCORES = b'{"average": {"accuracy": "61.2"}, "task": {"geometry": {"accuracy": "40.1"}}}'
JOURNAL = b"""{"what":"sent","request":"a","attempt":1}
{"what":"reply","request":"a","attempt":1,"status":200,"body":"{}"}
"""
ROWS = json.dumps(RESPONSE).encode() + b'\n{"a": [1, {"b": null}]}\n'
RECORDS = (json.dumps(RESPONSE).encode() + b"\n") * 3
QUESTIONS = parquet({"pid": ["1", "2"] * 50, "question": ["What?", "Why? " * 40] * 50})


def sources(path):
    return list(load_problems(ProblemSource(kind="path", path=str(path), text_only=True)))


# The file's name, a good one, and who reads it.
READERS = {
    "rows": ("x.jsonl", ROWS, lambda path: list(read_lines(path))),
    "records": ("x.jsonl", RECORDS, lambda path: list(read(path, Response))),
    "json": ("x.json", json.dumps({"a": [1, 2.5, {"b": "c"}], "d": -12}).encode(), json_file),
    "config": ("x.yaml", MICRO, load),
    "archive": ("x.tar.xz", tar_xz(("a/b", b"{}" * 400), ("c", b"x" * 3000)), unpacked),
    "zip": ("x.zip", zipped(("a.png", picture("PNG")), ("b/c.png", picture("JPEG"))), all_of_zip),
    "questions": ("x.parquet", QUESTIONS, lambda path: list(question_rows(facts("mathvista"), path))),
    "problems": ("x.parquet", parquet(QUESTION), lambda path: list(read_problems(path))),
    "sources": ("x.parquet", parquet(QUESTION), sources),
    "tensors": ("model.safetensors", tensors(), lambda path: check_files(path.parent)),
    "scores": ("x.json", SCORES, lambda path: read_score_file(path, "mathvista")),
    "journal": ("x.jsonl", JOURNAL, lambda path: list(read(path, Row))),
    "replies": ("x.json", json.dumps(REPLY).encode(), understood),
}
READERS |= {
    f"pictures, {kind}": (f"x.{kind}", picture(kind), decoded) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
}


def check(reader, folder, edits):
    name, good, read_it = READERS[reader]
    path = folder / name
    path.write_bytes(mutated(good, edits))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, on damaged metadata
            read_it(path)
    except UserError as error:
        message = str(error)
    else:
        message = str(path)
    assert str(path) in message


@pytest.mark.parametrize("reader", READERS)
def test_the_unchanged_file_is_read(tmp_path, reader):
    name, good, read_it = READERS[reader]
    (tmp_path / name).write_bytes(good)
    read_it(tmp_path / name)
    assert (tmp_path / name).read_bytes() == good


@pytest.mark.parametrize("reader", READERS)
@settings(
    max_examples=60, derandomize=True, database=None, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(edits=st.lists(EDIT, min_size=1, max_size=4))
def test_fixed_mutations_give_values_or_one_message(tmp_path, reader, edits):
    check(reader, tmp_path, edits)


@pytest.mark.verify
@pytest.mark.parametrize("reader", READERS)
def test_mutations_by_the_clock_give_values_or_one_message(tmp_path, reader):
    draw = random.Random()
    end = time.monotonic() + FUZZ_S
    count = 0
    while count < 100 or time.monotonic() < end:
        edits = [
            (draw.choice(["flip", "cut", "drop", "insert", "double", "swap"]), draw.random(), draw.randrange(256),
             draw.choice(WORDS))
            for _ in range(draw.randint(1, 6))
        ]  # fmt: skip
        try:
            check(reader, tmp_path, edits)
        except Exception as error:
            error.add_note(f"edits of a good file, for a row of test_bad_inputs.py: {edits!r}")
            raise
        count += 1
    assert count >= 100
