"""One bad file a row: what it is, who reads it, and what the one message says. Each names file, line or key."""

import os
from functools import partial
from pathlib import Path

import pytest
from bad_files import hungry_xz, parquet, png, tar_xz, zipped

from vr1repro.benchmarks.lookup import facts
from vr1repro.benchmarks.questions import question_rows, read_questions
from vr1repro.config.loader import load
from vr1repro.config.problems import ProblemSource
from vr1repro.core import limits
from vr1repro.core.archives import open_zip, unpack_tar_xz
from vr1repro.core.errors import UserError
from vr1repro.core.images import BadImage, FolderImages, ZipImages, decode
from vr1repro.core.jsonl import read, read_lines
from vr1repro.core.outside import json_file, json_object
from vr1repro.core.problem_files import ProblemFile, read_problems
from vr1repro.core.provenance import content_sha, read_manifest
from vr1repro.core.records import Response, Verdict
from vr1repro.problems.load import load_problems
from vr1repro.reporting.compare.printed import read_score_file
from vr1repro.reporting.run.questions import read_questions as read_report_questions

MICRO = (Path(__file__).resolve().parents[3] / "config" / "micro.yaml").read_text()


def rows(path):
    return list(read_lines(path))


def deep(count):
    return b"[" * count + b"]" * count


# --- JSON, a row a line
LINES = {
    "invalid UTF-8": (b'{"a":1}\n{"a":"\xff\xfe"}\n', r":2: not UTF-8 text: .* at byte 6"),
    "overlong UTF-8": (b'{"a":"\xc0\xaf"}\n', r":1: not UTF-8 text"),
    "an encoded surrogate": (b'{"a":"\xed\xa0\x80"}\n', r":1: not UTF-8 text"),
    "UTF-16": ('{"id":"1"}\n'.encode("utf-16"), r":1: not UTF-8 text"),
    "UTF-16 without mark": ('{"id":"1"}\n'.encode("utf-16-le"), r":1: not JSON"),
    "gzip": (b"\x1f\x8b\x08\0\0\0", r":1: not UTF-8 text"),
    "a byte order mark": (b'\xef\xbb\xbf{"id":"1"}\n', r":1: starts with a byte order mark"),
    "lists nested 200 000 deep": (b'{"a":' + deep(200_000) + b"}\n", r":1: nested deeper than 64 levels"),
    "lists nested and cut": (b'{"a":' + b"[" * 200_000, r":1: nested deeper than 64 levels"),
    "objects nested 65 deep": (b'{"a":' * 65 + b"1" + b"}" * 65, r":1: nested deeper than 64 levels"),
    "5000 digits": (b'{"a":' + b"9" * 5000 + b"}\n", r":1: an integer of 5000 digits, the limit is 4000"),
    "4001 digits and a sign": (b'{"a":-' + b"9" * 4001 + b"}\n", r":1: an integer of 4001 digits"),
    "a key twice": (b'{"id":"1","x":2,"id":"2"}\n', r":1: the key 'id' stands twice"),
    "a key twice inside": (b'{"a":{"b":1,"b":1}}\n', r":1: the key 'b' stands twice"),
    "a key twice, spelt otherwise": (b'{"id":1,"\\u0069d":2}\n', r":1: the key 'id' stands twice"),
    "zeros after a power cut": (b'{"id":"1"}\n' + b"\0" * 500 + b"\n", r":2: not JSON"),
    "carriage returns alone": (b'{"id":"1"}\r{"id":"2"}\r', r":1: not JSON: Extra data"),
    "two rows on a line": (b'{"a":1}{"a":2}\n', r":1: not JSON: Extra data"),
    "a list": (b"[1]\n", r":1: a row must be a JSON object, this is list"),
    "a text": (b'"a"\n', r":1: a row must be a JSON object, this is str"),
    "a number": (b'{"a":1}\n\n\n7\n', r":4: a row must be a JSON object, this is int"),
    "null": (b"null\n", r":1: a row must be a JSON object, this is NoneType"),
    "Python's words": (b"{'a': None}\n", r":1: not JSON"),
    "a comment": (b"// rows\n", r":1: not JSON"),
    "a trailing comma": (b'{"a":1,}\n', r":1: not JSON"),
    "torn": (b'{"a":1}\n{"a":"x', r":2: not JSON: Unterminated string"),
    "a control character": (b'{"a":"\x01"}\n', r":1: not JSON: Invalid control character"),
    "CSV": (b"id,response\n1,2\n", r":1: not JSON"),
}


@pytest.mark.parametrize("case", LINES)
def test_a_bad_line_is_named(tmp_path, case):
    data, words = LINES[case]
    (tmp_path / "x.jsonl").write_bytes(data)
    with pytest.raises(UserError, match=r"x\.jsonl" + words):
        rows(tmp_path / "x.jsonl")


@pytest.mark.parametrize(
    ("data", "values"),
    [
        ('{"id":"a\u2028b"}\n', {"id": "a\u2028b"}),
        ('{"a":"' + "[" * 500 + '"}', {"a": "[" * 500}),
        ('{"a":"\\"' + "{" * 500 + '\\\\"}', {"a": '"' + "{" * 500 + "\\"}),
        ('{"a":"' + "9" * 9000 + '"}', {"a": "9" * 9000}),
        ('{"a":' + "9" * 4000 + "}", {"a": 10**4000 - 1}),
        ('{"a":' + "[" * 63 + "]" * 63 + "}", None),
        ('{"a":1e999}', {"a": float("inf")}),
        ('{"a":"\\ud800"}\r\n', {"a": "\ud800"}),
    ],
)
def test_what_only_looks_bad_is_read(tmp_path, data, values):
    (tmp_path / "x.jsonl").write_bytes(data.encode())
    ((number, row),) = rows(tmp_path / "x.jsonl")
    assert number == 1
    assert values is None or row == values


PLACES = {
    "a folder": (lambda path: path, r"cannot be read: Is a directory"),
    "nothing": (lambda path: path / "none", r"none: cannot be read: No such file"),
    "below a file": (lambda path: path / "file" / "x", r"x: cannot be read: Not a directory"),
    "a NUL in the name": (lambda path: path / "a\0b", r"cannot be read: the path holds a NUL"),
    "too long a name": (lambda path: path / ("a" * 5000), r"cannot be read: File name too long"),
    "a pipe": (lambda path: path / "pipe", r"pipe: is a pipe, a socket or a device"),
    "a device": (lambda path: Path("/dev/zero"), r"/dev/zero: is a pipe, a socket or a device"),
    "a loop of links": (lambda path: path / "loop", r"loop: cannot be read: Too many levels"),
}


@pytest.mark.parametrize("read_it", [rows, json_file, load], ids=["jsonl", "json", "yaml"])
@pytest.mark.parametrize("case", PLACES)
def test_a_place_where_no_file_is_is_named(tmp_path, case, read_it):
    make, words = PLACES[case]
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=words):
        read_it(make(tmp_path))


RESPONSE = (
    '{"run":"r","model":"m","eval_seed":1,"protocol":"single","benchmark":"b","id":1,"prompt_sha":"x","response":"r"%s}'
)
RECORDS = {
    "negative tokens": (Response, RESPONSE % ',"n_tokens":-5', r":1: not a Response: n_tokens: "),
    "tokens with a fraction": (Response, RESPONSE % ',"n_tokens":4.5', r":1: not a Response: n_tokens: "),
    "tokens as words": (Response, RESPONSE % ',"n_tokens":"many"', r":1: not a Response: n_tokens: "),
    "a negative attempt": (Response, RESPONSE % ',"attempt":-1', r":1: not a Response: attempt: "),
    "no response": (Response, '{"id":"1"}\n', r":1: not a Response: run: Field required"),
    "an unknown outcome": (Verdict, '{"id":"1","verdict":"great"}\n', r":1: not a Verdict: verdict: "),
    "an unknown cause": (Verdict, '{"id":"1","verdict":"timeout","cause":"x"}\n', r":1: not a Verdict: cause: "),
}


@pytest.mark.parametrize("case", RECORDS)
def test_a_bad_record_is_named_by_its_key(tmp_path, case):
    kind, text, words = RECORDS[case]
    (tmp_path / "x.jsonl").write_text(text)
    with pytest.raises(UserError, match=r"x\.jsonl" + words):
        list(read(tmp_path / "x.jsonl", kind))


def test_a_verdict_cannot_contradict_itself(tmp_path):
    (tmp_path / "v.jsonl").write_text('{"id":"1","verdict":"wrong","correct":true}\n')
    assert [row.correct for row in read(tmp_path / "v.jsonl", Verdict)] == [False]


# --- YAML
def with_(old, new):
    assert old in MICRO
    return MICRO.replace(old, new, 1)


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
CONFIGS = {
    "aliases of aliases": (BOMB, r":6: a5: more than 100000 values once aliases are written out"),
    "a wide alias": ("a: &a [{}]\nb: [{}]\n".format("x," * 999, "*a," * 999), r":2: b: more than 100000 values"),
    "an alias in itself": ("run: &a [*a]\n", r":1: run\[0\]: an alias stands inside what it names"),
    "an alias in itself, deeper": ("run: &a {b: {c: *a}}\n", r":1: run\.b\.c: an alias stands inside"),
    "an alias of nothing": ("run: *a\n", r":1: not YAML: found undefined alias"),
    "a Python object": ('run: !!python/object/apply:os.system ["touch x"]\n', r":1: not YAML: .*python/object"),
    "a Python name": ("run: !!python/name:os.system\n", r":1: not YAML: .*python/name"),
    "an unknown tag": ("run: !secret x\n", r":1: not YAML: .*!secret"),
    "a control character": (MICRO + "\n# \x07\n", r":\d+: not YAML: the character '\\x07'"),
    "an impossible date": (with_("run: micro", "run: 2001-99-99"), r":\d+: '2001-99-99' cannot be read"),
    "a number that is none": (with_("run: micro", "run: !!int x"), r":\d+: 'x' cannot be read"),
    "a truth that is none": (with_("run: micro", "run: !!bool maybe"), r":\d+: 'maybe' cannot be read"),
    "a time that is none": (with_("run: micro", "run: !!timestamp x"), r":\d+: 'x' cannot be read"),
    "5000 digits": (with_("data: 1", "data: " + "9" * 5000), r":\d+: an integer of 5000 digits"),
    "octal as in Python": (with_("data: 1", "data: 0o17"), r":\d+: seeds\.data: "),
    "sexagesimal": (with_("data: 1", "data: 1:99"), r":\d+: seeds\.data: "),
    "flow nested 100 000 deep": ("[" * 100_000, r":1: nested deeper than 64 levels"),
    "mappings nested 65 deep": ("".join(f"{' ' * n}a:\n" for n in range(66)), r":65: nested deeper than 64 levels"),
    "a run's name that leads out": (with_("run: micro", "run: ../../x"), r":\d+: run: "),
    "a run's name with blanks": (with_("run: micro", 'run: "a b \u00e9"'), r":\d+: run: "),
    "a run's name as a command": (with_("run: micro", 'run: "$(touch x)"'), r":\d+: run: "),
    "a run's name with a line": (with_("run: micro", 'run: "micro\\n"'), r":\d+: run: "),
    "an empty file": ("", r": a config is a mapping of sections"),
    "a comment alone": ("# nothing\n", r": a config is a mapping of sections"),
    "a list": ("- run\n", r": a config is a mapping of sections"),
    "a set": ("!!set {a, b}\n", r": a config is a mapping of sections"),
    "two documents": (MICRO + "\n---\nrun: x\n", r":\d+: not YAML: but found another document"),
    "a merge of a list": ("<<: [1,2]\n" + MICRO, r":1: not YAML: expected a mapping for merging"),
    "a key that is a list": ("? [a, {b: c}]\n: 1\n" + MICRO, r":1: not YAML: found unhashable key"),
    "a key twice": (MICRO + "\nrun: again\n", r":\d+: run: the key stands twice"),
    "a tab": ("run: micro\n\tx: 1\n", r":2: not YAML"),
    "a seed twice": (
        with_("evaluation: [1, 2]", "evaluation: [2, 2]"),
        r":\d+: seeds\.evaluation: a seed stands twice",
    ),
    "a negative seed": (with_("data: 1", "data: -1"), r":\d+: seeds\.data: "),
    "NaN as a temperature": (MICRO.replace("temperature: 0.6", "temperature: .nan"), r":\d+: .*temperature: "),
    "an unknown limit": (MICRO + "\nlimits: {forever: 1}\n", r":\d+: limits\.forever: unknown key"),
    "no limit": (MICRO + "\nlimits: {nesting: 1000000}\n", r":\d+: limits\.nesting: "),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_bad_config_is_named_by_line(tmp_path, case):
    text, words = CONFIGS[case]
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(UserError, match=r"c\.yaml" + words):
        load(tmp_path / "c.yaml")


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_config_that_is_no_utf_8_is_named(tmp_path, encoding):
    (tmp_path / "c.yaml").write_bytes(("# \u00e9\n" + MICRO).replace("\u2014", "-").encode(encoding, "replace"))
    with pytest.raises(UserError, match=r"c\.yaml:\d+: not UTF-8 text"):
        load(tmp_path / "c.yaml")


def test_aliases_within_reason_are_taken(tmp_path):
    (tmp_path / "c.yaml").write_text(
        MICRO.replace("data: 1", "data: &one 1", 1).replace("training: [1]", "training: [*one]")
    )
    assert load(tmp_path / "c.yaml").seeds.training == [1]


def test_a_config_s_limits_hold_for_what_is_read_after_it(tmp_path):
    from vr1repro.jobs.common import open_run

    (tmp_path / "c.yaml").write_text(MICRO + "\nlimits: {nesting: 20, digits: 30}\n")
    (tmp_path / "deep.json").write_bytes(deep(21))
    (tmp_path / "long.json").write_text("[" + "9" * 31 + "]")
    assert json_file(tmp_path / "long.json")
    try:
        open_run(tmp_path / "c.yaml")
        for name, words in (("deep", "deeper than 20 levels"), ("long", "31 digits, the limit is 30")):
            with pytest.raises(UserError, match=rf"{name}\.json:(1:)? .*{words}"):
                json_file(tmp_path / f"{name}.json")
    finally:
        limits.use(limits.Limits())


# --- pictures
PICTURES = {
    "60 000 x 60 000 pixels": (png(60_000, 60_000, b""), "image_too_large"),
    "2 000 000 000 pixels wide": (png(2**31 - 1, 1, b""), "image_too_large|image_unreadable"),
    "over the config's limit": (png(4000, 3000, b""), "image_too_large: 4000 x 3000 pixels, limit 10000000"),
    "cut": (png(100, 100)[:50], "image_unreadable"),
    "of no width": (png(0, 5), "image_unreadable|image_empty"),
    "too little data": (png(50, 50, b"\0"), "image_unreadable"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "image_unreadable"),
    "HTML": (b"<html>", "image_unreadable"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) run\n", "image_unreadable"),
    "PDF": (b"%PDF-1.7\n", "image_unreadable"),
    "a pickle": (b"\x80\x04\x95", "image_unreadable"),
    "empty": (b"", "image_empty"),
}


@pytest.mark.parametrize("case", PICTURES)
def test_a_bad_picture_is_counted_under_a_word(case):
    data, words = PICTURES[case]
    with pytest.raises(BadImage, match=words):
        decode(data, 10_000_000)


STORED = {
    "out of the folder": ("../../../../etc/passwd", "image_outside_folder"),
    "absolute": ("/etc/passwd", "image_outside_folder"),
    "by a link": ("link.png", "image_outside_folder"),
    "a NUL": ("a\0b", "image_missing"),
    "5000 letters": ("a" * 5000, "image_missing"),
    "a pipe": ("pipe.png", "image_missing"),
    "a loop of links": ("loop.png", "image_missing"),
    "a folder": ("folder", "image_missing"),
    "a surrogate": ("\ud800.png", "image_missing"),
    "too large": ("large.png", "image_too_large"),
}


@pytest.mark.parametrize("case", STORED)
def test_a_picture_s_path_is_followed_inside_its_folder_alone(tmp_path, case):
    path, words = STORED[case]
    (tmp_path / "link.png").symlink_to("/etc/passwd")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    with (tmp_path / "large.png").open("wb") as stream:
        stream.truncate(2**28)  # takes no room
    with pytest.raises(BadImage, match=words):
        FolderImages(tmp_path).read(path)


def corrupt_zip():
    data = bytearray(zipped(("a.png", os.urandom(3000) + b"a" * 4000)))
    data[60:90] = b"\xff" * 30
    return bytes(data)


def method_99():
    data = bytearray(zipped(("a.png", b"x" * 100), method=0))
    place = data.find(b"PK\x01\x02")
    data[8] = data[place + 10] = 99
    return bytes(data)


def encrypted():
    data = bytearray(zipped(("a.png", b"x" * 100)))
    place = data.find(b"PK\x01\x02")
    data[6] |= 1
    data[place + 8] |= 1
    return bytes(data)


ZIPPED = {
    "300 MB in 300 kB": (lambda: zipped(("a.png", b"\0" * (300 * 2**20))), "image_too_large: a.png"),
    "a damaged stream": (corrupt_zip, "image_unreadable"),
    "an unknown method": (method_99, "image_unreadable"),
    "encrypted": (encrypted, "image_unreadable"),
    "another member": (lambda: zipped(("b.png", b"x")), "image_missing"),
    "two of the name": (lambda: zipped(("x/a.png", b"x"), ("y/a.png", b"y")), "image_missing"),
}


@pytest.mark.parametrize("case", ZIPPED)
def test_a_bad_member_of_a_zip_is_counted_under_a_word(tmp_path, case):
    make, words = ZIPPED[case]
    (tmp_path / "i.zip").write_bytes(make())
    with pytest.raises(BadImage, match=words):
        ZipImages(tmp_path / "i.zip").read("a.png")


NO_ZIPS = {
    "a text": (lambda: b"hello", "not a zip file"),
    "empty": (lambda: b"", "not a zip file"),
    "cut": (lambda: zipped(("a", b"x" * 9999))[:-30], "not a zip file"),
    "a damaged directory": (lambda: zipped(("a", b"x")).replace(b"PK\x01\x02", b"PK\x01\x09"), "not a zip file"),
    "10 001 members": (lambda: zipped(*((str(n), b"") for n in range(10_001)), method=0), "holds 10001 files"),
}


@pytest.mark.parametrize("case", NO_ZIPS)
def test_a_bad_zip_is_named(tmp_path, case):
    make, words = NO_ZIPS[case]
    (tmp_path / "i.zip").write_bytes(make())
    with pytest.raises(UserError, match=rf"i\.zip: .*{words}"):
        open_zip(tmp_path / "i.zip")


# --- archives
GOOD = tar_xz(("a/b.json", b"{}" * 5000), ("c", os.urandom(3000)))


def flipped(data, share):
    changed = bytearray(data)
    changed[int(len(data) * share)] ^= 0xFF
    return bytes(changed)


ARCHIVES = {
    "out of the folder": (lambda: tar_xz(("../../PWNED", b"x")), "would be extracted to"),
    "a link out, and through it": (
        lambda: tar_xz(("l", b"", {"type": b"2", "linkname": "/tmp"}), ("l/PWNED", b"x")),  # noqa: S108
        "link to an absolute path",
    ),
    "a link up, and through it": (
        lambda: tar_xz(("l", b"", {"type": b"2", "linkname": ".."}), ("l/PWNED", b"x")), "outside the destination",
    ),
    "a hard link out": (lambda: tar_xz(("h", b"", {"type": b"1", "linkname": "../../etc/passwd"})), "link to"),
    "a device": (lambda: tar_xz(("d", b"", {"type": b"3"})), "is a special file"),
    "a pipe": (lambda: tar_xz(("p", b"", {"type": b"6"})), "is a special file"),
    "2 GB in 300 kB": (lambda: tar_xz(("big", 2 * 2**30)), "unpacks to more than 67108864 bytes"),
    "70 MB in many": (lambda: tar_xz(*((str(n), 7 * 2**20) for n in range(10))), "unpacks to more than 67108864"),
    "10 001 members": (lambda: tar_xz(*((str(n), b"") for n in range(10_001))), "holds more than 10000 files"),
    "an endless name": (
        lambda: tar_xz(("x", b"", {"pax_headers": {"comment": "x" * (100 * 2**20)}})), "unpacks to more than 67108864",
    ),
    "a hungry unpacker": (hungry_xz, "Memory usage limit"),
    "cut in half": (lambda: GOOD[: len(GOOD) // 2], "it ends too early"),
    "cut before its end": (lambda: GOOD[:-20], "cannot be unpacked"),
    "a byte flipped": (lambda: flipped(GOOD, 0.5), "cannot be unpacked"),
    "a byte of the head flipped": (lambda: flipped(GOOD, 0.0), "cannot be unpacked"),
    "empty": (lambda: b"", "it ends too early"),
    "gzip": (lambda: b"\x1f\x8b\x08\0\0\0", "cannot be unpacked"),
    "a zip": (lambda: zipped(("a", b"x")), "cannot be unpacked"),
}  # fmt: skip


@pytest.mark.parametrize("case", ARCHIVES)
def test_a_bad_archive_is_named_and_leaves_nothing_outside(tmp_path, case):
    make, words = ARCHIVES[case]
    (tmp_path / "in").mkdir()
    archive = tmp_path / "e.tar.xz"
    archive.write_bytes(make())
    with pytest.raises(UserError, match=rf"e\.tar\.xz: .*{words}"):
        unpack_tar_xz(archive, tmp_path / "in")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.tar.xz", "in"]
    assert sum(path.stat().st_size for path in (tmp_path / "in").rglob("*")) <= 64 * 2**20


def test_a_good_archive_is_unpacked_and_absolute_names_stay_inside(tmp_path):
    (tmp_path / "e.tar.xz").write_bytes(tar_xz(("a/b.json", b"{}"), ("/etc/PWNED", b"x")))
    unpack_tar_xz(tmp_path / "e.tar.xz", tmp_path / "in")
    assert (tmp_path / "in" / "a" / "b.json").read_bytes() == b"{}"
    assert (tmp_path / "in" / "etc" / "PWNED").exists()


# --- Parquet
QUESTION = {"id": ["1"], "source": ["s"], "question": ["?"], "answer": ["1"], "choices": [None], "image": [None]}
GOOD_PARQUET = parquet({"pid": ["1", "2"] * 500, "question": ["What?", "Why? " * 40] * 500})


def report(path):
    return read_report_questions(path.parent, "mathvista")


def problems(path):
    return list(load_problems(ProblemSource(kind="path", path=str(path), text_only=True)))


def flips():
    return GOOD_PARQUET[:20] + b"\xff" * 60 + GOOD_PARQUET[80:]


QUESTION_READERS = {
    "grade": partial(read_questions, facts("mathvista")),
    "page": lambda path: list(question_rows(facts("mathvista"), path, pictures=True)),
    "report": report,
    "load": problems,
}


@pytest.mark.parametrize("reader", QUESTION_READERS)
@pytest.mark.parametrize(
    "data",
    [
        GOOD_PARQUET[: len(GOOD_PARQUET) // 2],
        GOOD_PARQUET[4:],
        flips(),
        b"PAR1abcdPAR1",
        b"PAR1" + b"\xff" * 40 + b"PAR1",
        b"",
    ],
    ids=["cut", "headless", "flipped", "tiny", "length", "empty"],
)
def test_damaged_parquet_is_named_by_every_reader(tmp_path, reader, data):
    (tmp_path / "q.parquet").write_bytes(data)
    with pytest.raises(UserError, match=r"q\.parquet: not a Parquet file of"):
        QUESTION_READERS[reader](tmp_path / "q.parquet")


PROBLEM_FILES = {
    "no columns": (lambda: parquet({"a": [1]}), r"lacks the columns answer, id, image, question"),
    "metadata that is no JSON": (lambda: parquet({**QUESTION, "metadata": ["{x"]}), r"problem '1': metadata: not JSON"),
    "metadata nested": (
        lambda: parquet({**QUESTION, "metadata": ["[" * 99]}), r"problem '1': metadata: nested deeper than 64 levels",
    ),
    "an answer that is null": (lambda: parquet({**QUESTION, "answer": pa_null()}), r"problem '1': answer: "),
    "a row group past the limit": (None, r"a row group unpacks to \d+ bytes, the limit is 100"),
}  # fmt: skip


def pa_null():
    import pyarrow as pa

    return pa.array([None], pa.string())


@pytest.mark.parametrize("case", PROBLEM_FILES)
def test_a_bad_file_of_problems_is_named(tmp_path, case):
    make, words = PROBLEM_FILES[case]
    (tmp_path / "p.parquet").write_bytes((make or (lambda: parquet({**QUESTION, "metadata": ["{}"]})))())
    if make is None:
        limits.use(limits.Limits(unpacked_bytes=100))
    try:
        with pytest.raises(UserError, match=rf"p\.parquet: {words}"):
            list(read_problems(tmp_path / "p.parquet"))
        with pytest.raises(UserError, match=rf"p\.parquet: {words}"):
            ProblemFile(tmp_path / "p.parquet")[0]
    finally:
        limits.use(limits.Limits())


OUR_QUESTIONS = {
    "metadata that is no JSON": ('{"id":"1","source":"s","metadata":"{x"}', r"question 0: metadata: not JSON"),
    "metadata that is a list": ('{"id":"1","source":"s","metadata":"[]"}', r"question 0: metadata: must be an object"),
    "a column is missing": ('{"pid":"7","question":"?"}', r"question '7': has no column 'question_type'"),
}


@pytest.mark.parametrize("case", OUR_QUESTIONS)
def test_a_bad_question_is_named(tmp_path, case):
    text, words = OUR_QUESTIONS[case]
    (tmp_path / "q.jsonl").write_text(text + "\n")
    with pytest.raises(UserError, match=rf"q\.jsonl: {words}"):
        report(tmp_path / "q.jsonl")


# --- single JSON files
SCORES = {
    "NaN": ('{"average":{"accuracy":"nan"}}', "nan"),
    "too large": ('{"average":{"accuracy":"1e999"}}', "1e999"),
    "infinite": ('{"average":{"accuracy":Infinity}}', "inf"),
    "null": ('{"average":{"accuracy":null}}', "None"),
    "nested": ("[" * 100_000, "nested deeper than 64 levels"),
    "a list": ("[]", "must be one JSON object"),
    "no average": ("{}", "average"),
}


@pytest.mark.parametrize("case", SCORES)
def test_a_bad_score_file_is_named(tmp_path, case):
    text, words = SCORES[case]
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(UserError, match=rf"s\.json:(1:)? .*{words}"):
        read_score_file(tmp_path / "s.json", "mathvista")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"), ("[]", "must be one JSON object"), ('{"content_sha":1}', "has no text `content_sha`"),
        ("{}", "has no text `content_sha`"), ('{"a":1,"a":1}', "the key 'a' stands twice"),
        ("\ufeff{}", "byte order mark"),
        ('{\n"a":\n\n}', "4: not JSON"),
    ],
)  # fmt: skip
def test_a_bad_manifest_is_named(tmp_path, text, words):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(UserError, match=rf"manifest\.json:.*{words}"):
        content_sha(tmp_path)
    if "content_sha" not in words:
        with pytest.raises(UserError, match=words):
            read_manifest(tmp_path)
        with pytest.raises(UserError, match=words):
            json_object(tmp_path / "manifest.json")
