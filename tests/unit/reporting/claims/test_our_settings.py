from vr1repro.config.loader import load as load_config
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
    """Where paper.yaml departs, its comment says why: 8 instead of 32 GPUs, and v1's text against its own figure."""
    ours = our_settings(load_config(repo / "config" / "paper.yaml"))
    rows = [row for row in compare_published(SETTINGS, None, ours) if row.published.id in ours]
    differing = {row.published.id for row in rows if row.judgement.label is Label.DIFFERS}
    assert differing == {
        "repo.settings.vision-r1.sft.gradient-accumulation-steps-8-gpu-yaml.setting",
        "v1.settings.vision-r1.rl.stage-1-length-limit-text.setting",
    }


def test_a_config_without_the_arms_states_nothing_of_them(repo):
    config = load_config(repo / "config" / "micro.yaml")
    bare = config.model_copy(update={"arms": {name: config.arms[name] for name in ("base", "ci")}})
    assert not any("stage-" in name or "zero" in name or "long" in name for name in our_settings(bare))
