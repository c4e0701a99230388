from pathlib import Path

import pytest

from vr1repro.config.loader import load as load_config
from vr1repro.core.provenance import write_manifest
from vr1repro.published import ValueClass, load_values
from vr1repro.reporting.claims.comparison import compare_published
from vr1repro.reporting.claims.judgement import Label
from vr1repro.reporting.claims.settings import our_settings

SETTINGS = [value for value in load_values() if value.value_class is ValueClass.SETTING]


def test_every_id_is_a_published_setting(repo):
    ours = our_settings(load_config(repo / "config" / "paper.yaml"))
    assert set(ours) <= {value.id for value in SETTINGS}
    assert len(ours) >= 30


def test_the_paper_config_differs_from_the_paper_where_it_says_so(repo):
    """Where paper.yaml departs, its comment says why: v1's text against its own figure."""
    ours = our_settings(load_config(repo / "config" / "paper.yaml"))
    rows = [row for row in compare_published(SETTINGS, None, ours) if row.published.id in ours]
    differing = {row.published.id for row in rows if row.judgement.label is Label.DIFFERS}
    assert differing == {"v1.settings.vision-r1.rl.stage-1-length-limit-text.setting"}


@pytest.mark.parametrize(("name", "gpus", "steps"), [("paper", 32, 1), ("paper-8gpu-7b", 8, 4), ("micro", None, None)])
def test_accumulation_is_compared_with_the_yaml_of_as_many_gpus(repo, name, gpus, steps):
    ours = our_settings(load_config(repo / "config" / f"{name}.yaml"))
    key = "repo.settings.vision-r1.sft.gradient-accumulation-steps-{}-gpu-yaml.setting"
    assert {n: ours[key.format(n)] for n in (8, 32) if key.format(n) in ours} == ({gpus: steps} if gpus else {})


def test_sizes_of_sets_are_read_from_the_runs_manifests(repo, results, tmp_path):
    config = load_config(repo / "config" / "paper.yaml")
    ours = results.__class__(run=tmp_path, arms={}, settings=config.reporting, comparable=True, frame=results.frame)
    assert our_settings(config, ours) == our_settings(config)  # nothing is made yet
    sizes = {"llava-cot": 98_580, "mulberry": 259_500, "rl-10k": 10_234, "rl-additional": 20_501}
    for name, size in sizes.items():
        _set(tmp_path / "problems" / name, {"problems": size})
    _set(tmp_path / "coldset", {"problems": 357_580, "kept": 199_846})
    added = {key: value for key, value in our_settings(config, ours).items() if ".data." in key}
    printed = {value.id: value.value for value in SETTINGS}
    assert {(printed[key], value) for key, value in added.items()} == {
        (200_000, 199_846), (100_000, 98_580), (260_000, 259_500), (10_000, 10_234), (20_000, 20_501),
    }  # fmt: skip
    rows = compare_published([value for value in SETTINGS if value.id in added], ours, added)
    rounded = ", equal within the print's rounding"
    assert {row.judgement.reason: row.judgement.label for row in rows} == {
        f"paper 200000, this run 199846{rounded}": Label.EQUAL,
        "paper 100000, this run 98580": Label.DIFFERS,
        f"paper 260000, this run 259500{rounded}": Label.EQUAL,
        f"paper 10000, this run 10234{rounded}": Label.EQUAL,
        "paper 20000, this run 20501": Label.DIFFERS,
    }


def test_a_size_that_is_printed_in_thousands_is_known_to_the_thousand_and_nothing_else_is() -> None:
    rounded = {value.value: value.rounding for value in SETTINGS if value.rounding is not None}
    assert rounded == dict.fromkeys((200_000, 100_000, 260_000, 10_000, 20_000), 500.0)
    exact = next(value for value in SETTINGS if value.value == 16384)
    rows = [compare_published([exact], None, {exact.id: ours})[0].judgement for ours in (16384, 16385)]
    assert [row.label for row in rows] == [Label.EQUAL, Label.DIFFERS]
    assert rows[0].reason == "paper 16384, this run 16384"


def _set(folder: Path, facts: dict[str, int]) -> None:
    folder.mkdir(parents=True)
    write_manifest(folder, "problems", {}, {}, facts)


def test_where_the_paper_disagrees_with_itself_the_difference_is_not_ours():
    key = "v1.settings.vision-r1.rl.stage-1-length-limit-text.setting"
    value = next(value for value in SETTINGS if value.id == key)
    reasons = [compare_published([value], None, {key: ours})[0].judgement.reason for ours in (4096, 8192, 6000)]
    assert reasons[0].startswith("paper 8K, this run 4096, which the paper prints elsewhere: v1's text says 8K")
    assert reasons[1:] == ["paper 8K, this run 8192", "paper 8K, this run 6000"]


def test_a_config_without_the_arms_states_nothing_of_them(repo):
    config = load_config(repo / "config" / "micro.yaml")
    bare = config.model_copy(update={"arms": {name: config.arms[name] for name in ("base", "ci")}})
    assert not any("stage-" in name or "zero" in name or "long" in name for name in our_settings(bare))
