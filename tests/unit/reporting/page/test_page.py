"""The report's pages: whole, escaped, loading nothing from elsewhere, and honest about what is missing."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from synthetic_run import HOSTILE, arm_infos

from vr1repro.config.reporting import ReportSettings
from vr1repro.config.run import Config
from vr1repro.core.errors import UserError
from vr1repro.published import ValueClass, load_values
from vr1repro.reporting.claims.overview import arm_summaries, coverage
from vr1repro.reporting.figures.build import make_figures
from vr1repro.reporting.lineage.making import made_here
from vr1repro.reporting.lineage.sources import Sources
from vr1repro.reporting.page.build import PAGES, input_hashes, make_report, summary
from vr1repro.reporting.page.samples import choose
from vr1repro.reporting.page.strips import strips
from vr1repro.reporting.redraw import redraw
from vr1repro.reporting.run.results import MICRO_NOTE, Results
from vr1repro.reporting.statistics.estimate import Estimate


class Reader(HTMLParser):
    """Tags, attributes and text of a page; unbalanced tags are an error."""

    VOID = frozenset({"meta", "img", "br", "input", "link"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def report(results: Results, config: Config, run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    (run / "models" / "lab").mkdir(parents=True, exist_ok=True)
    reading = {"pictures": 200, "pictures_right": 0.985, "values_right": 0.995, "by_family": {"bars": 0.98}}
    (run / "models" / "lab" / "reading.json").write_text(json.dumps(reading), encoding="utf-8")
    make_figures(results, folder / "figures", ["figure1"])
    text = "run: <b>test</b>\n"
    make_report(results, folder / "report", folder / "figures", text, config, links={"Tables": "../tables/"})
    return folder / "report"


@pytest.fixture(scope="module")
def pages(report: Path) -> dict[str, Reader]:
    return {path.stem: Reader(path.read_text(encoding="utf-8")) for path in report.glob("*.html")}


def test_a_source_date_is_the_time_of_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert made_here()["at"] == "2023-11-14T22:13:20+00:00"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(UserError, match="SOURCE_DATE_EPOCH: 'yesterday' is no number of seconds"):
        redraw(tmp_path, tmp_path / "out")


def test_they_are_well_formed_and_say_what_they_must(pages: dict[str, Reader]) -> None:
    assert pages.keys() == PAGES.keys()
    for page in pages.values():
        assert page.open == []
        assert MICRO_NOTE[1:] in " ".join(page.text)
    text = " ".join(pages["index"].text)
    assert "224 of the 698 are claims" in text
    assert "98.5 % of 200 held-out pictures" in text
    assert "20 of 30 problems kept" in text
    assert "Third stage: not evaluated; snakemake vision-r1-stage3" in text
    assert "classes was not drawn" in " ".join(pages["figures"].text)
    assert re.search(r"made from \d+ files, together SHA-256", " ".join(pages["figures"].text))
    images = [attributes for tag, attributes in pages["figures"].tags if tag == "img"]
    assert [image["src"] for image in images] == ["figures/figure1.svg"]
    assert all(image["alt"] for image in images)


def test_what_the_paper_is_quoted_for_stands_before_all_else(pages: dict[str, Reader]) -> None:
    text = " ".join(" ".join(pages["index"].text).split())
    first = text.partition("Every published number")[0]
    assert "gap to OpenAI O1" in first
    assert "average over math benchmarks" in first
    quotes = [value.value for value in load_values() if value.value_class is ValueClass.PHENOMENON]
    assert all(str(quote) in first for quote in quotes)
    assert first.count("cannot tell") + first.count("cannot be shown here") == len(quotes)  # it has one training seed
    assert "Words of Table 4 under each counting rule" in " ".join(pages["tables"].text)
    assert "Range of seeds" in " ".join(pages["tables"].text)


def test_every_published_number_is_in_it(pages: dict[str, Reader]) -> None:
    rows = [attributes for tag, attributes in pages["index"].tags if tag == "tr" and "data-class" in attributes]
    assert len(rows) == 698


def test_every_number_that_can_be_clicked_has_its_sources(report: Path, pages: dict[str, Reader]) -> None:
    text = (report / "data" / "numbers.js").read_text(encoding="ascii")
    known = json.loads(text[text.index(",") + 1 : -3])["numbers"]
    clicked = {a["data-number"] for page in pages.values() for _, a in page.tags if "data-number" in a}
    assert len(clicked) > 100
    assert clicked <= known.keys()


def test_responses_and_config_are_inert(report: Path, pages: dict[str, Reader]) -> None:
    for name, page in pages.items():
        scripts = [attributes.get("src") or "" for tag, attributes in page.tags if tag == "script"]
        assert all(re.fullmatch(r"assets/[a-z]+\.js", source) for source in scripts), name
        assert HOSTILE not in (report / f"{name}.html").read_text(encoding="utf-8")
    assert "run: <b>test</b>" in " ".join(pages["provenance"].text)
    for path in (report / "data").iterdir():
        assert "<" not in path.read_text(encoding="ascii")


def test_they_can_load_nothing_from_elsewhere(report: Path, pages: dict[str, Reader]) -> None:
    for page in pages.values():
        for tag, attributes in page.tags:
            for name in ("src", "href", "action", "srcset", "poster"):
                target = attributes.get(name) or ""
                assert "//" not in target, (tag, target)
                if target and (name == "src" or tag == "link"):
                    assert (report / target).is_file(), target
        assert not [tag for tag, _ in page.tags if tag in ("iframe", "object", "embed", "style")]
        policy = next(a["content"] or "" for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert not [a for _, a in page.tags if "style" in a or any(name.startswith("on") for name in a)]
    assert not re.search(r"https?://|innerHTML|eval\(", "".join(p.read_text() for p in (report / "assets").iterdir()))


def test_made_again_it_leaves_nothing_behind(results: Results, config: Config, tmp_path: Path) -> None:
    for old in ("data/responses-99.js", "pictures/old.png"):
        (tmp_path / "report" / old).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "report" / old).write_text("old")
    make_report(results, tmp_path / "report", tmp_path, "", config)
    assert (tmp_path / "report" / "index.html").exists()
    assert not (tmp_path / "report" / "data" / "responses-99.js").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_folder_of_other_things_is_not_replaced(results: Results, config: Config, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match=r"holds thesis\.tex"):
        make_report(results, tmp_path, tmp_path, "", config)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_samples_are_the_same_questions_for_every_arm(results: Results) -> None:
    found = choose(results)
    assert list(found) == results.evaluated
    assert {len(chosen) for chosen in found.values()} == {results.settings.samples}
    assert len({tuple((s.benchmark, s.id) for s in chosen) for chosen in found.values()}) == 1
    assert found["ci"][0].address.startswith(f"ci_s1/{found['ci'][0].benchmark}/single/e1/")


def test_strips_keep_their_order() -> None:
    one = Estimate(value=52.0, n=10, clusters=5, stderr=1.0, low=45.0, high=59.0, method="test")
    drawn = strips(
        [
            (one, (50.0, 54.0)),
            (
                Estimate(
                    value=60.0, n=1, clusters=1, stderr=float("nan"), low=float("nan"), high=float("nan"), method="test"
                ),
                (),
            ),
        ]
    )
    strip = drawn.rows[0]
    assert strip.low < strip.seeds[0] < strip.value < strip.seeds[1] < strip.high
    assert [tick for tick, _ in drawn.ticks] == [40, 50, 60]
    assert strips([]).rows == ()


def test_gains_say_over_what(results: Results) -> None:
    gains = {arm.label: arm.gain for arm in arm_summaries(results)}
    starts = {label: gain.start for label, gain in gains.items() if gain is not None}
    assert starts["Vision-R1-Zero"] == "Base"
    assert starts["Vision-R1"] == "Vision-R1-CI"
    assert starts["Vision-R1-CI"] == "Base"
    assert "Base" not in starts
    best = gains["Vision-R1"]
    assert best is not None
    assert best.estimate.low > 0
    assert best.low_seed == pytest.approx(best.estimate.value)  # one training seed: the range is a point
    assert best.seeds == 1


def test_hashes_of_all_inputs(results: Results) -> None:
    hashes = input_hashes(Sources(results))
    assert "eval/ci_s1/mathvista/single/e1/responses.jsonl" in hashes
    assert "train/zero/s1/stage1/steps.jsonl" in hashes
    assert all(len(value) == 64 for value in hashes.values())


def test_half_a_benchmark_is_named(fresh_run: Callable[..., Path], settings: ReportSettings) -> None:
    run = fresh_run()
    path = run / "eval" / "zero_s1" / "mmmath" / "single" / "e2" / "verdicts" / "rule.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:5]))
    for folder in (run / "eval" / "long_s1" / "mathvista" / "single").iterdir():
        (folder / "verdicts" / "rule.jsonl").unlink()
    notes = coverage(Results.load(run, arm_infos(), settings, comparable=True))
    assert "Vision-R1-Zero: 5 of 5929 questions of MM-Math" in notes
    assert "Vision-R1-Long: no mathvista" in notes


def test_a_run_with_nothing_in_it_still_has_a_page(config: Config, tmp_path: Path) -> None:
    results = Results.load(tmp_path / "none", arm_infos(), ReportSettings(), comparable=True)
    make_report(results, tmp_path / "report", tmp_path, "", config)
    text = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "Vision-R1-Long: not evaluated" in text
    assert "not run" in text
    assert MICRO_NOTE not in text


def test_another_profile_is_pointed_out(run: Path) -> None:
    results = Results.load(run, arm_infos(), ReportSettings(profile="official"), comparable=True)
    assert any("profile official; others exist" in note for note in coverage(results))


def test_summary_for_the_terminal(results: Results) -> None:
    rows = [json.loads(line) for line in summary(results).splitlines()]
    assert [row["arm"] for row in rows][:3] == ["base", "ci", "zero"]
    assert rows[0]["accuracy_%"]["low"] < rows[0]["accuracy_%"]["value"] < rows[0]["accuracy_%"]["high"]
