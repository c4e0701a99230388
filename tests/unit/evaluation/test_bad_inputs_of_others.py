"""What other tools and people hand over, wrong in every way: responses, sheets, checkpoints, presets. One message each.

`bench/bad_inputs.py` makes the table of these cases and of those of an audit.
"""

import gzip
import io
import json
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest
from lab_sizes import LAB
from typer.testing import CliRunner

from vr1repro.cli import app
from vr1repro.core.errors import UserError
from vr1repro.lab.benchmarks import write_benchmark

QUESTIONS = Path(__file__).parent / "response_formats" / "questions.jsonl"
DEEP, LONG = "[" * 5000 + "]" * 5000, "9" * 5000
OPENXML = "http://schemas.openxmlformats.org"
PART = f"{OPENXML}/officeDocument/2006/relationships"
SHEET = f'<worksheet xmlns="{OPENXML}/spreadsheetml/2006/main"><sheetData>%s</sheetData></worksheet>'
CELL = '<row r="1"><c r="A1" t="inlineStr"><is><t>%s</t></is></c></row>'
ENTITIES = '<!ENTITY a "xxxxxxxxxx">' + "".join(
    f'<!ENTITY {name} "' + f"&{before};" * 10 + '">' for before, name in pairwise("abcdefghij")
)
LAUGHS = f'<?xml version="1.0"?><!DOCTYPE l [{ENTITIES}]>' + SHEET % (CELL % "&j;")


def xlsx(sheet: str, **changes: str) -> bytes:
    """A workbook of one sheet, whatever that is."""
    members = {
        "[Content_Types].xml": f'<Types xmlns="{OPENXML}/package/2006/content-types">'
        '<Override PartName="/xl/workbook.xml"'
        ' ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{OPENXML}/package/2006/relationships"><Relationship Id="rId1"'
        f' Type="{PART}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{OPENXML}/spreadsheetml/2006/main" xmlns:r="{PART}"><sheets>'
        '<sheet name="s" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{OPENXML}/package/2006/relationships"><Relationship'
        f' Id="rId1" Type="{PART}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": sheet,
        **changes,
    }  # fmt: skip
    return zipped(members)


def zipped(members: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def corrupt(data: bytes, name: str) -> bytes:
    """A zip one member of which has a damaged stream."""
    place = data.index(name.encode()) + len(name) + 4
    return data[:place] + b"\xff" * 40 + data[place + 40 :]


def row(**changes: object) -> bytes:
    return json.dumps({"pid": "1", "response": "The answer is 1", **changes}).encode()


def sample(**changes: object) -> bytes:
    return json.dumps({"doc_id": 0, "filter": "x", "question_id": "1", **changes}).encode()


# Name of the file, content, what the message says after the file's name.
RESPONSES: dict[str, tuple[str, bytes, str]] = {
    "a table in UTF-16": ("r.csv", "pid,response\n1,a\n".encode("utf-16"), ": not UTF-8"),
    "a table in Latin-1": ("r.csv", "pid,response\n1,caf\u00e9\n".encode("latin-1"), ": not UTF-8"),
    "a header alone": ("r.csv", b"pid,response\n", ": holds no response"),
    "a table without responses": ("r.csv", b"pid,answer\n1,a\n", ":2: the row has no response under"),
    "a table without ids": ("r.csv", b"name,response\nx,a\n", ":2: the row has no id under"),
    "a quote that never ends": ("r.csv", b'pid,response\n1,"a\n', ":2: not a table: unexpected end"),
    "too few cells": ("r.tsv", b"pid\tresponse\n1\n", ":2: 1 cells in a table of 2 columns"),
    "two columns without a name": ("r.csv", b"pid,,response,\n1,2,3,4\n", ":1: the column '' stands twice"),
    "blanks": ("r.jsonl", b"  \n\n", ": is empty"),
    "a byte order mark": ("r.jsonl", b"\xef\xbb\xbf" + row(), ":1: starts with a byte order mark"),
    "gzip": ("r.jsonl.gz", gzip.compress(row(), mtime=0), ": not UTF-8"),
    "Parquet": ("r.parquet", b"PAR1xxxx", ": neither JSON nor a table"),
    "HTML": ("r.html", b"<html><body>1</body></html>", ": neither JSON nor a table"),
    "a pickle": ("r.pkl", b"\x80\x04\x95\x05\0", ": not UTF-8"),
    "an old Excel file": ("r.xls", b"\xd0\xcf\x11\xe0xxxx", ": an Excel file of before 2007"),
    "a list that is torn": ("r.json", b'[{"pid": "1", "response": "a"},\n {"pid"', ":2: not JSON"),
    "an empty list": ("r.json", b"[]", ": holds no response"),
    "an empty object": ("r.json", b"{}", ":1: the row has no id"),
    "a list of lists": ("r.json", b"[[1]]", ":1: must be an object, this is list"),
    "a list nested 5000 deep": ("r.json", DEEP.encode(), ":1: nested deeper than 64 levels"),
    "a row nested 5000 deep": ("r.jsonl", row(x=0).replace(b"0", DEEP.encode()), ":1: nested deeper than 64 levels"),
    "a record nested 5000 deep": (
        "r.json", b'{"1": {"response": "a", "x": %s}}' % DEEP.encode(), ":1: nested deeper than 64 levels",
    ),
    "an item nested 5000 deep": (
        "r.json", b'[{"pid": "1", "response": "a",\n"x": %s}]' % DEEP.encode(), ":2: nested deeper than 64 levels",
    ),
    "5000 digits in a row": ("r.jsonl", b'{"pid":"1","x":%s}' % LONG.encode(), ":1: an integer of 5000 digits"),
    "5000 digits in a record": (
        "r.json", b'{"1": {"response": "a", "x": %s}}' % LONG.encode(), ":1: an integer of 5000 digits",
    ),
    "5000 digits in an item": (
        "r.json", b'[{"pid": "1", "response": "a", "x": %s}]' % LONG.encode(), ":1: an integer of 5000 digits",
    ),
    "a key twice in a record": ("r.json", b'{"1": {"response": "a", "response": "b"}}', ":1: the key 'response'"),
    "a key twice in an item": (
        "r.json", b'[{"pid": "1", "response": "a"},\n {"pid": "1", "pid": "2"}]', ":2: the key 'pid' stands twice",
    ),
    "a record that is null": ("r.json", b'{"1": {"response": "a"},\n "2": null}', ":2: '2' must hold an object"),
    "text after a list": ("r.json", b'[{"pid": "1", "response": "a 1"}]\nx', ":2: not JSON: more stands after its end"),
    "text after an object": ("r.json", b'{"1": {"response": "a 1"}} x', ":1: not JSON: more stands after its end"),
    "JSON in UTF-16": ("r.json", '[{"pid": "1"}]'.encode("utf-16"), ": not UTF-8"),
    "logs without rows": ("r.json", b'{"args": {}, "logs": []}', ": holds no response"),
    "logs of numbers": ("r.json", b'{"args": {}, "logs": [1]}', ":1: must be an object, this is int"),
    "no sample": ("r.jsonl", sample(filtered_resps=[]), ":1: `filtered_resps` holds no generated text"),
    "samples that are numbers": (
        "r.jsonl", sample(resps=[[1]], filtered_resps=[1]), ":1: `resps` holds no generated text",
    ),
    "samples as an object": (
        "r.jsonl", sample(resps={"a": 1}, filtered_resps={"a": 1}), ":1: `resps` holds no generated text",
    ),
    "a number past the questions": (
        "r.jsonl", b'{"doc_id": 99, "resps": [["a"]], "filtered_resps": ["a"], "filter": "x", "target": "1"}',
        ": its `doc_id` is neither the id nor the row",
    ),
    "a negative number": ("r.jsonl", b'{"index": -1, "prediction": "a", "answer": "1"}', ": its `index` is neither"),
    "a number with a fraction": ("r.jsonl", b'{"index": 1.5, "prediction": "a", "answer": "1"}', ": its `index` is"),
    "a number as a word": ("r.tsv", b"index\tprediction\tanswer\none\ta\t1\n", ": its `index` is neither"),
    "a number twice": ("r.tsv", b"index\tprediction\tanswer\n0\ta\t1\n0\tb\t1\n", ": its `index` is neither"),
    "an id that is a list": ("r.jsonl", row(pid=["1"]), ":1: mathvista has no question"),
    "an id that is null": ("r.jsonl", row(pid=None), ":1: the row has no id under"),
    "an id that is empty": ("r.jsonl", row(pid=""), ":1: the row has no id under"),
    "a seed with a fraction": ("r.jsonl", row(eval_seed=1.5), ":1: `eval_seed` must be a whole number, this is 1.5"),
    "a seed that is a truth": ("r.jsonl", row(eval_seed=True), ":1: `eval_seed` must be a whole number, this is True"),
    "a negative seed": ("r.jsonl", row(eval_seed=-1), ":1: `eval_seed` must be a whole number, this is -1"),
    "a response that is a number": ("r.jsonl", row(response=5), ":1: its response must be a text, this is int"),
    "a response that is null": ("r.jsonl", row(response=None), ":1: its response is null"),
    "a response that is an object": ("r.jsonl", row(response={"a": 1}), ":1: its response must be a text, this is"),
    "no response": ("r.jsonl", row() + b'\n{"pid": "2"}', ":2: the row has no response"),
    "a response twice": ("r.jsonl", row() + b"\n" + row(), ":2: the question '1' stands twice"),
    "a workbook without parts": ("r.xlsx", zipped({"a": "b"}), ": not an xlsx file that can be read"),
    "a workbook cut": ("r.xlsx", xlsx(SHEET % "")[:-40], ": not an xlsx file that can be read: File is not a zip"),
    "a sheet that is no XML": ("r.xlsx", xlsx("x"), ": not an xlsx file that can be read: syntax error"),
    "a sheet of entities": ("r.xlsx", xlsx(LAUGHS), ": not an xlsx file that can be read"),
    "a sheet whose stream is damaged": (
        "r.xlsx", corrupt(xlsx(SHEET % (CELL % ("x" * 500))), "xl/worksheets/sheet1.xml"), ": not an xlsx file",
    ),
    "a sheet without rows": ("r.xlsx", xlsx(SHEET % ""), ": holds no response"),
}  # fmt: skip


def called(*words: str) -> BaseException | None:
    return CliRunner().invoke(app, list(words)).exception


def grade(path: Path, out: Path, *further: str) -> BaseException | None:
    questions = () if "--questions" in further else ("--questions", str(QUESTIONS))
    return called(
        "grade",
        "--benchmark",
        "mathvista",
        *questions,
        "--responses",
        str(path),
        "--out",
        str(out / "v.jsonl"),
        *further,
    )


@pytest.mark.parametrize("case", RESPONSES)
def test_bad_responses_are_named(case: str, tmp_path: Path) -> None:
    name, data, words = RESPONSES[case]
    (tmp_path / name).write_bytes(data)
    error = grade(tmp_path / name, tmp_path)
    assert isinstance(error, UserError), repr(error)
    assert (error.status, str(error).startswith(str(tmp_path / name))) == (1, True)
    assert words in str(error)
    assert "\n" not in str(error)
    assert not (tmp_path / "v.jsonl").exists()


@pytest.mark.parametrize(
    ("further", "words"),
    [
        (("--format", "excel"), "--format excel: unknown; take one of"),
        (("--format", "vlmevalkit"), "r.jsonl: --format vlmevalkit is read from"),
        (("--column", "text=response"), "--column text=response: must be ROLE=NAME"),
        (("--column", "response"), "--column response: must be ROLE=NAME"),
        (("--column", "response=none"), "r.jsonl:1: the row has no response under none"),
        (("--column", "response=a", "--column", "response=b"), "--column response=b: response is a already"),
        (("--profile", "none"), "mathvista has no scoring profile 'none'"),
        (("--protocol", "none"), "protocol 'none': unknown"),
        (("--responses", "nowhere.jsonl"), "nowhere.jsonl: cannot be read"),
        (("--responses", "."), ".: is a folder; name the files of responses in it"),
        (("--responses", "/dev/zero"), "/dev/zero: is a pipe, a socket or a device"),
        (("--questions", "/dev/zero"), "/dev/zero: is a pipe, a socket or a device"),
    ],
)
def test_bad_options_are_named(further: tuple[str, ...], words: str, tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_bytes(row())
    error = grade(tmp_path / "r.jsonl", tmp_path, *further)
    assert isinstance(error, UserError), repr(error)
    assert words in str(error)


def tensors(header: bytes, data: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + data


HEADER = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
GOOD = {
    "config.json": b'{"model_type": "qwen2_5_vl", "architectures": ["Qwen2_5_VLForConditionalGeneration"]}',
    "model.safetensors": tensors(HEADER, b"\0" * 4),
    "tokenizer.json": b"{}",
}
NO_WEIGHTS: dict[str, bytes | None] = {"model.safetensors": None}
# Files that a folder has otherwise, and what the message says after the folder's name.
FOLDERS: dict[str, tuple[dict[str, bytes | None], str]] = {
    "nothing": (dict.fromkeys(GOOD), ": holds no .safetensors file"),
    "no configuration": ({"config.json": None}, ": not a checkpoint that transformers can load"),
    "a configuration that is no JSON": ({"config.json": b"{"}, "/config.json:1: not JSON"),
    "a configuration that is a list": ({"config.json": b"[]"}, "/config.json: must be one JSON object"),
    "a nested configuration": ({"config.json": b'{"a":' + DEEP.encode() + b"}"}, "/config.json:1: nested deeper"),
    "a key twice": ({"config.json": b'{"a":1,"a":2}'}, "/config.json: the key 'a' stands twice"),
    "a configuration in UTF-16": ({"config.json": "{}".encode("utf-16")}, "/config.json:1: not UTF-8 text"),
    "no weights": (NO_WEIGHTS, ": holds no .safetensors file"),
    "weights cut off": ({"model.safetensors": tensors(HEADER)}, "/model.safetensors: cut off: the tensor 'a'"),
    "empty weights": ({"model.safetensors": b""}, "/model.safetensors: not a safetensors file, or cut off"),
    "a page in place of weights": ({"model.safetensors": b"<html>no</html>"}, "/model.safetensors: not a safetensors"),
    "a pointer in place of weights": (
        {"model.safetensors": b"version https://git-lfs.github.com/spec/v1\n"}, "/model.safetensors: not a safetensors",
    ),
    "pickled weights": ({**NO_WEIGHTS, "pytorch_model.bin": b"\x80\x02}q\0."}, ": holds no .safetensors file"),
    "an index without its shards": (
        {**NO_WEIGHTS, "model.safetensors.index.json": b'{"weight_map": {"a": "b.safetensors"}}'}, ": holds no .safe",
    ),
    "an adapter alone": (
        {**NO_WEIGHTS, "config.json": None, "adapter_config.json": b"{}", "adapter_model.safetensors": tensors(b"{}")},
        ": not a checkpoint that transformers can load",
    ),
    "an unknown architecture": ({"config.json": b'{"model_type": "none"}'}, ": not a checkpoint that transformers"),
    "code of its own": (
        {"config.json": b'{"model_type": "mine", "auto_map": {"AutoModel": "m.M"}}'}, ": not a checkpoint that transf",
    ),
    "no tokenizer": ({"tokenizer.json": None}, ": not a checkpoint that transformers can load"),
    "a manifest that is no JSON": ({"manifest.json": b"{"}, "/manifest.json:1: not JSON"),
    "a nested manifest": ({"manifest.json": DEEP.encode()}, "/manifest.json:1: nested deeper"),
    "a manifest in UTF-16": ({"manifest.json": "{}".encode("utf-16")}, "/manifest.json:1: not UTF-8 text"),
    "a manifest of other settings": (
        {"manifest.json": b'{"content": {"kind": "sft", "settings": [1]}}'}, "/manifest.json: has no text",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_benchmark(LAB.world, "mathvista", 3, 1, tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("case", FOLDERS)
def test_an_adopted_checkpoint_that_is_none_is_named(case: str, data: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    changes, words = FOLDERS[case]
    folder = tmp_path / "model"
    folder.mkdir()
    for name, content in {**GOOD, **changes}.items():
        if content is not None:
            (folder / name).write_bytes(content)
    error = called(
        "evaluate", "--model", str(folder), "--benchmarks", "mathvista", "--data", f"mathvista={data}", "--out",
        str(tmp_path / "out"),
    )  # fmt: skip
    assert isinstance(error, UserError), repr(error)
    assert (error.status, str(error).startswith(str(folder))) == (2, True)
    assert words in str(error)
    assert not list((tmp_path / "out").rglob("responses.jsonl"))


PRESETS = {
    "a list": (lambda text: "- 1", ": a config is a mapping of sections"),
    "cut": (lambda text: text[: len(text) // 2], "not YAML"),
    "an alias in itself": (lambda text: "run: &a [*a]", ":1: run[0]: an alias stands inside what it names"),
    "an unknown key": (lambda text: text + "\nnew: 1\n", ": new: unknown key"),
    "a run alone": (lambda text: "run: x\n", ": seeds: Field required"),
    "UTF-16": (lambda text: text.encode("utf-16"), ":1: not UTF-8 text"),
    "no steps": (lambda text: text.replace("steps: ", "steps: -", 1), "steps: Input should be greater than 0"),
    "a group of one word": (lambda text: text.replace("group: ", "group: x", 1), "group: Input should be a valid"),
}


@pytest.mark.parametrize("case", PRESETS)
def test_a_preset_that_is_none_is_named_before_it_is_shrunken(case: str, repo: Path, tmp_path: Path) -> None:
    change, words = PRESETS[case]
    text = change((repo / "config" / "paper-1gpu-3b.yaml").read_text())
    path = tmp_path / "preset.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    error = called("rehearse", "--configfile", str(path), "--diff")
    assert isinstance(error, UserError), repr(error)
    assert (error.status, str(error).startswith(str(path))) == (2, True)
    assert words in str(error)


@pytest.mark.parametrize(
    ("further", "words"),
    [(("--arm", "none"), "--arm none: no such arm; known: "), (("--configfile", "none.yaml"), "none.yaml: cannot be")],
)
def test_a_rehearsal_of_nothing_is_named(further: tuple[str, ...], words: str, repo: Path) -> None:
    error = called("rehearse", "--configfile", str(repo / "config" / "paper-1gpu-3b.yaml"), *further)
    assert isinstance(error, UserError), repr(error)
    assert words in str(error)
