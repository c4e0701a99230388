"""The report with 50 000 responses: how long until a browser paints it, lists them, filters them, has searched them.

    python bench/report_page.py --responses 50000 --out /tmp/report [--record results/reference/bench]

Makes a synthetic run (ten arms, one picture a question, responses of 2000 characters in the median) through the real
records, its report through the real code, and opens that from file:// in Debian's Chromium, without a head and with a
fresh profile each time. Browser and driver are kept to `--cores` cores. Times are the browser's own clock, from the
start of the navigation. Needs the Debian packages chromium and chromium-driver, and selenium (extra `test`).
"""

import argparse
import io
import json
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from vr1repro.config.loader import load as load_config
from vr1repro.config.reporting import ReportSettings
from vr1repro.core.files import write_atomically
from vr1repro.core.jsonl import write_rows
from vr1repro.core.provenance import made
from vr1repro.core.records import Response, Verdict
from vr1repro.reporting.page.build import PAGES, make_report
from vr1repro.reporting.run.results import Results

ARMS, SEEDS = 10, 5
OUTCOMES = ("right", "wrong", "unparsable", "timeout", "judge_error")
TEXT = "we have the angle of a bar that is equal to x and y so wait let me check this sum again hmm"
WORDS = TEXT.split()
# Runs before the page's own scripts: notes when the list of responses has its first rows.
WATCH = """
new MutationObserver((_, observer) => {
  if (!document.querySelector('#list .item')) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => { window.listed = performance.now(); }));
}).observe(document, { childList: true, subtree: true });
"""
PAINT = "const [p] = performance.getEntriesByName('first-contentful-paint'); return p ? p.startTime : null"
DONE = "return /response(?!.*so far)/.test(document.getElementById('count').textContent)"


def questions(n: int) -> Iterator[dict[str, Any]]:
    """MathVista's columns, a picture of noise each."""
    rng = random.Random(1)
    for k in range(n):
        buffer = io.BytesIO()
        Image.frombytes("L", (120, 80), rng.randbytes(9600)).save(buffer, "PNG")
        yield {
            "pid": str(k + 1),
            "question": f"question {k}: " + " ".join(rng.choices(WORDS, k=40)),
            "answer": str(k % 10),
            "decoded_image": {"bytes": buffer.getvalue(), "path": None},
            "question_type": "free_form",
            "answer_type": "integer",
            "metadata": {
                **dict.fromkeys(("category", "context", "grade", "language", "source", "split"), "bench"),
                "task": "figure question answering",
                "skills": ["arithmetic reasoning"],
            },
        }


def write_run(run: Path, responses: int, characters: int) -> None:
    """A run with so many responses of ten arms to one benchmark, graded under two profiles."""
    n = responses // (ARMS * SEEDS)
    (run / "problems" / "mathvista").mkdir(parents=True)
    table = pa.Table.from_pylist(list(questions(n)))
    pq.write_table(table, run / "problems" / "mathvista" / "testmini.parquet")
    rng = random.Random(2)
    for arm in range(ARMS):
        for seed in range(1, SEEDS + 1):
            model = f"arm{arm}_s1"
            rows, verdicts = [], []
            for k in range(n):
                length = int(characters * rng.lognormvariate(0, 0.7))
                text = " ".join(rng.choices(WORDS, k=length // 4))
                rows.append(
                    Response(
                        run="bench", model=model, eval_seed=seed, protocol="single", benchmark="mathvista",
                        id=str(k + 1), prompt_sha="0" * 64, n_tokens=length // 4, finish_reason="stop",
                        response=f"<think>{text}</think><answer> Final Answer:{k % 7} </answer>",
                    )
                )  # fmt: skip
                verdicts.append(Verdict(id=str(k + 1), extraction=str(k % 7), verdict=rng.choice(OUTCOMES)))
            folder = run / "eval" / model / "mathvista" / "single" / f"e{seed}"
            write_rows(folder / "responses.jsonl", rows)
            for profile in ("rule", "strict"):
                write_rows(folder / "verdicts" / f"{profile}.jsonl", verdicts)


def opened(address: str, cores: int) -> webdriver.Chrome:
    """A fresh browser on a page, kept to some cores."""
    options = Options()
    options.binary_location = str(shutil.which("chromium"))
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    for argument in ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", *sandbox]:
        options.add_argument(argument)
    everyone = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(everyone)[:cores])  # children inherit it
    try:
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    finally:
        os.sched_setaffinity(0, everyone)
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    driver.get(address)
    return driver


def until(driver: webdriver.Chrome, script: str, seconds: float = 120) -> Any:
    """What a script returns once that is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := driver.execute_script(script):
            return value
        time.sleep(0.02)
    raise TimeoutError(script)


def measure(report: Path, cores: int) -> dict[str, float]:
    """Milliseconds of one cold opening of every page, and of what a reader does with the responses."""
    found: dict[str, float] = {}
    for name in PAGES:
        driver = opened(f"{report.as_uri()}/{name}.html", cores)
        try:
            found[f"{name}: first contentful paint"] = until(driver, PAINT)
            if name == "traces":
                found["traces: first rows listed"] = until(driver, "return window.listed")
                until(driver, DONE)
                found |= use(driver)
        finally:
            driver.quit()
    return found


def use(driver: webdriver.Chrome) -> dict[str, float]:
    """A filter, an open response, and a search through every text."""
    script = """
      const [id, value, test] = arguments, done = arguments[arguments.length - 1];
      const before = document.getElementById('count').textContent, start = performance.now();
      const input = document.getElementById(id);
      input.value = value;
      input.dispatchEvent(new Event('input', { bubbles: true }));
      const look = () => {
        const text = document.getElementById('count').textContent;
        if (text === before || text.includes('so far')) requestAnimationFrame(look);
        else done(performance.now() - start);
      };
      look();
    """
    driver.set_script_timeout(120)
    found = {"traces: filter by verdict": driver.execute_async_script(script, "f-verdict", "wrong")}
    driver.execute_async_script(script, "f-verdict", "")
    found["traces: search every text"] = driver.execute_async_script(script, "f-q", "nowhere to be found")
    return found


def main() -> None:
    """Make, open, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--responses", type=int, default=50_000)
    parser.add_argument("--characters", type=int, default=2000, help="Median characters of a response.")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True, help="An empty or new folder.")
    parser.add_argument("--record", type=Path, help="Folder for report-page.json.")
    wishes = parser.parse_args()

    run, report = wishes.out / "run", wishes.out / "report"
    write_run(run, wishes.responses, wishes.characters)
    config = load_config(Path(__file__).resolve().parent.parent / "config" / "micro.yaml")
    started = time.perf_counter()
    results = Results.load(run, {}, ReportSettings(), comparable=False)
    make_report(results, report, wishes.out, "", config)
    seconds = time.perf_counter() - started
    sizes = {path.name: path.stat().st_size for path in (report / "data").iterdir()}

    load_before = os.getloadavg()[0]
    times = [measure(report, wishes.cores) for _ in range(wishes.repeats)]
    median = {name: round(statistics.median(one[name] for one in times)) for name in times[0]}
    worst = {name: round(max(one[name] for one in times)) for name in times[0]}
    version = subprocess.run(["chromium", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    record = {
        "responses": wishes.responses,
        "median_characters": wishes.characters,
        "cores": wishes.cores,
        "repeats": wishes.repeats,
        "milliseconds_median": median,
        "milliseconds_worst": worst,
        "making_s": round(seconds, 1),
        "making_peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "index_bytes": sizes["traces.js"],
        "data_bytes": sum(sizes.values()),
        "chunks": sum(name.startswith("responses-") for name in sizes),
        "machine_load_before": round(load_before, 2),
        "browser": version,
        "kernel": platform.release(),
        "made": made(),
    }
    text = json.dumps(record, indent=2, sort_keys=True) + "\n"
    print(text)
    if wishes.record:
        write_atomically(wishes.record / "report-page.json", text)


if __name__ == "__main__":
    main()
