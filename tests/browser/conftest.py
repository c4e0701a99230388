"""A report in a real browser: Debian's Chromium without a head, from file://, driven by selenium."""

import io
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tests" / "unit" / "reporting"))  # the synthetic run is theirs

from synthetic_run import HOSTILE, arm_infos, write_run  # noqa: E402

from vr1repro.config.loader import load  # noqa: E402
from vr1repro.config.reporting import ReportSettings  # noqa: E402
from vr1repro.reporting.figures.build import make_figures  # noqa: E402
from vr1repro.reporting.page.build import make_report  # noqa: E402
from vr1repro.reporting.run.results import Results  # noqa: E402

WIDE, PHONE = (1280, 900), (390, 844)
QUESTION = "Count <img src=x onerror=\"window.hacked='question'\"> \u2028 the bars"


def open_browser() -> Any:
    """A browser of its own; skips where there is none."""
    pytest.importorskip("selenium", reason="selenium is not installed (extra `test`)")
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no Chromium with its driver here (Debian packages chromium and chromium-driver)")
    options = Options()
    options.binary_location = chromium
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    for argument in ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", *sandbox]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=Service(driver))
    opened.set_script_timeout(240)  # axe on a busy machine
    return opened


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One browser for all tests of a process."""
    driver = open_browser()
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's script, from `npm install --no-save axe-core` in the repository, or where AXE_CORE says."""
    path = Path(os.environ.get("AXE_CORE", REPO / "node_modules" / "axe-core" / "axe.min.js"))
    if not path.is_file():
        pytest.skip(f"{path}: no axe-core here; `npm install --no-save axe-core` brings it, or set AXE_CORE")
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A synthetic run whose MathVista has real pictures and a hostile question."""
    run = tmp_path_factory.mktemp("browser") / "test"
    write_run(run, 12)
    path = run / "problems" / "mathvista" / "test.parquet"
    rows = pq.read_table(path).to_pylist()
    for k, row in enumerate(rows):
        buffer = io.BytesIO()
        Image.new("RGB", (90, 60), (20 * k, 80, 120)).save(buffer, "PNG")
        row["decoded_image"] = {"bytes": buffer.getvalue(), "path": None}
    rows[0]["question"] = QUESTION
    pq.write_table(pa.Table.from_pylist(rows), path)
    settings = ReportSettings(length_bins=[40, 80], bootstrap_draws=100, classes={})
    return Results.load(run, arm_infos(), settings, comparable=False)


@pytest.fixture(scope="session")
def report(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its report."""
    folder = tmp_path_factory.mktemp("report")
    make_figures(results, folder / "figures", ["figure1", "graders"])
    config = load(REPO / "config" / "micro.yaml")
    make_report(results, folder / "report", folder / "figures", f"run: {HOSTILE}\n", config)
    return folder / "report"


class Page:
    """What the tests do with a page of the report."""

    def __init__(self, driver: Any, report: Path) -> None:
        self.driver, self.report = driver, report

    def open(self, address: str, *, size: tuple[int, int] = WIDE, dark: bool = False) -> None:
        """Open a page anew, in a window of this size and this colour scheme."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.get("about:blank")  # so that another fragment loads the page again
        self.driver.get_log("browser")
        self.driver.get(f"{self.report.as_uri()}/{address}")
        # Two frames: by then the window's size and scheme are those of the layout.
        self.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, script: str, *arguments: Any) -> Any:
        """What a script returns once that is true."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, 120).until(
            lambda driver: driver.execute_script(script, *arguments), f"never true: {script}"
        )

    def all(self, selector: str) -> list[Any]:
        """Elements by their CSS selector."""
        found: list[Any] = self.driver.find_elements("css selector", selector)
        return found

    def one(self, selector: str) -> Any:
        """The first element by its CSS selector."""
        return self.driver.find_element("css selector", selector)

    def keys(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def choose(self, selector: str, value: str) -> None:
        """Choose an option by its value."""
        from selenium.webdriver.support.ui import Select

        Select(self.one(selector)).select_by_value(value)

    def complaints(self) -> list[str]:
        """What the browser's console holds: errors and breaches of the policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture
def page(browser: Any, report: Path) -> Page:
    """The report in the browser."""
    return Page(browser, report)
