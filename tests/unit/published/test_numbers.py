"""The committed list of published numbers: complete, stable, classified, and its arithmetic checked."""

import json
from collections import Counter
from pathlib import Path

import pytest

from vr1repro.benchmarks import lookup
from vr1repro.core.errors import UserError
from vr1repro.published import Formula, PublishedValue, Status, ValueClass, disagreements, load_values, table_values
from vr1repro.published import build as building
from vr1repro.published.build import build, classify, dump, further_facts, identify
from vr1repro.published.targets import target, target_for
from vr1repro.published.values import compute
from vr1repro.reporting.run.questions import subset_name

BY_ID = {value.id: value for value in load_values()}


@pytest.fixture(scope="module")
def facts(repo: Path) -> Path:
    path = repo.parent / "shared" / "paper" / "published.json"
    if not path.exists():
        pytest.skip("the list of facts that numbers.json was made from is not here")
    return path


def test_nothing_is_dropped_and_ids_are_unique() -> None:
    assert len(load_values()) == 698
    assert len(BY_ID) == 698
    assert all(value.source for value in load_values())


def test_the_committed_file_is_what_the_rules_make_of_the_facts(facts: Path) -> None:
    rows = json.loads(facts.read_text(encoding="utf-8"))
    committed = Path(building.__file__).with_name("numbers.json").read_text(encoding="utf-8")
    assert dump(build([*rows, *further_facts()])) == committed
    values = load_values()
    assert [r["value"] for r in rows] == [value.value for value in values[: len(rows)]]
    changed = {value.id for r, value in zip(rows, values, strict=False) if r["source"] != value.source}
    assert changed == {
        f"third-party.mathvista-reference.math-llava-13b.mathvista.{skill}.accuracy-pct" for skill in ("alg", "ari")
    }


def test_the_committed_facts_are_in_the_committed_file() -> None:
    facts = further_facts()
    assert [(fact["value"], fact["source"]) for fact in facts] == [(v.value, v.source) for v in load_values()[-49:]]
    assert len(facts) == 49


def test_classes() -> None:
    counts = Counter(value.value_class for value in load_values())
    assert counts == {
        ValueClass.CLAIM: 162,
        ValueClass.DERIVED: 107,
        ValueClass.SETTING: 60,
        ValueClass.QUOTED_BASELINE: 255,
        ValueClass.DIGITISED: 101,
        ValueClass.PHENOMENON: 11,
        ValueClass.EXAMPLE: 2,
    }


@pytest.mark.parametrize(
    ("key", "kind", "value"),
    [
        ("v4.table-1.vision-r1-7b.mathvista.all.accuracy-pct", "claim", 73.5),
        ("v4.table-1.vision-r1-7b.avg.4-benchmark-mean.accuracy-pct", "derived", 55.6),
        ("v4.table-1.gpt-4o.mathverse.all.accuracy-pct", "quoted-baseline", 37.6),
        ("v4.table-5.baseline-qwen2-5-vl-7b.mm-math.accuracy-pct", "quoted-baseline", 34.1),
        ("v4.table-5.4kx16-8kx16.mathverse.accuracy-pct", "claim", 53.5),
        ("v4.table-3.vision-r1-ci.avg-of-mathvista-mathverse-mm-math.accuracy-pct", "claim", 44.5),
        ("v4.table-4.mulberry-260k.self-reflection-words.check.count", "claim", 26421),
        ("v1.fig-1d.vision-r1-zero.rl-training-curve.step-300.avg-cot-length-tokens", "digitised", 1051),
        ("third-party.issue-27.vision-r1-7b-released-weights.mathvista.mini.accuracy-pct", "quoted-baseline", 71.8),
        ("v1-v4.settings.vision-r1.rl.grpo-clip-epsilon.setting", "setting", 0.2),
        ("repo.settings.vision-r1.sft.lr-scheduler-type.setting", "setting", "cosine"),
        ("third-party.mathvista-leaderboard.vision-r1-7b.mathvista.all.accuracy-pct", "quoted-baseline", 73.2),
        ("v1.sec-4-2.vision-r1-7b.mm-math.in-table-1.rank", "derived", 2),
        ("v1.fig-1e.vision-r1-ours.rl-training-curve.step-200.avg-benchmark-accuracy-pct", "derived", 55.4),
        (
            "v1-v4-readme.fig-1-caption.vision-r1-long.declines.phenomenon",
            "phenomenon",
            "a decline in performance (see (D) and (E))",
        ),
    ],
)
def test_ids_classes_and_values(key: str, kind: str, value: float | str) -> None:
    assert BY_ID[key].value_class == kind
    assert BY_ID[key].value == value


def test_arithmetic_finds_exactly_the_known_slips() -> None:
    """paper/vision-r1.md section 4.11, points 4, 5 and 8."""
    found = {
        v.id: v.arithmetic.status for v in load_values() if v.arithmetic and v.arithmetic.status is not Status.EXACT
    }
    assert found == {
        "v4.table-1-delta-row.vision-r1-32b-vs-qwen2-5-vl-32b.mathvista.all.delta-pp": Status.DISAGREES,
        "readme.readme-performance-delta-in-brackets.vision-r1-7b.mathverse.mini-vision-only.delta-pp": (
            Status.DISAGREES
        ),
        "readme.readme-performance-delta-in-brackets.vision-r1-32b.mathvista.all.delta-pp": Status.DISAGREES,
        "readme.readme-performance.qwen2-5-vl-7b.avg.5-column-mean.accuracy-pct": Status.WITHIN_ROUNDING,
        "v4.table-6.zero-plus-sft-plus-ptst.avg-3.accuracy-pct": Status.WITHIN_ROUNDING,
    }
    assert all(v.arithmetic is not None for v in load_values() if v.value_class is ValueClass.DERIVED)
    assert BY_ID["v1-v4.abstract.vision-r1-7b.mathvista.gap-to-openai-o1.pp"].arithmetic.computed == 0.4  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("formula", "values", "result"),
    [
        (Formula.MEAN, (1.0, 2.0, 6.0), 3.0),
        (Formula.DIFFERENCE, (5.0, 2.0), 3.0),
        (Formula.MEAN_DIFFERENCE, (5.0, 2.0, 8.0, 1.0), 5.0),
        (Formula.RANK, (5.0, 2.0, 8.0, 5.0), 2.0),
        (Formula.RATIO, (72.0, 7.0), 72 / 7),
        (Formula.REPEAT, (4.0,), 4.0),
    ],
)
def test_formulas(formula: Formula, values: tuple[float, ...], result: float) -> None:
    assert compute(formula, values) == pytest.approx(result)


def test_a_bound_is_checked_as_a_bound() -> None:
    rows = {name: _fact(model=name, value=value) for name, value in (("Vision-R1-7B", 73.5), ("Qwen2.5-VL-7B", 68.1))}
    operands = [identify(row) for row in rows.values()]
    bound = {"model": "x", "metric": "times", "relation": "over", "formula": "difference", "operands": operands}
    status = {}
    for limit in (5, 6):
        built = build([*rows.values(), _fact(value=limit, **bound)])
        assert built[-1].arithmetic is not None
        status[limit] = built[-1].arithmetic.status
    assert status == {5: Status.EXACT, 6: Status.DISAGREES}


def test_what_a_disagreement_prints_is_published() -> None:
    for read in disagreements():
        assert len(read.values) == len(read.prints)


TARGETS = """
v4.table-1.vision-r1-32b.mathvista.gps.accuracy-pct vision-r1-32b mathvista gps accuracy
readme.readme-performance.vision-r1-7b.mathverse.mini-vision-only.accuracy-pct vision-r1 mathverse vision-only accuracy
v4.table-3.vision-r1-long.10k-rl-training-set.avg-output-tokens long rl-train overall tokens
v4.table-4.vision-r1-cold-200k.self-reflection-words.hmm.count None coldset word-hmm word_count
v1.fig-1a.vision-r1-ci.mathverse.token-length-4k-8k.proportion-pct ci mathverse length-4K-8K proportion
v1.fig-1f.vision-r1-ours.rl-training-curve.step-250.reward-score vision-r1-stage3 rl-curve overall reward
v4.table-6.zero-plus-sft-plus-ptst.mathvista.accuracy-pct zero-sft-ptst mathvista overall accuracy
v1.table-1.vision-r1-7b.mathvista.ari.accuracy-pct vision-r1 mathvista alg accuracy
v4.table-1.vision-r1-7b.mathvista.alg.accuracy-pct vision-r1 mathvista alg accuracy
readme.figs-result-7b-png.vision-r1-7b.mathvista.ari.accuracy-pct vision-r1 mathvista alg accuracy
third-party.mathvista-leaderboard.vision-r1-7b.mathvista.alg.accuracy-pct vision-r1 mathvista alg accuracy
"""


@pytest.mark.parametrize("line", TARGETS.strip().splitlines())
def test_targets(line: str) -> None:
    key, *expected = line.split()
    found = BY_ID[key].target
    assert found is not None
    assert [str(found.arm), found.benchmark, found.subset, found.quantity] == expected


@pytest.mark.parametrize(
    ("key", "subset"),
    [
        ("v1.table-1.internvl2-5-78b.mathvista.ari.accuracy-pct", "alg"),
        # The one quoted model whose printed number is another score than the head says.
        ("v1.table-1.math-llava-13b.mathvista.ari.accuracy-pct", "ari"),
        ("v4.table-1.math-llava-13b.mathvista.alg.accuracy-pct", "ari"),
        ("third-party.mathvista-reference.math-llava-13b.mathvista.ari.accuracy-pct", "ari"),
        ("third-party.mathvista-reference.math-llava-13b.mathvista.alg.accuracy-pct", "alg"),
        ("third-party.mathvista-leaderboard.vision-r1-7b.mathvista.ari.accuracy-pct", "ari"),
        ("third-party.mathvista-leaderboard.vision-r1-7b.mathvista.alg.accuracy-pct", "alg"),
    ],
)
def test_what_stands_under_ari_and_alg(key: str, subset: str) -> None:
    """A model of one's own that is compared with the numbers printed for any other."""
    assert target_for(BY_ID[key].model_dump(), "mine").subset == subset  # type: ignore[union-attr]


def test_the_leaderboards_scores_are_of_our_sub_scores() -> None:
    """Every column of its file is a sub-score that MathVista's own questions have."""
    rows = [value for value in load_values() if value.table == "MathVista leaderboard"]
    subsets = {value.target.subset for value in rows if value.target is not None}
    benchmark = lookup.facts("mathvista")
    tasks = ("figure question answering", "textbook question answering", "visual question answering")
    skills = ("logical reasoning", "numeric commonsense", "scientific reasoning", "statistical reasoning")
    others = {("task", task) for task in tasks} | {("skills", skill) for skill in skills}
    names = {subset_name(benchmark, *place) for place in (*benchmark.printed, *others)}
    assert subsets == names | {"overall"}


def test_averages_name_their_parts() -> None:
    three = BY_ID["v4.table-5.vision-r1-ours.avg-3.accuracy-pct"].target
    five = BY_ID["readme.readme-performance.vision-r1-7b.avg.5-column-mean.accuracy-pct"].target
    assert three is not None
    assert three.of == ("mathvista", "mathverse", "mmmath")
    assert five is not None
    assert "mathverse:vision-only" in five.of


def test_tables_5_and_6_speak_about_best_checkpoints() -> None:
    """v4 App. A; a base model has no steps to choose among, and no other table says so."""
    best = {value.table for value in load_values() if value.target and value.target.checkpoint == "best"}
    assert best == {"Table 5", "Table 6"}
    rows = [value for name in best for value in table_values(name, "v4") if value.target]
    assert {value.model for value in rows if value.target and value.target.checkpoint is None} == {
        "Baseline (Qwen2.5-VL-7B)"
    }
    assert all("every fifth step" in str(value.note) for value in rows if value.target and value.target.checkpoint)


def _fact(**changes: object) -> dict[str, object]:
    row = {"table": "Table 1", "version": "v4", "model": "Vision-R1-7B", "benchmark": "MathVista", "subset": "ALL"}
    return row | {"metric": "accuracy_%", "value": 73.5, "source": "somewhere"} | changes


def test_duplicates_and_unknown_versions_are_refused() -> None:
    with pytest.raises(UserError, match="two rows with the id"):
        build([_fact(), _fact(value=1.0)])
    with pytest.raises(UserError, match="v5"):
        build([_fact(version="v5")])


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"metric": "setting"}, "setting"),
        ({"metric": "phenomenon"}, "phenomenon"),
        ({"metric": "answer"}, "example"),
        ({"metric": "rank", "formula": "rank"}, "derived"),
        ({"approx": True}, "digitised"),
        ({"benchmark": "Avg.", "subset": "4-benchmark mean"}, "derived"),
        ({"benchmark": "Avg. of MathVista/MathVerse/MM-Math", "table": "Table 3"}, "claim"),
        ({"version": "third-party"}, "quoted-baseline"),
        ({"model": "A model of someone else"}, "quoted-baseline"),
        ({"metric": "count", "model": "A data set of someone else"}, "claim"),
        ({}, "claim"),
    ],
)
def test_rules_of_class(changes: dict[str, object], kind: str) -> None:
    assert classify(_fact(**changes)) == kind


def test_ids_do_not_depend_on_the_value() -> None:
    assert identify(_fact(value=1.0, note="new")) == identify(_fact())


def test_other_peoples_models_have_no_target() -> None:
    assert target(_fact(model="GPT-4o")) is None


def test_a_text_setting_is_not_a_number() -> None:
    limit = next(value for value in load_values() if value.value == "4K")
    with pytest.raises(TypeError, match="4K"):
        _ = limit.number


def test_tables_by_name() -> None:
    assert len(table_values("Table 5", "v4")) == 28
    assert all(isinstance(value, PublishedValue) for value in table_values("Table 5", "v4"))
    with pytest.raises(KeyError):
        table_values("Table 9", "v4")
