"""Saved responses of other tools, as `vr1repro grade` reads them."""

import importlib.util
import json
import zipfile
from pathlib import Path
from typing import Any

import formats_made
import pytest
from typer.testing import CliRunner, Result

from vr1repro.cli import app
from vr1repro.core.errors import BadResponses, UserError
from vr1repro.evaluation.formats import workbook

HERE = Path(__file__).parent / "response_formats"
QUESTIONS = HERE / "questions.jsonl"
# Fixture to the line that says how it was read.
READ_AS = {
    "list.json": "json: id `pid`, response `response`",
    "plain.csv": "csv: id `pid`, response `response`",
    "plain.tsv": "tsv: id `pid`, response `response`",
    "vlmevalkit.xlsx": "vlmevalkit (xlsx): id `index` (the question's row, from 0), response `prediction`",
    "vlmevalkit.tsv": "vlmevalkit (tsv): id `index` (the question's row, from 0), response `prediction`",
    "vlmevalkit.json": "vlmevalkit (json): id `index` (the question's row, from 0), response `prediction`",
    "mathvista.json": "mathvista (map): id the key, response `response`",
    "lm-eval.jsonl": "lm-eval (jsonl): id `id`, response `resps`",
    "lmms-eval.jsonl": "lmms-eval (jsonl): id `question_id`, response `resps`",
}


def grade(*responses: Path, questions: Path = QUESTIONS, benchmark: str = "mathvista", **options: Any) -> Result:
    """Call `vr1repro grade`; the verdicts are in `verdicts.jsonl` beside the first file or in `out`."""
    arguments = ["grade", "--benchmark", benchmark, "--questions", str(questions)]
    for path in responses:
        arguments += ["--responses", str(path)]
    for name, value in {"profile": "rule", **options}.items():
        for each in value if isinstance(value, list) else [value]:
            arguments += [f"--{name}", str(each)]
    return CliRunner().invoke(app, arguments)


def verdicts(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def own() -> list[dict[str, Any]]:
    return verdicts(HERE / "own.jsonl")


@pytest.mark.parametrize("name", READ_AS)
def test_each_format_has_the_verdicts_of_our_own(name: str, tmp_path: Path) -> None:
    ours = grade(HERE / "own.jsonl", out=tmp_path / "own")
    theirs = grade(HERE / name, out=tmp_path / "theirs")
    assert (ours.exit_code, theirs.exit_code) == (0, 0), theirs.output
    assert READ_AS[name] in theirs.output
    assert verdicts(tmp_path / "theirs") == verdicts(tmp_path / "own")
    assert [row["verdict"] for row in verdicts(tmp_path / "own")].count("right") == 4


def test_mathvisions_own_rows_have_the_verdicts_of_our_own(tmp_path: Path) -> None:
    for name in ("mathvision-own.jsonl", "mathvision.jsonl"):
        result = grade(
            HERE / name, questions=HERE / "mathvision-questions.jsonl", benchmark="mathvision", profile="official",
            out=tmp_path / name,
        )  # fmt: skip
        assert result.exit_code == 0, result.output
    assert "read as mathvision (jsonl)" in result.output
    assert verdicts(tmp_path / "mathvision.jsonl") == verdicts(tmp_path / "mathvision-own.jsonl")


@pytest.fixture(scope="module")
def made_again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made_again")
    formats_made.make(folder)
    return folder


@pytest.mark.verify
def test_questions_and_replies_of_the_fixtures_are_made_again(made_again: Path) -> None:
    for name in ("questions.jsonl", "own.jsonl", "mathvision-questions.jsonl", "mathvision-own.jsonl"):
        assert (made_again / name).read_text() == (HERE / name).read_text()


@pytest.mark.verify
@pytest.mark.parametrize("name", READ_AS)
def test_the_real_tools_make_the_fixtures(name: str, made_again: Path, tmp_path: Path) -> None:
    if (tool := formats_made.MADE_BY.get(name)) and importlib.util.find_spec(formats_made.TOOLS[tool]) is None:
        pytest.skip(f"{tool} is not installed; response_formats/README.md says how")
    result = grade(made_again / name, questions=made_again / "questions.jsonl", out=tmp_path / "again")
    kept = grade(HERE / name, out=tmp_path / "kept")
    assert (result.exit_code, kept.exit_code) == (0, 0), result.output
    assert READ_AS[name] in result.output
    assert verdicts(tmp_path / "again") == verdicts(tmp_path / "kept")


def test_a_folder_is_no_file_of_responses(tmp_path: Path) -> None:
    assert str(grade(tmp_path, out=tmp_path / "v").exception).startswith(f"{tmp_path}: is a folder; name the files ")


def test_real_responses_score_alike_in_every_format(shared: Path, tmp_path: Path) -> None:
    import csv

    rows = verdicts(shared / "mathvista" / "outputs" / "gpt4_2shot_solution_use_ocr.jsonl")
    questions = shared / "mathvista" / "testmini.jsonl"
    own_file = write(tmp_path / "own.jsonl", [{"pid": row["pid"], "response": row["response"]} for row in rows])
    official = {row["pid"]: {"response": row["response"], "pid": row["pid"]} for row in rows}
    (tmp_path / "official.json").write_text(json.dumps(official, indent=4))
    with (tmp_path / "kit.tsv").open("w", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", quoting=csv.QUOTE_ALL)
        writer.writerow(["index", "answer", "prediction"])
        writer.writerows([place, row["answer"], row["response"]] for place, row in enumerate(rows, 1))
    outputs = [
        grade(path, questions=questions, out=tmp_path / "verdicts" / path.name).output
        for path in (own_file, tmp_path / "official.json", tmp_path / "kit.tsv")
    ]
    scores = [[line for line in text.splitlines() if "read as" not in line] for text in outputs]
    assert scores[0] == scores[1] == scores[2]
    assert "22.30  223/1000" in outputs[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.append(rows[1]), ":7: the question '2' stands twice, first in "),
        (lambda rows: rows[2].update(pid="99"), ":3: mathvista has no question '99'"),
        (lambda rows: rows[3].pop("response"), ":4: the row has no response; an empty text is a response"),
        (lambda rows: rows[3].update(response=None), ":4: its response is null"),
        (lambda rows: rows[3].update(response=["A"]), ":4: its response must be a text, this is list"),
        (lambda rows: rows[3].pop("pid"), ":4: the row has no id"),
        (lambda rows: rows[0].update(eval_seed="x"), ":1: `eval_seed` must be a whole number"),
        (lambda rows: [row.update(text=row.pop("response")) for row in rows], ":1: the row has no response under "),
        (lambda rows: [row.update(name=row.pop("pid")) for row in rows], ":1: the row has no id under "),
        (lambda rows: [row.update(response="") for row in rows], "none of 6 responses can be parsed"),
        (lambda rows: rows.clear(), "is empty"),
    ],
)
def test_rows_without_a_grade_are_refused_with_file_and_line(change: Any, message: str, tmp_path: Path) -> None:
    rows = own()
    change(rows)
    path = write(tmp_path / "r.jsonl", rows)
    result = grade(path, out=tmp_path / "v")
    assert result.exit_code == 1
    assert isinstance(result.exception, BadResponses)
    assert result.exception.status == 1
    assert str(result.exception).startswith(str(path))
    assert message in str(result.exception)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("r.csv", "pid,response\n1,a,b\n", ":2: 3 cells in a table of 2 columns"),
        ("r.csv", "pid,response\n1,\"a\nb\"\n2\n", ":4: 1 cells in a table of 2 columns"),
        ("r.csv", "pid,pid\n1,2\n", ":1: the column 'pid' stands twice"),
        ("r.csv", "pid;response\n1;2\n", "its columns are set apart by semicolons; save it with commas or tabs"),
        ("r.csv", "pid response\n1 2\n", "its first line has no comma and no tab"),
        ("r.json", '{"1": {"response": "a"},\n "1": {"response": "b"}}', ":2: the question '1' stands twice"),
        ("r.json", '{"1": {"response": "a"}\n "2": {"response": "b"}}', ":2: not JSON"),
        ("r.json", '[{"pid": "1", "response": "a"},\n 7]', ":2: must be an object, this is int"),
        ("r.json", '{"1": {"response": "a"},\n "2": "b"}', ":2: '2' must hold an object"),
        ("r.jsonl", '{"pid": "1", "response": "a"}\n{"pid": \n', ":2: not JSON"),
        ("r.jsonl", '{"doc_id": 0, "filtered_resps": [null], "question_id": "1"}', "holds no generated text"),
        ("r.xlsx", "PK\x03\x04", "not an xlsx file"),
    ],
)  # fmt: skip
def test_files_that_are_torn_name_the_line(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    result = grade(tmp_path / name, out=tmp_path / "v")
    assert isinstance(result.exception, BadResponses), result.output
    assert message in str(result.exception)


def test_an_empty_cell_is_a_response(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text('pid,response\n1,\n2,"so: 29"\n')
    result = grade(tmp_path / "r.csv", out=tmp_path / "v")
    assert result.exit_code == 0, result.output
    assert verdicts(tmp_path / "v")[0]["verdict"] == "unparsable"
    assert "NOTE 2 of the 1000 questions of MathVista are answered" in result.output


def test_columns_and_format_can_be_named(tmp_path: Path) -> None:
    rows = [{"number": row["pid"], "text": row["response"], "prediction": "no"} for row in own()]
    path = write(tmp_path / "r.jsonl", rows)
    columns = ["id=number", "response=text"]
    result = grade(path, out=tmp_path / "v", column=columns)
    assert result.exit_code == 0, result.output
    assert [row["verdict"] for row in verdicts(tmp_path / "v")].count("right") == 4
    for options, message in (
        ({"format": "xls"}, "--format xls: unknown; take one of lm-eval, lmms-eval, vlmevalkit"),
        ({"format": "csv"}, "--format csv is read from csv, not jsonl"),
        ({"column": ["reply=text"]}, "--column reply=text: must be ROLE=NAME"),
    ):
        result = grade(path, out=tmp_path / "v", **options)
        assert type(result.exception) is UserError
        assert message in str(result.exception)


def test_seeds_are_files_or_a_column_or_a_harness_own_samples(tmp_path: Path) -> None:
    several = write(tmp_path / "r.jsonl", [{**row, "eval_seed": seed} for seed in (3, 4) for row in own()])
    cases = {
        "column": ([several], [3, 4]),
        "files": ([HERE / "own.jsonl", HERE / "plain.csv"], [1, 2]),
        "samples": ([tmp_path / "s.jsonl"], [1, 2]),
    }
    samples = [
        {"doc_id": place, "doc": {"pid": row["pid"]}, "filter": name, "target": "", "resps": [[row["response"]] * 2],
         "filtered_resps": ["x"]}
        for name in ("none", "strict") for place, row in enumerate(own())
    ]  # fmt: skip
    write(tmp_path / "s.jsonl", samples)
    for name, (paths, seeds) in cases.items():
        result = grade(*paths, out=tmp_path / name)
        assert result.exit_code == 0, result.output
        rows = verdicts(tmp_path / name)
        assert len(rows) == 12
        assert sorted({row["eval_seed"] for row in rows}) == seeds
        assert f"seeds: 2 ({seeds[0]}, {seeds[1]})" in result.output


def test_a_protocol_chooses_under_each_seed(tmp_path: Path) -> None:
    rows = [{**row, "eval_seed": seed} for row in own() for seed in (1, 2)]
    result = grade(write(tmp_path / "r.jsonl", rows), out=tmp_path / "v", protocol="single")
    assert result.exit_code == 0, result.output
    assert len(verdicts(tmp_path / "v")) == 12


@pytest.mark.parametrize("start", [0, 1])
def test_a_tools_number_is_a_row_where_the_golds_say_so(start: int, tmp_path: Path) -> None:
    golds = [row["answer"] for row in verdicts(QUESTIONS)]
    rows = [
        {"index": place, "answer": gold, "prediction": row["response"]}
        for place, (gold, row) in enumerate(zip(golds, own(), strict=True), start)
    ]
    (tmp_path / "r.json").write_text(json.dumps(rows))
    assert grade(tmp_path / "r.json", out=tmp_path / "v").exit_code == 0
    assert [row["id"] for row in verdicts(tmp_path / "v")] == ["1", "2", "3", "4", "5", "6"]
    for row in rows:
        row["answer"] = "another"
    (tmp_path / "r.json").write_text(json.dumps(rows))
    result = grade(tmp_path / "r.json", out=tmp_path / "v")
    assert "its `index` is neither the id nor the row of the given questions: 0 of 6" in str(result.exception)


def test_older_lmms_eval_files_hold_their_rows_in_logs(tmp_path: Path) -> None:
    logs = [
        {"doc_id": place, "doc": {"pid": row["pid"]}, "target": "", "resps": [[row["response"]]],
         "filtered_resps": [row["response"]]}
        for place, row in enumerate(own())
    ]  # fmt: skip
    (tmp_path / "r.json").write_text(json.dumps({"args": {}, "model_configs": {}, "logs": logs}, indent=4))
    result = grade(tmp_path / "r.json", out=tmp_path / "v")
    assert result.exit_code == 0, result.output
    assert "read as lmms-eval (json)" in result.output


def sheet(path: Path, rows: list[list[Any]]) -> Path:
    from openpyxl import Workbook

    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def test_cells_of_a_sheet_are_texts(tmp_path: Path) -> None:
    import datetime

    rows = [["pid", "response"], [1, 19], [2, "=1+28"], [3.0, None], [4, "a" * 32767]]
    result = grade(sheet(tmp_path / "r.xlsx", rows), out=tmp_path / "v")
    assert result.exit_code == 0, result.output
    assert [row["id"] for row in verdicts(tmp_path / "v")] == ["1", "2", "3", "4"]
    assert [row["verdict"] for row in verdicts(tmp_path / "v")][::2] == ["right", "unparsable"]
    assert "1 responses have 32767 characters, the most that a cell holds" in result.output
    for value, message in (
        (datetime.date(2020, 3, 4), "must be a text, this is"),
        (True, "must be a text, this is bool"),
    ):
        result = grade(sheet(tmp_path / "r.xlsx", [["pid", "response"], [1, value]]), out=tmp_path / "v")
        assert message in str(result.exception)
        assert ":2: " in str(result.exception)


def test_a_sheet_that_is_too_large_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MOST_BYTES", 10**5)
    with zipfile.ZipFile(tmp_path / "r.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b" " * 10**6)
    result = grade(tmp_path / "r.xlsx", out=tmp_path / "v")
    assert "holds 1000000 bytes unpacked, at most 100000 are read" in str(result.exception)
