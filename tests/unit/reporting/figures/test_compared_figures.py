"""Figures of anyone's models: published scores where they are printed; lengths in words without token counts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vr1repro.published import Target
from vr1repro.reporting.figures.compared import PrintedScore, by_class, by_length
from vr1repro.reporting.figures.style import drawing
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.run.scores import eval_folders, last_responses

SCORES: Mapping[tuple[str, str], float] = {
    ("mathvista", "overall"): 73.5,
    ("mathvista", "geo"): 80.3,
    ("mathverse", "overall"): 52.4,
    ("mathverse", "vision-only"): 46.7,
}
PRINTED = [
    PrintedScore(model, Target(benchmark=benchmark, subset=subset, quantity="accuracy"), subset.upper(), score, far)
    for model, far in (("Vision-R1-7B", False), ("Vision-R1-7B, a rerun", True))
    for (benchmark, subset), score in SCORES.items()
]


@pytest.fixture(scope="module")
def ours(results: Results) -> Results:
    return replace(results, comparable=True)


def labels(figure: Any) -> set[str]:
    return {text.get_text() for legend in figure.legends for text in legend.get_texts()}


def test_classes_stand_beside_the_printed_scores(ours: Results) -> None:
    with drawing():
        figure = by_class(ours, PRINTED)
        figure.draw_without_rendering()
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert list(panels) == ["MathVista", "MathVerse", "MM-Math"]
    assert [text.get_text() for text in panels["MathVista"].get_yticklabels()] == ["ALL", "GEO"]
    # MM-Math has no printed sub-score here, so its own classes are shown.
    assert [text.get_text() for text in panels["MM-Math"].get_yticklabels()] == ["ALL", "easy", "hard", "medium"]
    published = [line for line in panels["MathVerse"].lines if "(published)" in str(line.get_label())]
    assert [list(line.get_xdata()) for line in published] == [[52.4, 46.7], [52.4, 46.7]]
    assert {ours.label(arm) for arm in ours.evaluated} <= labels(figure)
    assert {"Vision-R1-7B (published)", "Vision-R1-7B, a rerun (published)"} <= labels(figure)
    vision_only = ours.accuracy("ci", "mathverse", "vision-only")
    drawn = {x for container in panels["MathVerse"].containers for x in container.lines[0].get_xdata()}
    assert vision_only is not None
    assert any(x == pytest.approx(vision_only.value) for x in drawn)


@pytest.mark.parametrize("counted", [True, False])
def test_lengths_are_words_where_no_tokens_were_counted(ours: Results, counted: bool) -> None:
    frame = ours.frame[(ours.frame["arm"] == "base") & (ours.frame["benchmark"] == "mathvista")]
    some = replace(ours, frame=frame if counted else frame.assign(n_tokens=np.nan))
    with drawing():
        figure = by_length(some, PRINTED)
    (axes,) = (axes for axes in figure.axes if axes.get_visible())
    assert axes.get_xlabel() == ("Completion tokens" if counted else "Words of the response")
    assert labels(figure) == {"Vision-R1-7B (published, any length)"}
    line = next(line for line in axes.lines if "published" in str(line.get_label()))
    assert set(line.get_ydata()) == {73.5}
    if not counted:
        folder = next(one for one in eval_folders(some.run) if (one.arm, one.benchmark) == ("base", "mathvista"))
        words = {len(row.response.split()) for row in last_responses(folder.path / "responses.jsonl").values()}
        assert len(words) == 1  # the synthetic run's responses are of one length, so there are no classes
        assert len(axes.lines) == 1


def test_without_verdicts_both_say_so(ours: Results) -> None:
    nothing = replace(ours, frame=ours.frame.iloc[:0])
    with drawing():
        said = [text.get_text() for draw in (by_class, by_length) for text in draw(nothing, []).axes[0].texts]
    assert said == ["no verdicts", "no responses to a benchmark in percent"]
