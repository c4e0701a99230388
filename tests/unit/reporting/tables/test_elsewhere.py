"""The report's list of what another engine trained, with each key that means something else there."""

import json
from collections.abc import Callable
from pathlib import Path

from synthetic_run import arm_infos

from vr1repro.config.reporting import ReportSettings
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.tables.elsewhere import elsewhere_tables
from vr1repro.reporting.tables.our_tables import own_tables

KEYS = [
    {"key": "rl.epsilon", "value": 0.2, "likeness": "exact", "theirs": "clip ratios", "why": "low and high alike"},
    {"key": "rl.beta", "value": 0.01, "likeness": "approximate", "theirs": "KL loss", "why": "cut far from it"},
    {"key": "rl.reference", "value": "start", "likeness": "none", "theirs": None, "why": "it has no path of its own"},
]


def loaded(run: Path, settings: ReportSettings) -> Results:
    return Results.load(run, arm_infos(), settings, comparable=False)


def test_nothing_is_said_where_all_was_trained_here(fresh_run: Callable[..., Path], settings: ReportSettings) -> None:
    results = loaded(fresh_run(), settings)
    assert elsewhere_tables(results) == []
    assert "elsewhere" not in [table.key for table in own_tables(results)]


def test_each_unlike_key_has_its_reason(fresh_run: Callable[..., Path], settings: ReportSettings) -> None:
    run = fresh_run()
    stage = run / "train" / "vision-r1" / "s1" / "stage2"
    stage.mkdir(parents=True, exist_ok=True)
    counts = {"exact": 1, "approximate": 1, "none": 1}
    made = {"engine": "verl", "version": "0.9.1", "support": "validated, never trained", "counts": counts, "keys": KEYS}
    (stage / "counterparts.json").write_text(json.dumps(made))
    (table,) = [table for table in own_tables(loaded(run, settings)) if table.key == "elsewhere"]
    assert list(map(list, table.rows)) == [
        ["vision-r1 s1 stage2", "verl 0.9.1", "3 keys", "", "1 exact, 0 operational", "validated, never trained"],
        ["vision-r1 s1 stage2", "verl 0.9.1", "rl.beta", "0.01", "approximate", "cut far from it"],
        ["vision-r1 s1 stage2", "verl 0.9.1", "rl.reference", "start", "none", "it has no path of its own"],
    ]
