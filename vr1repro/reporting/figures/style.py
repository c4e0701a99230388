"""How figures look and how they are written: the paper's colours, readable in grey, the same bytes every time."""

import gc
import io
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vr1repro.core.files import whole_file
from vr1repro.reporting.figures.svg import canonical

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours of the paper's Figure 1 (read off figs/exploration.png).
DARK_BLUE, LIGHT_BLUE, SKY_BLUE = "#00008B", "#ADD8E6", "#87CEEB"
GREEN, ORANGE = "#008000", "#FFA500"
STAGE_COLOURS = {1: "#404040", 2: "#1E90FF", 3: "#228B22"}
GHOST = "#9A9A9A"  # the paper's values
EDGE = "#202020"
HOLLOW = "white"  # inside of a mark that is only an outline
HIGHLIGHT = "red"  # the stars at the ends of Figure 1 E
CUT = "#B22222"  # responses that the token limit cut
FAINT, NOTE = "#777777", "#444444"  # what is missing; the note under a figure

# Colour, marker, line style: any two arms differ in at least two of the three, so that grey print keeps them apart.
_FIXED = {
    "base": ("#7F7F7F", "x", ":"),
    "ci": ("#B22222", "*", ":"),
    "zero": (DARK_BLUE, "o", "-"),
    "long": (LIGHT_BLUE, "s", "-"),
    "vision-r1": (STAGE_COLOURS[2], "^", "-"),
    "vision-r1-stage3": (STAGE_COLOURS[3], "v", "--"),
}
# Okabe and Ito's colours for whatever arms a user adds, and for pairs of protocol and scoring profile.
_FURTHER = (
    ("#E69F00", "D", "-."),
    ("#009E73", "P", "--"),
    ("#CC79A7", "X", "-."),
    ("#56B4E9", "h", ":"),
    ("#D55E00", "<", "--"),
    ("#F0E442", ">", "-."),
    ("#0072B2", "p", ":"),
)

GRADER_COLOURS = (DARK_BLUE, *(colour for colour, _, _ in _FURTHER[:4]))

_RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.5,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "vr1repro",
    "pdf.fonttype": 42,
    "figure.dpi": 100,
    "savefig.dpi": 200,
}
# Nothing of the day or the machine, so that two runs write the same bytes.
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "ModDate": None, "Producer": None, "Creator": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}


def arm_style(arm: str, others: list[str]) -> dict[str, Any]:
    """Line arguments of an arm.

    Args:
        others: All arms of the figure, in order; an arm without a fixed style takes the next free one.
    """
    if arm in _FIXED:
        colour, marker, line = _FIXED[arm]
    else:
        free = [name for name in others if name not in _FIXED]
        colour, marker, line = _FURTHER[free.index(arm) % len(_FURTHER) if arm in free else 0]
    return {"color": colour, "marker": marker, "linestyle": line, "markeredgecolor": EDGE, "markeredgewidth": 0.4}


@contextmanager
def drawing() -> Iterator[None]:
    """Draw without a display and with this package's settings alone, whatever the user's matplotlibrc says."""
    import matplotlib as mpl
    from matplotlib.backends import backend_agg  # noqa: F401 - registers the backend before the context closes

    often = gc.get_threshold()
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.use("Agg", force=True)
        for key, value in _RC.items():
            mpl.rcParams[key] = value  # type: ignore[index]
        # Looking for garbage after every 700 objects is a sixth of the time in which matplotlib makes millions.
        gc.set_threshold(50_000, *often[1:])
        try:
            yield
        finally:
            gc.set_threshold(*often)


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple["Figure", list["Axes"]]:
    """A figure of a size in inches, with its axes in reading order. No global state, so nothing has to be closed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def grid(count: int, width: float, least: float) -> tuple[int, int]:
    """Rows and columns of a grid of panels, none narrower than `least` inches, at most three in a row."""
    columns = min(count, 3, max(1, int(width // least)))
    return -(-count // columns), columns


def save(figure: "Figure", folder: Path, name: str, formats: Sequence[str] = tuple(_METADATA)) -> list[Path]:
    """Write `<name>.pdf`, `.svg` and `.png`, or some of them. Returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    # The layout is solved once, not again for every format: that is most of the time, and panels stay where they are.
    # Then there is none: beside any layout engine, also one that does nothing, matplotlib draws each file twice.
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
    figure.set_layout_engine(None)
    paths = []
    for suffix in formats:
        path = folder / f"{name}.{suffix}"
        with whole_file(path) as stream:
            if suffix == "svg":
                drawn = io.StringIO()
                figure.savefig(drawn, format=suffix, metadata=_METADATA[suffix])
                stream.write(canonical(drawn.getvalue()).encode("utf-8"))
            else:
                figure.savefig(stream, format=suffix, metadata=_METADATA[suffix])
        paths.append(path)
    return paths


def say(figure: "Figure", text: str) -> None:
    """The note under a figure: what it is not evidence for, and whatever else a reader must know."""
    if text:
        # About 19 characters of 6 point italics fit an inch.
        width = int(19 * figure.get_figwidth())
        lines = [part for line in text.split("\n") for part in textwrap.wrap(line, width)]
        figure.supxlabel("\n".join(lines), fontsize=6, color=NOTE, style="italic")


def twin(axes: "Axes", label: str) -> "Axes":
    """A right-hand axis for the paper's values where scales differ, in the ghosts' grey."""
    right = axes.twinx()
    right.grid(visible=False)
    right.set_ylabel(label, color=GHOST)
    right.tick_params(axis="y", colors=GHOST)
    right.spines["right"].set_visible(True)
    right.spines["right"].set_color(GHOST)
    # Ghosts stay behind our curves although matplotlib draws twins on top.
    axes.set_zorder(right.get_zorder() + 1)
    axes.patch.set_visible(False)
    return right
