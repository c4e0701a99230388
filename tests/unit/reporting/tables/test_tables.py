"""Tables and the comparison: every published number in its place, every label where it belongs."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic_run import arm_infos

from vr1repro.config.reporting import ReportSettings
from vr1repro.config.run import Config
from vr1repro.published import load_values, table_values
from vr1repro.reporting.claims.comparison import as_table, compare_published, contradictions, gets_verdict
from vr1repro.reporting.claims.family import family_of
from vr1repro.reporting.claims.judgement import Label
from vr1repro.reporting.run.results import MICRO_NOTE, Missing, Results
from vr1repro.reporting.run.scores import COLUMNS
from vr1repro.reporting.statistics.estimate import Estimate
from vr1repro.reporting.tables import latex, render
from vr1repro.reporting.tables.build import make_tables
from vr1repro.reporting.tables.paper_tables import SPECS
from vr1repro.reporting.tables.table import all_tables, arms_table, paper_tables


def steady_results(shift: float, seeds: int = 8) -> Results:
    """The released Vision-R1-7B on MathVista, whose seeds differ little around the paper's 73.5 plus a shift."""
    generator, rows, arms = np.random.default_rng(0), [], dict(arm_infos())
    arms["vision-r1"] = replace(arms["vision-r1"], trained=False, released=True)
    for seed in range(1, seeds + 1):
        right = round(1000 * (0.735 + shift / 100)) + int(generator.integers(-4, 5))
        rows += [
            {
                **dict.fromkeys(COLUMNS),
                "model": "vision-r1_s0",
                "arm": "vision-r1",
                "train_seed": 0,
                "final": True,
                "benchmark": "mathvista",
                "protocol": "single",
                "profile": "rule",
                "eval_seed": seed,
                "id": str(k),
                "cluster": str(k),
                "stratum": "all",
                "subsets": (),
                "verdict": "right" if k < right else "wrong",
                "correct": k < right,
                "n_tokens": 100.0,
                "finish_reason": "stop",
            }
            for k in range(1000)
        ]
    return Results(
        run=Path("nowhere"),
        arms=arms,
        settings=ReportSettings(),
        comparable=True,
        frame=pd.DataFrame(rows, columns=COLUMNS),
    )


def _label(results: Results, key: str) -> Label:
    value = next(value for value in load_values() if value.id == key)
    return compare_published([value], results)[0].judgement.label


HEADLINE = "v4.table-1.vision-r1-7b.mathvista.all.accuracy-pct"


@pytest.mark.parametrize(
    ("shift", "seeds", "label"),
    [
        (0.0, 8, Label.REPRODUCED),
        (-4.0, 8, Label.NOT_REPRODUCED),
        (5.0, 8, Label.NOT_REPRODUCED),
        (0.0, 1, Label.CANNOT_TELL),
    ],
)
def test_known_shifts_get_the_right_label(shift: float, seeds: int, label: Label) -> None:
    assert _label(steady_results(shift, seeds), HEADLINE) is label


def test_scorers_that_disagree_give_no_verdict() -> None:
    results = steady_results(-1.2)
    other = results.frame.assign(profile="official")
    lucky = other["id"].astype(int).between(720, 800)
    other["correct"] = [value is True or more for value, more in zip(other["correct"], lucky, strict=True)]
    both = replace(results, frame=pd.concat([results.frame, other]), _measured={})
    assert _label(results, HEADLINE) is not Label.DEPENDS
    assert _label(both, HEADLINE) is Label.DEPENDS


def test_micro_never_gets_a_verdict() -> None:
    results = replace(steady_results(0.0), comparable=False, _measured={})
    rows = compare_published(load_values(), results)
    assert len(rows) == 698
    family = family_of(rows, 0.95)
    assert family.counts == {Label.NOT_COMPARABLE: 224}
    assert (family.not_run, family.chance(0.95)) == (224, "")


def test_only_claims_gains_and_places_get_verdicts() -> None:
    verdicts = {Label.REPRODUCED, Label.NOT_REPRODUCED, Label.WEIGHTS_ONLY, Label.DEPENDS, Label.CANNOT_TELL}
    verdicts.add(Label.NOT_RUN)
    rows = compare_published(load_values(), steady_results(0.0))
    for row in rows:
        assert (row.judgement.label in verdicts) == gets_verdict(row.published)
    family = family_of(rows, 0.95)
    assert family.claims == sum(family.counts.values()) == 224


def test_not_run_says_why_and_how() -> None:
    value = next(v for v in load_values() if v.id == "v4.table-6.vision-r1-zero.mathvista.accuracy-pct")
    judgement = compare_published([value], steady_results(0.0))[0].judgement
    assert judgement.label is Label.NOT_RUN
    assert judgement.command == "snakemake zero"
    unknown = next(v for v in load_values() if v.id == "v4.table-1.vision-r1-72b.mathvista.all.accuracy-pct")
    assert "no arm `vision-r1-72b`" in compare_published([unknown], steady_results(0.0))[0].judgement.reason


@pytest.mark.parametrize(
    ("key", "ours", "label"),
    [
        ("v1-v4.settings.vision-r1.rl.grpo-clip-epsilon.setting", 0.2, Label.EQUAL),
        ("v1-v4.settings.vision-r1.rl.grpo-clip-epsilon.setting", 0.3, Label.DIFFERS),
        ("v1-v4-readme.settings.vision-r1.rl.stage-1-length-limit.setting", 4096, Label.EQUAL),
        ("v1-v4-readme.settings.vision-r1.rl.stage-1-length-limit.setting", 40, Label.DIFFERS),
        ("v1-v4.settings.vision-r1.rl.grpo-kl-beta.setting", None, Label.NOT_STATED),
    ],
)
def test_settings(key: str, ours: float | None, label: Label) -> None:
    value = next(value for value in load_values() if value.id == key)
    mapping = {} if ours is None else {key: ours}
    assert compare_published([value], steady_results(0.0), mapping)[0].judgement.label is label


def test_length_classes_of_another_scale_are_not_mistaken_for_the_papers(results: Results) -> None:
    value = next(value for value in load_values() if value.table == "Fig. 1A")
    found = results.measure(value.target)
    assert isinstance(found, Missing)
    assert "0-40" in found.reason


def test_contradictions_between_versions() -> None:
    found = {item.what: {value.value for value in item.prints} for item in contradictions(load_values())}
    assert found["Mulberry-Llama-11B MMStar accuracy_%"] == {51.3, 58.5}
    assert found["Vision-R1 RL stage 1 length limit (text) setting"] == {"8K", "4K"}
    assert found["Vision-R1-32B* MathVista ALL delta_pp"] == {4.7, 2.9}


def test_every_number_of_a_table_is_in_it(results: Results) -> None:
    tables = {table.key: table for table in paper_tables(results)}
    assert set(tables) == {"T1", "T1v1", "T2", "T2v1", "T3", "T3v1", "T4", "T4v1", "T5", "T6", "README", "F1C"}
    for spec in SPECS:
        shown = {cell.paper.id for line in tables[spec.key].lines for cell in line.cells if cell.paper}
        assert shown == {value.id for value in table_values(spec.table, spec.version)}, spec.key


def test_arms_not_run_say_so_and_new_arms_have_a_row(results: Results) -> None:
    main = next(table for table in paper_tables(results) if table.key == "T1")
    lines = {line.arm: line for line in main.lines if line.arm}
    assert lines["base-72b"].note == "not run"
    assert lines["base"].cells[4].ours == results.accuracy("base", "mathvista")
    assert lines["ptst-4kx16-4kx16"].name == "40x16, 40x16"
    overview = {line.arm: line for line in arms_table(results).lines}
    assert overview["vision-r1-stage3"].note == "not run"
    assert "not run" in render.markdown(render.as_text(main))


def test_differences_are_marked_at_micro_scale_and_judged_at_the_papers(results: Results) -> None:
    def kinds(run: Results) -> set[str]:
        main = next(table for table in paper_tables(run) if table.key == "T1")
        return {row[1 + len(main.marks)] for row in render.grid(main)[1]}

    assert kinds(results) == {"paper", "ours", "left open", "difference (micro: not comparable)"}
    assert kinds(steady_results(0.0)) == {"paper", "ours", "left open", "difference", "verdict", "seen with 80 %"}


def test_micro_note_is_in_every_table(results: Results) -> None:
    for table in all_tables(results):
        assert MICRO_NOTE in render.markdown(render.as_text(table))
        assert MICRO_NOTE in latex.latex(render.as_text(table))


def test_csv_has_a_row_for_each_cell_in_full_precision(results: Results) -> None:
    table = next(table for table in all_tables(results) if table.key == "T5")
    rows = list(csv.DictReader(io.StringIO(render.tidy_csv(table))))
    assert len(rows) == (7 + 3) * 4  # an arm of the run that has steps twice: its best, and its last
    row = next(row for row in rows if row["arm"] == "vision-r1" and row["column"] == "MathVista")
    assert float(row["paper"]) == 73.5
    assert float(row["difference"]) == pytest.approx(float(row["ours"]) - 73.5, abs=1e-3)
    assert row["Stages"] == "4Kx16, 8Kx8"
    assert float(row["low"]) < float(row["ours"]) < float(row["high"])


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [
        (None, False, "-"),
        (float("nan"), False, "-"),
        (-0.04, True, "0.0"),
        (0.04, True, "+0.0"),
        (3.25, True, "+3.2"),
        (1285.4, False, "1,285"),
        (-1.25, False, "-1.2"),
        (float("inf"), False, "inf"),
    ],
)
def test_numbers_as_shown(value: float | None, signed: bool, text: str) -> None:
    assert render.number(value, signed) == text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("50 % & more_", r"50 \% \& more\_"),
        ("[1, 2]", "{[}1, 2{]}"),
        ("-3.2", "$-$3.2"),
        ("1 +- 2", r"1 $\pm$ 2"),
        ("Qwen2.5-VL-7B", "Qwen2.5-VL-7B"),
        ("4Kx16 > 8Kx8", r"4Kx16 \textgreater{} 8Kx8"),
        ("\\", r"\textbackslash{}"),
    ],
)
def test_latex_escapes(text: str, escaped: str) -> None:
    assert latex.tex(text) == escaped


def test_latex_columns_agree(results: Results) -> None:
    for table in all_tables(results):
        body = [line for line in latex.latex(render.as_text(table)).splitlines() if line.endswith(r"\\")]
        spec = next(line for line in latex.latex(render.as_text(table)).splitlines() if "begin{tabular}" in line)
        columns = len(re.sub(r"p\{[^}]*\}", "p", spec).split("{")[2].rstrip("}"))
        assert {line.replace(r"\&", "").count("&") + 1 for line in body} == {columns}


def test_markdown_escapes_bars() -> None:
    estimate = Estimate(value=1.0, n=2, clusters=2, stderr=0.5, low=0.0, high=2.0, method="m")
    assert render.estimate(estimate) == "1.0 [0.0, 2.0]"
    assert render.estimate(None) == "-"


def test_files_are_written_and_stable(results: Results, config: Config, tmp_path: Path) -> None:
    first = {path.name: path.read_bytes() for path in make_tables(results, tmp_path / "a", config)}
    second = {path.name: path.read_bytes() for path in make_tables(results, tmp_path / "b", config)}
    assert first == second
    assert {"t1.csv", "t1.md", "t1.tex", "arms.md", "comparison.csv"} <= set(first)
    comparison = pd.read_csv(tmp_path / "a" / "comparison.csv")
    assert len(comparison) == 698
    assert comparison["id"].is_unique


def test_comparison_carries_error_and_source() -> None:
    rows = as_table(compare_published(load_values(), steady_results(0.0)))
    row = rows[rows["id"] == HEADLINE].iloc[0]
    assert row["verdict"] == "reproduced"
    assert (row["trainings"], row["eval_seeds"]) == (1, 8)
    assert row["margin"] == 3.0
    assert row["difference_low"] < row["difference"] < row["difference_high"]
    assert row["p_equal"] < 0.05 < row["p_different"]
    assert row["power_at_margin"] > 0.7
    assert "Table 1" in row["source"]


def test_html_is_inert_and_names_its_columns(results: Results) -> None:
    hostile = render.TextTable(
        key="t",
        title="<b>title",
        header=["<i>", "n"],
        rows=[["<script>alert(1)</script>", "1"]],
        note="a & b",
        text_columns=1,
    )
    text = render.html(hostile)
    assert "<script" not in text
    assert "<i>" not in text
    assert "&lt;script&gt;" in text
    assert "<td class=num>1</td>" in text
    for table in map(render.as_text, all_tables(results)):
        body = render.html(table)
        assert body.count('<th scope="col">') == len(table.header)
        assert body.count("<tr>") == len(table.rows) + 2
