"""Figures: drawn from what is there, the same bytes twice, honest about scale, and without torch."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from synthetic_run import arm_infos

from vr1repro.coldset.records import Compared, Side
from vr1repro.config.reporting import ReportSettings
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import write_rows
from vr1repro.core.provenance import file_sha
from vr1repro.core.records import Outcome
from vr1repro.reporting.figures.build import DRAW, make_figures, write_published_figure
from vr1repro.reporting.figures.catalogue import FIGURES
from vr1repro.reporting.figures.descriptions import descriptions
from vr1repro.reporting.figures.figure_one import figure_one
from vr1repro.reporting.figures.published import published_figure_one
from vr1repro.reporting.figures.style import arm_style, drawing
from vr1repro.reporting.run.arms import ArmInfo, trajectory
from vr1repro.reporting.run.results import MICRO_NOTE, Results
from vr1repro.reporting.statistics.estimate import Estimate


@pytest.fixture(scope="module")
def folder(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("figures")
    make_figures(results, path, ["figure1", "coldset"])
    return path


@pytest.mark.parametrize("width", [None, 3.3], ids=["two columns", "one column"])
@pytest.mark.parametrize("name", list(FIGURES))
def test_every_figure_shows_the_run(results: Results, name: str, width: float | None) -> None:
    with drawing():
        figure = DRAW[name](results, width)
        figure.draw_without_rendering()
        assert figure.get_figwidth() <= (width or results.settings.page_width)
        # Nothing of a panel hangs over the page's sides, where a paper would cut it off.
        right = figure.get_figwidth() * figure.dpi
        for axes in (each for each in figure.axes if each.get_visible()):
            box = axes.get_tightbbox()
            assert box is not None
            assert box.x0 > -3, axes.get_title(loc="left")
            assert box.x1 < right + 3, axes.get_title(loc="left")
    assert sum(len(axes.lines) + len(axes.patches) for axes in figure.axes) > 1
    said = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert not [text for text in said if text.startswith(("no ", "not "))]
    assert MICRO_NOTE in figure._supxlabel.get_text().replace("\n", " ")  # type: ignore[attr-defined]


def test_every_format(folder: Path) -> None:
    names = ("figure1", "coldset")
    wide = {f"{name}.{suffix}" for name in names for suffix in ("pdf", "svg", "png")}
    narrow = {f"{name}-column.{suffix}" for name in names for suffix in ("pdf", "png")}
    assert {path.name for path in folder.iterdir()} == wide | narrow | {"provenance.json"}
    assert (folder / "figure1.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "figure1.pdf").read_bytes().startswith(b"%PDF")


def test_the_same_bytes_twice(folder: Path, results: Results, tmp_path: Path) -> None:
    pictures = [path for path in make_figures(results, tmp_path, ["coldset"]) if path.suffix != ".json"]
    assert len(pictures) == 5
    for path in pictures:
        assert path.read_bytes() == (folder / path.name).read_bytes(), path.name


def test_a_figure_that_fails_is_named(fresh_run: Callable[..., Path], settings: ReportSettings, tmp_path: Path) -> None:
    run = fresh_run()
    results = Results.load(run, arm_infos(), settings, comparable=False)
    log = sorted(run.glob("train/*/s*/stage*/steps.jsonl"))[0]
    log.write_text("{}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"figure training: .*steps\.jsonl"):
        make_figures(results, tmp_path, ["training"])


def test_nothing_of_day_or_machine_inside(folder: Path) -> None:
    for path in folder.iterdir():
        data = path.read_bytes()
        assert b"CreationDate" not in data
        assert b"<dc:date>" not in data
        assert str(Path.home()).encode() not in data or str(Path.home()) == "/"


def test_panels_follow_the_papers_arrangement(results: Results) -> None:
    with drawing():
        figure = figure_one(results)
        axes = [a for a in figure.axes if a.get_title(loc="left")]
        assert [a.get_title(loc="left")[0] for a in axes] == list("ABCDEF")
        # Our curve of panel D: stage 1 in the paper's grey, stage 2 in its blue.
        colours = {line.get_color() for line in axes[3].lines}
        assert {"#404040", "#1E90FF", "#00008B", "#ADD8E6"} <= colours
        assert MICRO_NOTE in figure._supxlabel.get_text().replace("\n", " ")  # type: ignore[attr-defined]


def test_scales_are_kept_apart_where_they_differ(results: Results) -> None:
    with drawing():
        micro, same = figure_one(results), figure_one(replace(results, comparable=True))
        right_axes = [a for a in micro.axes if "Paper" in a.get_ylabel()]
        assert len(right_axes) == 3
        assert not [a for a in same.axes if "Paper" in a.get_ylabel()]
        assert MICRO_NOTE not in same._supxlabel.get_text().replace("\n", " ")  # type: ignore[attr-defined]


def test_ghosts_stand_at_the_published_values(results: Results) -> None:
    with drawing():
        figure = figure_one(replace(results, comparable=True))
        panel = next(a for a in figure.axes if a.get_title(loc="left").startswith("D"))
        ghosts = {(x, y) for line in panel.lines for x, y in zip(*line.get_data(), strict=True)}
    assert {(300, 1051), (300, 3272), (200, 2059)} <= ghosts


def test_counts_of_nothing_stand_on_the_papers_axis(results: Results) -> None:
    """An axis of their own would put the paper's 699 at the height of a one."""
    nothing = replace(results)
    zero = Estimate(value=0.0, n=1, clusters=1, stderr=0.0, low=0.0, high=3.0, method="m")
    nothing.__dict__["sampled_words"] = {
        arm: dict.fromkeys(words, zero) for arm, words in results.sampled_words.items()
    }
    with drawing():
        limits = [_limits(figure_one(one)) for one in (results, nothing)]
    assert limits[0][0] < limits[0][1]
    assert limits[1][0] == limits[1][1] > 1000


def _limits(figure: Any) -> tuple[float, float]:
    """The tops of panel C's axes, ours and the paper's."""
    ours = next(axes for axes in figure.axes if axes.get_title(loc="left").startswith("C"))
    papers = next(axes for axes in figure.axes if axes.get_ylabel() == "Paper's count")
    return ours.get_ylim()[1], papers.get_ylim()[1]


def test_every_mark_of_figure_one_has_a_name_and_the_stars_lie_on_top(results: Results) -> None:
    with drawing():
        figure = figure_one(results)
    labels = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    assert {"paper, v4 Table 1 (B)", "paper", "CI, Vision-R1"} <= labels
    lines = next(axes for axes in figure.axes if axes.get_title(loc="left").startswith("E")).lines
    stars = [line for line in lines if line.get_marker() == "*" and line.get_color() == "red"]
    assert len(stars) == 2
    assert min(star.get_zorder() for star in stars) > max(line.get_zorder() for line in lines if line not in stars)


def test_cut_responses_are_counted(results: Results) -> None:
    with drawing():
        figure = DRAW["length-accuracy"](results)
    said = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert said
    assert all(re.fullmatch(r"[\d,]+ of [\d,]+ cut at [\d,]+", text) for text in said)


def test_single_steps_are_drawn_for_a_single_seed_alone(results: Results) -> None:
    with drawing():
        axes = DRAW["training"](results).axes[0]
    several = [
        arm.label for arm in results.arms.values() if arm.stages and results.log(arm)["train_seed"].nunique() > 1
    ]
    thin = [line for line in axes.lines if line.get_linewidth() == 0.4]
    named = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    assert len(thin) == len([line for line in named if line.get_label() not in several])


FEW = {name: arm for name, arm in arm_infos().items() if name in ("base", "ci", "zero")}


def test_the_catalogue_names_every_figure_that_is_drawn() -> None:
    assert list(FIGURES) == list(DRAW)


@pytest.mark.parametrize("arms", [arm_infos(), FEW, {}], ids=["arms of the paper", "few", "none"])
@pytest.mark.parametrize("comparable", [True, False])
def test_an_empty_run_still_gives_figures(tmp_path: Path, arms: dict[str, ArmInfo], comparable: bool) -> None:
    empty = Results.load(tmp_path / "none", arms, ReportSettings(), comparable)
    with drawing():
        for draw in DRAW.values():
            figure = draw(empty)
            figure.draw_without_rendering()
            assert figure.axes


def test_a_figure_names_what_it_was_made_from_and_nothing_else_matters(
    fresh_run: Callable[..., Path], settings: ReportSettings, tmp_path: Path
) -> None:
    """Files that `coldset` does not name may change without a change of its bytes; the one that it names may not."""

    def drawn(folder: str) -> tuple[bytes, dict[str, str]]:
        results = Results.load(run, arm_infos(), settings, comparable=False)
        make_figures(results, tmp_path / folder, ["coldset"])
        known = json.loads((tmp_path / folder / "provenance.json").read_text())
        files = [known["files"][k] for k in known["figures"]["coldset"]["files"]]
        return (tmp_path / folder / "coldset.png").read_bytes(), {file["path"]: file["sha256"] for file in files}

    run = fresh_run()
    picture, files = drawn("a")
    assert files == {"coldset/yield.json": file_sha(run / "coldset" / "yield.json")}
    for path in [*run.glob("eval/*/*/*/*/verdicts/rule.jsonl"), *run.glob("train/**/steps.jsonl")]:
        path.write_text(path.read_text().splitlines(keepends=True)[0])
    assert drawn("b") == (picture, files)
    (run / "coldset" / "yield.json").write_text('{"problems": 30, "kept": 5, "rejected": {"answer": 25}}')
    again, changed = drawn("c")
    assert again != picture
    assert changed != files


def test_an_earlier_stage_that_is_another_arms_end_is_on_the_curve(results: Results) -> None:
    arm = replace(results.arms["vision-r1-stage3"], parent="ci")
    points = trajectory(results.headline, arm, results.settings, ["mathvista"], results.arms)
    end = next(point for point in points if point.step == 40)
    own = results.accuracy("vision-r1", "mathvista")
    assert own is not None
    assert end.estimate.value == pytest.approx(own.value)


def test_unknown_figures_are_refused(results: Results, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no figure figure9"):
        make_figures(results, tmp_path, ["figure9"])


def test_arms_differ_in_two_ways_for_grey_print() -> None:
    names = ["base", "ci", "zero", "long", "vision-r1", "vision-r1-stage3", "mine", "yours"]
    styles = [arm_style(name, names) for name in names]
    for k, one in enumerate(styles):
        for other in styles[k + 1 :]:
            assert sum(one[key] != other[key] for key in ("color", "marker", "linestyle")) >= 2


def test_reporting_imports_no_torch() -> None:
    code = (
        "import sys; import vr1repro.reporting.redraw;"
        " sys.exit(bool({'torch', 'transformers', 'trl', 'lm_eval', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_published_values_alone(tmp_path: Path) -> None:
    assert [path.suffix for path in write_published_figure(tmp_path)] == [".pdf", ".svg", ".png"]
    with drawing():
        figure = published_figure_one()
        end = [line.get_ydata()[-1] for line in figure.axes[3].lines if len(line.get_xdata()) == 13]  # type: ignore[arg-type]
    assert end == [1051, 3272]


def test_descriptions_are_counted_on_both_sides(results: Results, tmp_path: Path) -> None:
    """Three of four right with Pseudo-CoT, one of four without, one with both; and words."""

    def side(outcome: str, words: int) -> Side:
        return Side(words=words, answer="1", outcome=Outcome(outcome))

    pairs = [("right", "right"), ("right", "wrong"), ("right", "unparsable"), ("wrong", "wrong")]
    rows = [
        Compared(id=str(k), source="s", with_pseudo_cot=side(first, 30), without=side(second, 10))
        for k, (first, second) in enumerate(pairs)
    ]
    write_rows(tmp_path / "coldset" / "ablation.jsonl", rows)
    figure = descriptions(replace(results, run=tmp_path))
    shares, words = figure.axes
    assert [bar.get_height() for bar in shares.patches] == [25.0, 75.0]
    assert [bar.get_height() for bar in words.patches] == [10.0, 30.0]
    note = figure._supxlabel.get_text().replace("\n", " ")  # type: ignore[attr-defined]
    assert "+50.0 points" in note
    assert "description without Pseudo-CoT: 34.2; description with" in note
    assert "40.1" in note
    empty = descriptions(replace(results, run=tmp_path / "nothing"))
    assert "coldset.ablated" in empty.axes[0].texts[0].get_text()
