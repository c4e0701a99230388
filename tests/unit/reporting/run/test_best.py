"""The best of several checkpoints beside the last, and what its score owes to the choice."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vr1repro.config.reporting import ReportSettings
from vr1repro.core.errors import UserError
from vr1repro.evaluation.selection import Candidate, Selection, best_of
from vr1repro.reporting.run.best import held_out, read_selections
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.tables.our_tables import best_table
from vr1repro.reporting.tables.table import paper_tables

SLUGS = tuple(f"a_s1_stage1_step{step}" for step in range(10))


def planted(chances: list[float], questions: int, seed: int) -> tuple[pd.DataFrame, Selection]:
    """Candidates with given chances of a right answer, and the choice among them."""
    generator, rows, candidates = np.random.default_rng(seed), [], []
    for step, (slug, chance) in enumerate(zip(SLUGS, chances, strict=True)):
        right = generator.random(questions) < chance
        rows += [
            {
                "model": slug, "benchmark": "mathvista", "protocol": "single", "profile": "rule", "eval_seed": 1,
                "id": str(k), "cluster": str(k // 2), "stratum": "all", "correct": bool(right[k]),
            }
            for k in range(questions)
        ]  # fmt: skip
        candidates.append(Candidate(slug=slug, step=step, scores={"mathvista": 100 * float(right.mean())}))
    selection = Selection(
        arm="a", train_seed=1, eval_seed=1, profile="rule", candidates=candidates, selected=best_of(candidates).slug
    )
    return pd.DataFrame(rows), selection


def test_equal_checkpoints_owe_the_best_to_chance_alone() -> None:
    """Ten of equal worth: the best of them lies above it, the score where it was not chosen does not."""
    worth, best, elsewhere = 50.0, [], []
    for seed in range(20):
        frame, selection = planted([0.5] * 10, 400, seed)
        best.append(selection.best.mean)
        elsewhere.append(held_out(frame, selection, ReportSettings(bootstrap_draws=100)))
    assert np.mean(best) - worth > 2.5  # of ten draws with a deviation of 2.5, the highest is 1.54 of them above
    assert abs(np.mean(elsewhere) - worth) < 1.0


def test_a_checkpoint_that_is_better_stays_so_where_it_was_not_chosen() -> None:
    frame, selection = planted([0.4] * 9 + [0.7], 400, 0)
    assert selection.best.step == 9
    assert held_out(frame, selection, ReportSettings()) == pytest.approx(selection.best.mean, abs=0.5)


def test_candidates_that_answered_other_questions_are_not_compared() -> None:
    frame, selection = planted([0.5] * 10, 20, 0)
    assert held_out(frame[1:], selection, ReportSettings()) is None
    assert held_out(frame[frame["model"] != SLUGS[3]], selection, ReportSettings()) is None


def test_best_and_last_stand_side_by_side_and_are_never_mixed(results: Results) -> None:
    (table,) = [table for table in paper_tables(results) if table.key == "T5"]
    lines = {line.name: line for line in table.lines}
    chosen, last = lines["Vision-R1 (Ours)"], lines["Vision-R1 (Ours), last step"]
    (selection,) = [selection for selection in results.selections if selection.arm == "vision-r1"]
    for k, benchmark in enumerate(("mathvista", "mathverse", "mmmath")):
        best, end = chosen.cells[k].ours, last.cells[k].ours
        assert best is not None
        assert best.value == pytest.approx(selection.best.scores[benchmark])
        assert end == results.accuracy("vision-r1", benchmark)
        assert (chosen.cells[k].paper is not None, last.cells[k].paper) == (True, None)
    # An arm that did not choose has no number beside the paper's, and its end in its own row.
    assert lines["4Kx16 > 4Kx16"].note == "no best was chosen"
    assert lines["4Kx16 > 4Kx16, last step"].cells[0].ours is not None
    assert "Baseline (Qwen2.5-VL-7B), last step" not in lines
    assert set(results.best("vision-r1")["eval_seed"]) == {1}
    assert "too high" in table.note


def test_the_choice_is_a_table(results: Results) -> None:
    table = best_table(results)
    rows = {row[0]: row for row in table.rows}
    assert set(rows) == {"Vision-R1", "Vision-R1-Zero"}
    assert rows["Vision-R1"][2] == "30, 40"
    for row in rows.values():
        best, last, difference = (
            float(row[table.header.index(name)]) for name in ("Best", "Last step", "Best minus last")
        )
        assert difference == pytest.approx(best - last, abs=0.11)


def test_a_bad_choice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "eval" / "a_s1" / "selected.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"arm": "a"}')
    with pytest.raises(UserError, match=r"selected\.json: train_seed: .*; delete it"):
        read_selections(tmp_path)
