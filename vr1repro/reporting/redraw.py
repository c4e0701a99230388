"""Tables, figures and report of a kept run, made again from its archive alone."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from vr1repro.reporting.figures.build import make_figures, write_published_figure
from vr1repro.reporting.lineage.archive import CONFIG, draw_again, opened
from vr1repro.reporting.lineage.making import source_date
from vr1repro.reporting.page.build import make_report, summary
from vr1repro.reporting.run.results import open_run
from vr1repro.reporting.tables.build import make_tables
from vr1repro.reporting.tables.our_tables import own_tables


def redraw(archive: Path, out: Path, published: Path | None = None) -> str:
    """Write `tables/`, `figures/` and `report/` of a kept run.

    Args:
        archive: A folder that `archive.keep` wrote.
        published: Folder in which to draw Figure 1 of the published values alone; not drawn where left out.

    Returns:
        The summary of the report, a line an arm.

    Raises:
        UserError: The archive or a file in it is bad, or SOURCE_DATE_EPOCH is no time.
    """
    source_date()  # numpy and matplotlib read it too, and end in a traceback
    config = archive / CONFIG
    with opened(archive) as run, ProcessPoolExecutor(1, get_context("forkserver")) as second:
        figures = second.submit(_figures, config, run, out / "figures", published)  # takes as long as all the rest
        results, plan = open_run(config, run, kept=True)
        draw_again(run, plan.config)
        text_tables = own_tables(results)
        make_tables(results, out / "tables", plan.config, text_tables)
        figures.result()
        text = config.read_text(encoding="utf-8")
        make_report(results, out / "report", out / "figures", text, plan.config, text_tables=text_tables)
        return summary(results)


def _figures(config: Path, run: Path, out: Path, published: Path | None) -> None:
    make_figures(open_run(config, run, kept=True, checked=True)[0], out)
    if published is not None:
        write_published_figure(published)
