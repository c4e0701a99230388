"""What `why-rerun` says of Snakemake's reasons."""

import json
from pathlib import Path

from vr1repro.commands.rerun import _in_words, changed_settings


def test_settings_that_differ_are_named() -> None:
    before = [{"beta": 0.0, "launch": {"nodes": 1}}, ["x", "y"], 4]
    now = [{"beta": 0.1, "launch": {"nodes": 1}, "seed": 2}, ["x", "z"], 4]
    assert changed_settings(before, now) == ["beta: 0.0 -> 0.1", 'seed: "-" -> 2', 'value: "y" -> "z"']
    assert changed_settings(before, before) == []


def test_hashes_become_modules_and_settings(tmp_path: Path) -> None:
    tables = {"code": ({"m": "1", "n": "1"}, {"m": "2", "n": "1"}), "settings": ([{"beta": 0.0}], [{"beta": 0.1}])}
    for number, (kind, pair) in enumerate(tables.items()):
        (tmp_path / kind).mkdir()
        for sha, table in zip((f"{number}" * 16, "ab"[number] * 16), pair, strict=True):
            (tmp_path / kind / f"{sha}.json").write_text(json.dumps(table))
    reason = f"before: '{'0' * 16}', '{'1' * 16}' now: '{'a' * 16}', '{'b' * 16}'"
    assert _in_words(reason, tmp_path) == [
        "its code changed:", "  m (edited)", "its settings changed:", "  beta: 0.0 -> 0.1",
    ]  # fmt: skip
    assert _in_words("Missing output files: x", tmp_path) == ["Missing output files: x"]
