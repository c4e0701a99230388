"""Figures: drawn from what is there, the same bytes twice, honest about scale, and without torch."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_run import arm_infos

from vr1repro.config.reporting import ReportSettings
from vr1repro.errors import UserError
from vr1repro.reporting.arms import ArmInfo
from vr1repro.reporting.comparison import MICRO_NOTE
from vr1repro.reporting.figure_one import figure_one
from vr1repro.reporting.figure_published import published_figure_one
from vr1repro.reporting.figures import FIGURES, write_figures, write_published_figure
from vr1repro.reporting.results import Results
from vr1repro.reporting.style import arm_style, drawing


@pytest.fixture(scope="module")
def folder(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("figures")
    write_figures(path, results, ["figure1", "coldset"])
    return path


@pytest.mark.parametrize("name", list(FIGURES))
def test_every_figure_shows_the_run(results: Results, name: str) -> None:
    with drawing():
        figure = FIGURES[name].draw(results)
        figure.draw_without_rendering()
    assert sum(len(axes.lines) + len(axes.patches) for axes in figure.axes) > 1
    said = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert not [text for text in said if text.startswith(("no ", "not "))]
    assert MICRO_NOTE in figure._supxlabel.get_text().replace("\n", " ")  # type: ignore[attr-defined]


def test_every_format(folder: Path) -> None:
    names = ("figure1", "coldset")
    assert {path.name for path in folder.iterdir()} == {f"{n}.{s}" for n in names for s in ("pdf", "svg", "png")}
    assert (folder / "figure1.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "figure1.pdf").read_bytes().startswith(b"%PDF")


def test_the_same_bytes_twice(folder: Path, results: Results, tmp_path: Path) -> None:
    for path in write_figures(tmp_path, results, ["coldset"]):
        assert path.read_bytes() == (folder / path.name).read_bytes(), path.name


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


FEW = {name: arm for name, arm in arm_infos().items() if name in ("base", "ci", "zero")}


@pytest.mark.parametrize("arms", [arm_infos(), FEW, {}], ids=["arms of the paper", "few", "none"])
@pytest.mark.parametrize("comparable", [True, False])
def test_an_empty_run_still_gives_figures(tmp_path: Path, arms: dict[str, ArmInfo], comparable: bool) -> None:
    empty = Results.load(tmp_path / "none", arms, ReportSettings(), comparable)
    with drawing():
        for kind in FIGURES.values():
            figure = kind.draw(empty)
            figure.draw_without_rendering()
            assert figure.axes


def test_unknown_figures_are_refused(results: Results, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no figure figure9"):
        write_figures(tmp_path, results, ["figure9"])


def test_arms_differ_in_two_ways_for_grey_print() -> None:
    names = ["base", "ci", "zero", "long", "vision-r1", "vision-r1-stage3", "mine", "yours"]
    styles = [arm_style(name, names) for name in names]
    for k, one in enumerate(styles):
        for other in styles[k + 1 :]:
            assert sum(one[key] != other[key] for key in ("color", "marker", "linestyle")) >= 2


def test_reporting_imports_no_torch() -> None:
    code = (
        "import sys; import vr1repro.reporting.build;"
        " sys.exit(bool({'torch', 'transformers', 'trl', 'lm_eval', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_published_values_alone(tmp_path: Path) -> None:
    assert [path.suffix for path in write_published_figure(tmp_path)] == [".pdf", ".svg", ".png"]
    with drawing():
        figure = published_figure_one()
        end = [line.get_ydata()[-1] for line in figure.axes[3].lines if len(line.get_xdata()) == 13]  # type: ignore[arg-type]
    assert end == [1051, 3272]
