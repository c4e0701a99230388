"""The report as a reader has it: opened from a disk, in Chromium."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import PHONE, QUESTION, WIDE, Page  # type: ignore[attr-defined]
from synthetic_run import HOSTILE

from vr1repro.core.jsonl import read
from vr1repro.core.records import Response
from vr1repro.reporting.lineage.sources import Sources
from vr1repro.reporting.page.build import PAGES, input_hashes
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.run.words import count_words

pytestmark = pytest.mark.slow
LIST = "#list .item"
READY = "return document.querySelectorAll('#list .item').length > 0 && document.querySelector('.trace h2') !== null"


def count(page: Page) -> int:
    """How many responses the explorer says it found, once it is done searching."""
    page.wait("return /^[\\d,]+ (of|response)/.test(document.getElementById('count').textContent)")
    text = page.wait("const t = document.getElementById('count').textContent; return t.includes('so far') ? '' : t")
    return int(text.split()[0].replace(",", ""))


@pytest.mark.parametrize("name", PAGES)
def test_it_opens_from_a_disk_without_a_complaint(page: Page, name: str) -> None:
    page.open(f"{name}.html")
    if name == "traces":
        page.wait(READY)
    assert page.one("h1").get_attribute("textContent")
    assert page.complaints() == []
    loaded = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert all(address.startswith("file://") for address in loaded)


@pytest.mark.parametrize(("name", "size", "dark"), itertools.product(PAGES, (WIDE, PHONE), (False, True)))
def test_axe_finds_nothing_serious(page: Page, axe: str, name: str, size: tuple[int, int], dark: bool) -> None:
    page.open(f"{name}.html", size=size, dark=dark)
    if name == "traces":
        page.wait(READY)
    assert serious(page, axe) == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("address", ["index.html#number=ci:accuracy", "traces.html#open=ci_s1/mathvista/single/e1/1"])
def test_axe_finds_nothing_serious_in_what_opens(page: Page, axe: str, address: str, dark: bool) -> None:
    page.open(address, size=PHONE if "traces" in address else WIDE, dark=dark)
    page.wait("return document.querySelector('dialog[open] .facts, .explorer.open .trace h2')")
    assert serious(page, axe) == []


def serious(page: Page, axe: str) -> list[tuple[str, list[str]]]:
    page.run(axe)
    found = page.driver.execute_async_script(
        "const done = arguments[0]; axe.run({ resultTypes: ['violations'] })"
        ".then((found) => done(found.violations), (error) => done(String(error)))"
    )
    assert isinstance(found, list), found
    return [
        (item["id"], [node["html"][:150] for node in item["nodes"][:3]])
        for item in found
        if item["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_scrolls_in_one_direction_only(page: Page, name: str) -> None:
    page.open(f"{name}.html", size=PHONE)
    assert page.run("return document.documentElement.scrollWidth") <= PHONE[0]


def test_the_first_tables_numbers_are_in_sight_on_a_phone(page: Page) -> None:
    page.open("index.html", size=PHONE)
    edges = page.run(
        "return [...document.querySelectorAll('.arms td')].map((cell) => cell.getBoundingClientRect().right)"
    )
    assert edges
    assert max(edges) <= PHONE[0]


def test_the_scheme_is_the_readers(page: Page) -> None:
    colours = []
    for dark in (False, True):
        page.open("index.html", dark=dark)
        colours.append(page.run("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"))
    light, dark_colour = (sum(colour) for colour in colours)
    assert light > 700
    assert dark_colour < 120


# Filters, and what the results say that they must find.
FILTERS: dict[str, Callable[[Any], Any]] = {
    "": lambda rows: rows["final"],
    "step=all": lambda rows: rows["final"] | True,
    "step=way": lambda rows: ~rows["final"],
    "arm=zero": lambda rows: rows["final"] & (rows["arm"] == "zero"),
    "benchmark=mmmath&verdict=wrong": lambda rows: (
        rows["final"] & (rows["benchmark"] == "mmmath") & (rows["verdict"] == "wrong")
    ),
    "length=40-80": lambda rows: rows["final"] & (rows["n_tokens"] > 40) & (rows["n_tokens"] <= 80),
    "length=80%2B&arm=ci": lambda rows: rows["final"] & (rows["n_tokens"] > 80) & (rows["arm"] == "ci"),
    "length=cut": lambda rows: rows["final"] & (rows["finish_reason"] == "length"),
}


@pytest.mark.parametrize("fragment", FILTERS)
def test_filters_count_as_the_results_do(page: Page, results: Results, fragment: str) -> None:
    page.open(f"traces.html#{fragment}")
    assert count(page) == int(FILTERS[fragment](results.headline).sum())


def test_filters_by_hand_write_the_address_and_back_undoes_an_open_response(page: Page, results: Results) -> None:
    page.open("traces.html")
    page.wait(READY)
    page.choose("#f-profile", "strict")
    page.choose("#f-verdict", "right")
    page.choose("#f-arm", "vision-r1")
    page.wait("return location.hash === '#arm=vision-r1&verdict=right&profile=strict'")
    rows = results.frame[results.frame["final"] & (results.frame["profile"] == "strict")]
    assert count(page) == int(((rows["arm"] == "vision-r1") & (rows["verdict"] == "right")).sum())
    page.all(LIST)[2].click()
    page.wait("return location.hash.includes('open=')")
    page.driver.back()
    page.wait("return !location.hash.includes('open=')")
    assert page.one("#f-verdict").get_attribute("value") == "right"
    page.one("button[type=reset]").click()
    page.wait("return location.hash === ''")
    assert count(page) == int(results.headline["final"].sum())


def test_profiles_that_disagree_are_found(page: Page, results: Results) -> None:
    wide = results.frame[results.frame["final"]].pivot_table(
        index=["model", "benchmark", "eval_seed", "id"], columns="profile", values="verdict", aggfunc="first"
    )
    expected = int((wide["rule"] != wide["strict"]).sum())
    assert expected > 0
    page.open("traces.html#verdict=disagree")
    page.wait(READY)
    assert count(page) == expected
    assert [cell.text for cell in page.all(".profiles tbody td:nth-child(2)")] == ["right", "wrong"]


def test_the_search_reads_questions_and_responses(page: Page, results: Results) -> None:
    page.open("traces.html")
    page.wait(READY)
    everything = count(page)
    search = page.one("#f-q")
    search.send_keys("THE BARS")  # one question of MathVista
    page.wait("return location.hash.includes('q=')")
    ends = results.headline[results.headline["final"] & (results.headline["benchmark"] == "mathvista")]
    assert count(page) == int((ends["id"] == "1").sum())
    search.clear()
    search.send_keys("alert('x')")  # in every response, in no question
    page.wait("return location.hash.includes('alert')")
    assert count(page) == everything
    search.clear()
    search.send_keys("nowhere at all")
    page.wait("return location.hash.includes('nowhere')")
    assert count(page) == 0
    assert page.all(LIST) == []


def test_text_from_data_is_inert_and_whole(page: Page, results: Results, report: Path) -> None:
    page.open("traces.html#open=ci_s1/mathvista/single/e1/1")
    page.wait(READY)
    path = results.run / "eval" / "ci_s1" / "mathvista" / "single" / "e1" / "responses.jsonl"
    response = next(row for row in read(path, Response) if row.id == "1")
    assert page.one(".response").get_attribute("textContent") == response.response
    assert HOSTILE in response.response
    assert page.one(".question").get_attribute("textContent") == QUESTION
    assert page.all(".trace script, .response b, .question img") == []
    assert page.run("return window.hacked") is None
    for name in PAGES:
        page.open(f"{name}.html")
        assert page.run("return window.hacked") is None
    page.open("provenance.html")
    assert HOSTILE in page.one("pre").get_attribute("textContent")


def test_a_response_shows_its_words_picture_and_verdicts(page: Page, results: Results) -> None:
    page.open("traces.html#open=zero_s1/mathvista/single/e2/2")
    page.wait(READY)
    path = results.run / "eval" / "zero_s1" / "mathvista" / "single" / "e2" / "responses.jsonl"
    response = next(row for row in read(path, Response) if row.id == "2")
    marked = [mark.text for mark in page.all(".response mark")]
    assert len(marked) == sum(count_words(response.response, results.settings.words).values()) > 0
    assert page.wait("const i = document.querySelector('.picture img'); return i.complete && i.naturalWidth") == 90
    assert [row.text.split()[0] for row in page.all(".profiles tbody tr")] == ["rule", "strict"]
    assert str(response.n_tokens) in page.one(".trace h2 + p").text
    # Every answer to the question is a click away; this one is marked.
    assert len(page.all(".trace .samples [aria-current]")) == 1
    page.all(".trace .samples .o-right, .trace .samples .o-wrong")[0].click()
    page.wait("return !location.hash.includes('zero_s1')")
    assert page.one(".trace h2").text.startswith("Base")


def test_an_address_that_leads_nowhere_says_so(page: Page) -> None:
    page.open("traces.html#open=ci_s1/mathvista/single/e1/none")
    page.wait("return document.getElementById('count').textContent.includes('is not here')")


def test_it_works_by_keyboard_alone(page: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    page.open("traces.html", size=PHONE)
    page.wait("return document.querySelectorAll('#list .item').length > 0 && location.hash === ''")
    for _ in range(40):
        page.keys(Keys.TAB)
        if page.run("return document.activeElement.id") == "list":
            break
    page.keys(Keys.HOME, Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    active = page.wait("return document.getElementById('list').getAttribute('aria-activedescendant')")
    assert page.run("return document.getElementById(arguments[0]).getAttribute('aria-selected')", active) == "true"
    assert page.run("return document.getElementById(arguments[0]).getAttribute('aria-posinset')", active) == "3"
    page.keys(Keys.END)
    last = page.wait("return document.getElementById(document.activeElement.getAttribute('aria-activedescendant'))")
    assert last.get_attribute("aria-posinset") == last.get_attribute("aria-setsize")
    page.keys(Keys.ENTER)
    page.wait("return document.activeElement.id === 'trace'")
    assert not page.one("#list").is_displayed()  # a phone shows one of the two
    page.one(".back").send_keys(Keys.ENTER)
    page.wait("return document.activeElement.id === 'list'")


def test_a_number_shows_what_it_came_from(page: Page, results: Results) -> None:
    from selenium.webdriver.common.keys import Keys

    page.open("tables.html")
    button = page.one("[data-number='T1:Vision-R1-7B:MathVista']")
    button.send_keys(Keys.ENTER)
    text = page.wait("const b = document.querySelector('dialog[open] #number-body'); return b && b.textContent")
    hashes = input_hashes(Sources(results))
    for seed in (1, 2):
        name = f"eval/vision-r1_s1/mathvista/single/e{seed}/responses.jsonl"
        assert f"{name} {hashes[name]}" in text
    assert page.run("return location.hash").startswith("#number=T1")
    page.keys(Keys.ESCAPE)
    page.wait("return !document.querySelector('dialog').open && location.hash === ''")
    assert page.run("return document.activeElement.dataset.number") == "T1:Vision-R1-7B:MathVista"
    button.click()
    page.wait("return document.querySelector('dialog[open] #number-body a')").click()
    page.wait(READY)
    ends = results.headline[results.headline["final"]]
    assert count(page) == int(((ends["arm"] == "vision-r1") & (ends["benchmark"] == "mathvista")).sum())


def test_claims_are_filtered_by_verdict_class_and_words(page: Page) -> None:
    visible = "return [...document.querySelectorAll('#numbers tbody tr')].filter((row) => !row.hidden).length"
    page.open("index.html")
    assert page.run(visible) == 162  # the claims
    page.choose("[data-key=class]", "")
    assert page.run(visible) == 698
    page.choose("[data-key=class]", "setting")
    settings = page.run(visible)
    buttons = {
        button.get_attribute("data-value"): button for button in page.all("button.chip") if button.is_displayed()
    }
    counts = {name: int(button.find_element("class name", "count").text) for name, button in buttons.items()}
    assert sum(counts.values()) == settings
    buttons["differs"].click()
    assert page.run(visible) == counts["differs"] > 0
    address = page.run("return location.hash")
    page.open(f"index.html{address}")
    assert page.run(visible) == counts["differs"]
    page.open("index.html#class=&q=mm-math")
    assert 0 < page.run(visible) < 698


def test_the_policy_holds(page: Page) -> None:
    page.open("index.html")
    with pytest.raises(Exception, match="TrustedHTML"):
        page.run("document.body.innerHTML = '<b>x</b>'")
    blocked = page.driver.execute_async_script(
        "const done = arguments[0]; document.addEventListener('securitypolicyviolation',"
        " (event) => done(event.effectiveDirective)); fetch('http://127.0.0.1:9/').catch(() => {})"
    )
    assert blocked == "connect-src"
    with pytest.raises(Exception, match="not a data script"):
        page.run("return vr1.data('../../elsewhere')")


def test_missing_data_is_said_to_be_missing(page: Page, report: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(report, tmp_path / "report")
    (tmp_path / "report" / "data" / "responses-0.js").unlink()
    (tmp_path / "report" / "data" / "numbers.js").write_text("vr1.load(", encoding="utf-8")
    broken = Page(page.driver, tmp_path / "report")
    broken.open("traces.html")
    broken.wait("return document.getElementById('trace').textContent.includes('responses-0.js is missing')")
    broken.open("index.html#number=ci:accuracy")
    broken.wait("return document.getElementById('number-body').textContent.includes('numbers.js is missing')")
