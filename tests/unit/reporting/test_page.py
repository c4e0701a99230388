"""The page: whole, escaped, loading nothing, and honest about what is missing."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from synthetic_run import HOSTILE, arm_infos

from vr1repro.config.reporting import ReportSettings
from vr1repro.config.run import Config
from vr1repro.reporting.build import make_figures, make_report, summary
from vr1repro.reporting.comparison import MICRO_NOTE
from vr1repro.reporting.page import coverage, gains, input_hashes
from vr1repro.reporting.results import Results


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
def html(results: Results, config: Config, run: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    (run / "models" / "lab").mkdir(parents=True, exist_ok=True)
    reading = {"pictures": 200, "pictures_right": 0.985, "values_right": 0.995, "by_family": {"bars": 0.98}}
    (run / "models" / "lab" / "reading.json").write_text(json.dumps(reading), encoding="utf-8")
    make_figures(results, folder / "figures", ["figure1"])
    path = folder / "report" / "index.html"
    make_report(results, path, folder / "figures", "run: <b>test</b>\n", config, links={"Tables": "../tables/"})
    return path.read_text(encoding="utf-8")


def test_it_is_well_formed_and_says_what_it_must(html: str) -> None:
    page = Reader(html)
    assert page.open == []
    text = " ".join(page.text)
    assert MICRO_NOTE[1:] in text
    assert "162" in text
    assert "98.5 % of 200 held-out pictures" in text
    assert "20 of 30 problems kept" in text
    assert "Third stage: not evaluated; snakemake vision-r1-stage3" in text
    assert "classes was not drawn" in text
    assert sum(tag == "img" for tag, _ in page.tags) == 1
    assert all(attributes.get("alt") for tag, attributes in page.tags if tag == "img")


def test_every_published_number_is_in_it(html: str) -> None:
    rows = [attributes for tag, attributes in Reader(html).tags if tag == "tr" and "data-class" in attributes]
    assert len(rows) == 649


def test_responses_and_config_are_inert(html: str) -> None:
    page = Reader(html)
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert HOSTILE not in html
    assert "&lt;script&gt;alert(" in html
    assert "run: &lt;b&gt;test&lt;/b&gt;" in html
    assert ("mark", {}) in page.tags


def test_it_can_load_nothing(html: str) -> None:
    page = Reader(html)
    for tag, attributes in page.tags:
        for name in ("src", "href", "action", "srcset", "poster"):
            target = attributes.get(name) or ""
            assert "//" not in target.partition("base64,")[0], (tag, target)
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "object", "embed", "form")]
    policy = next(a["content"] or "" for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    for kind in ("script", "style"):
        content = re.search(rf"<{kind}>(.*?)</{kind}>", html, re.DOTALL)
        assert content is not None
        digest = base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert not [a for _, a in page.tags if "style" in a or any(name.startswith("on") for name in a)]


def test_gains_say_over_what(results: Results) -> None:
    found = {gain.arm: gain for gain in gains(results)}
    assert found["Vision-R1-Zero"].start == "Base"
    assert found["Vision-R1"].start == "Vision-R1-CI"
    assert found["Vision-R1-CI"].start == "Base"
    best = found["Vision-R1"]
    assert best.estimate.low > 0
    assert best.low_seed == pytest.approx(best.estimate.value)  # one training seed: the range is a point
    assert best.seeds == 1


def test_hashes_of_all_inputs(run: Path) -> None:
    hashes = input_hashes(run)
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
    assert "Vision-R1-Zero: 5 of 12 questions of mmmath" in notes
    assert "Vision-R1-Long: no mathvista" in notes


def test_a_run_with_nothing_in_it_still_has_a_page(config: Config, tmp_path: Path) -> None:
    results = Results.load(tmp_path / "none", arm_infos(), ReportSettings(), comparable=True)
    make_report(results, tmp_path / "index.html", tmp_path, "", config)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
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
