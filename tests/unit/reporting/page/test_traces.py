"""The explorer's data: every response, in its place, under every profile."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from synthetic_run import HOSTILE, arm_infos

from vr1repro.config.reporting import ReportSettings
from vr1repro.core.jsonl import read, write_rows
from vr1repro.core.records import Response, Verdict
from vr1repro.reporting.page import traces
from vr1repro.reporting.run.results import Results


def value(path: Path) -> Any:
    text = path.read_text(encoding="ascii")
    return json.loads(text[text.index(",") + 1 : -3])


@pytest.fixture
def written(results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, int]:
    monkeypatch.setattr(traces, "CHUNK_ROWS", 700)  # several chunks, and sets across their borders
    return tmp_path / "data", traces.write_traces(results, tmp_path)


def test_the_index_counts_as_the_results_do(written: tuple[Path, int], results: Results) -> None:
    folder, total = written
    index = value(folder / "traces.js")
    sizes = [len(index["orders"][one["order"]]) for one in index["sets"]]
    assert total == len(index["tokens"]) == len(index["cut"]) == sum(sizes)
    for profile in ("rule", "strict"):
        rows = results.frame[results.frame["profile"] == profile]
        counted = Counter(index["outcomes"].get(code) for code in index["profiles"][profile])
        assert counted == Counter(rows["verdict"])
    assert index["cut"].count("1") == (results.headline["finish_reason"] == "length").sum()
    assert [name for name, _ in index["arms"]][:3] == ["base", "ci", "zero"]
    assert len(index["orders"]) == 2  # every set of a benchmark shares one, and two benchmarks are of one size


def test_every_text_stands_where_the_index_says(written: tuple[Path, int], run: Path) -> None:
    folder, total = written
    index = value(folder / "traces.js")
    texts = [row for k in range(len(index["chunks"])) for row in value(folder / f"responses-{k}.js")]
    assert len(texts) == total
    assert len(index["chunks"]) > 3
    questions = [value(folder / f"questions-{k}.js") for k in range(3)]
    one = index["sets"][-1]
    responses = list(read(run / one["path"], Response))
    verdicts = {row.id: row for row in read((run / one["path"]).parent / "verdicts" / "rule.jsonl", Verdict)}
    for k, response in enumerate(responses):
        text, reads, attempt, other = texts[one["from"] + k]
        assert text == response.response
        assert HOSTILE in text
        assert (attempt, other) == (0, 0)
        assert reads["rule"] == verdicts[response.id].extraction
        assert questions[one["benchmark"]][index["orders"][one["order"]][k]][0] == response.id


def test_what_is_missing_is_said(fresh_run: Callable[..., Path], settings: ReportSettings, tmp_path: Path) -> None:
    run = fresh_run()
    folder = run / "eval" / "zero_s1" / "mathvista" / "single" / "e1"
    rows = list(read(folder / "responses.jsonl", Response))
    stray = rows[0].model_copy(update={"id": "not a question", "n_tokens": None})
    write_rows(folder / "responses.jsonl", [*rows, stray])
    (folder / "verdicts" / "strict.jsonl").unlink()
    results = Results.load(run, arm_infos(), settings, comparable=True)
    traces.write_traces(results, tmp_path)
    index = value(tmp_path / "data" / "traces.js")
    one = next(s for s in index["sets"] if s["path"].startswith("eval/zero_s1/mathvista/single/e1/"))
    last = one["from"] + len(rows)
    assert index["tokens"][last] is None
    assert index["profiles"]["rule"][last] == traces.NONE
    assert set(index["profiles"]["strict"][one["from"] : last]) == {traces.NONE}
    question = value(tmp_path / "data" / f"questions-{one['benchmark']}.js")[index["orders"][one["order"]][-1]]
    assert question == ["not a question", "", "", [], "not among the benchmark's questions"]


def test_another_picture_than_the_models_is_pointed_out(
    fresh_run: Callable[..., Path], settings: ReportSettings, tmp_path: Path
) -> None:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    run = fresh_run()
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    path = run / "problems" / "mathvista" / "test.parquet"
    table = pq.read_table(path).to_pylist()
    pq.write_table(
        pa.Table.from_pylist([{**row, "decoded_image": {"bytes": buffer.getvalue()}} for row in table]), path
    )
    folder = run / "eval" / "zero_s1" / "mathvista" / "single" / "e1"
    rows = list(read(folder / "responses.jsonl", Response))
    write_rows(folder / "responses.jsonl", [rows[0].model_copy(update={"image_sha": "0" * 64}), *rows[1:]])
    traces.write_traces(Results.load(run, arm_infos(), settings, comparable=True), tmp_path)
    index = value(tmp_path / "data" / "traces.js")
    one = next(s for s in index["sets"] if s["path"].startswith("eval/zero_s1/mathvista/single/e1/"))
    texts = [row for k in range(len(index["chunks"])) for row in value(tmp_path / "data" / f"responses-{k}.js")]
    assert [row[3] for row in texts[one["from"] : one["from"] + 3]] == [1, 0, 0]


def test_a_run_without_responses_has_an_empty_index(settings: ReportSettings, tmp_path: Path) -> None:
    results = Results.load(tmp_path / "none", arm_infos(), settings, comparable=True)
    assert traces.write_traces(results, tmp_path) == 0
    assert value(tmp_path / "data" / "traces.js")["sets"] == []
