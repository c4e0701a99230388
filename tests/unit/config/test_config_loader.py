import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from vr1repro.config import loader
from vr1repro.config.docs import STEPS, generated, method_deviations, readme, sections
from vr1repro.core.errors import UserError

CONFIGS = ("micro", "smoke", "paper")


@pytest.fixture
def micro(repo: Path) -> dict[str, Any]:
    return yaml.safe_load((repo / "config" / "micro.yaml").read_text())


@pytest.mark.parametrize("name", CONFIGS)
def test_shipped_configs_are_valid(repo: Path, name: str) -> None:
    assert loader.load(repo / "config" / f"{name}.yaml").run == name


def _set(values: Any, key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for part in parents:
        values = values[int(part)] if isinstance(values, list) else values[part]
    values[int(last) if isinstance(values, list) else last] = value


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("sft.epoch", 1, r"sft\.epoch: unknown key"),
        ("sft.epochs", "two", r"sft\.epochs: Input should be a valid number"),
        ("sft.batch", 33, r"sft\.batch: 33 is no multiple"),
        ("rl.learning_rate", -1, r"rl\.learning_rate: Input should be greater than 0"),
        ("arms.vision-r1.stages.0.group", 1, r"stages\.0\.group: Input should be greater than or equal to 2"),
        (
            "arms.vision-r1.stages.1.max_tokens",
            100_000,
            r"arms\.vision-r1\.stages\[1\]\.max_tokens: 100000 and .* reads 4096",
        ),
        ("arms.vision-r1.start", "cii", r"arms\.vision-r1\.start: unknown name 'cii'; known: base, ci, ci-answers"),
        ("arms.vision-r1.reward", None, r"arms\.vision-r1: reward: an arm with stages needs one"),
        ("arms.my_arm", {"label": "x", "start": "ci"}, r"arms\.my_arm: String should match pattern"),
        ("run_arms", ["base", "lang"], r"run_arms: unknown name 'lang'"),
        ("take_released", ["ci"], r"take_released: 'ci' has no arms\.ci\.released|take_released: 'ci' has no"),
        ("models.tiny", {"kind": "hub", "id": "a/b", "revision": "main", "context": 1}, "must be a commit"),
        ("lab", None, r"lab: is null, but models\.tiny is of kind lab"),
        ("benchmarks.mathvist", {"kind": "lab", "n": 1}, r"benchmarks: unknown name 'mathvist'"),
        ("problems.mathvista", {"kind": "lab", "partition": "rl", "n": 1}, r"is also a benchmark"),
        ("rl.updates_per_rollout", 3, r"group: 16 x rl\.prompts_per_step 4 = 64 .* do not divide over .* 3 updates"),
        ("rl.device_batch", 4, r"rl\.device_batch: passes are cut by tokens now; set rl\.tokens_per_forward"),
        ("arms.zero.select", "best_on_benchmarks", r"arms\.zero\.select: best_on_benchmarks needs `selection`"),
        ("arms.ci.select", "best_on_benchmarks", r"arms\.ci: select: best_on_benchmarks chooses among steps .* none"),
        ("arms.zero.select", "best", r"arms\.zero\.select: Input should be 'last' or 'best_on_benchmarks'"),
        ("rl.loss", "bnpo", r"rl\.loss: Input should be 'grpo', 'dr_grpo', 'dapo' or 'sequence'"),
    ],
)
def test_mistakes_are_named(micro: dict[str, Any], tmp_path: Path, key: str, value: Any, message: str) -> None:
    _set(micro, key, value)
    path = tmp_path / "broken.yaml"
    path.write_text(yaml.safe_dump(micro, sort_keys=False))
    with pytest.raises(UserError, match=message) as error:
        loader.load(path)
    assert "broken.yaml" in str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("selection.steps", 999, r"zero\.select: selection\.steps 999 reach before the last stage"),
        ("selection.benchmarks", ["dynamath"], r"selection\.benchmarks: unknown name 'dynamath'; known: mathverse,"),
        ("evaluation.protocols", ["paper"], r"arms\.zero\.select: candidates are asked under protocol single; add it"),
    ],
)
def test_impossible_selections(micro: dict[str, Any], key: str, value: Any, message: str) -> None:
    micro["arms"]["zero"]["select"] = "best_on_benchmarks"
    micro["selection"] = {"every": 2, "steps": 6, "benchmarks": ["mathvista"]}
    assert loader.check(micro, "micro").selection is not None
    _set(micro, key, value)
    with pytest.raises(UserError, match=message):
        loader.check(micro, "micro")


def test_a_mistake_has_its_line(repo: Path, tmp_path: Path) -> None:
    text = (repo / "config" / "micro.yaml").read_text().replace("  epochs: 1", "  epochs: one")
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    line = text.splitlines().index("  epochs: one") + 1
    with pytest.raises(UserError, match=rf"broken\.yaml:{line}: sft\.epochs"):
        loader.load(path)


@pytest.mark.parametrize(
    ("line", "meant", "typed", "key"),
    [
        ("  learning_rate: 1.0e-4", "learning_rate", "learnig_rate", "rl.learnig_rate"),
        ("coldset:", "coldset", "coldst", "coldst"),
        ("    max_tokens: 96", "max_tokens", "max_tokns", "coldset.mllm.max_tokns"),
        ("  engine: {kind: transformers, ", "batch_size", "batchsize", "evaluation.engine.batchsize"),
        ("  base: {label: Base, start: base}", "label", "lable", "arms.base.lable"),
        ("    stages: [{max_tokens: 42, group: 16, steps: 40}, {", "group", "grop", "arms.vision-r1.stages.0.grop"),
    ],
)
def test_a_mistyped_key_is_one_line_with_the_key_that_was_meant(
    repo: Path, tmp_path: Path, line: str, meant: str, typed: str, key: str
) -> None:
    lines = (repo / "config" / "micro.yaml").read_text().splitlines()
    number = next(k for k, text in enumerate(lines) if text.startswith(line))
    lines[number] = lines[number].replace(meant, typed, 1)
    path = tmp_path / "typo.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(UserError) as error:
        loader.load(path)
    told = f"unknown key; did you mean {meant}? config/README.md has those that exist"
    assert str(error.value) == f"{path}:{number + 1}: {key}: {told}"


def test_a_key_that_is_like_none_gets_no_guess(micro: dict[str, Any]) -> None:
    micro["rl"]["zzz"] = 1
    with pytest.raises(UserError, match=r"rl\.zzz: unknown key; config/README\.md has those that exist$"):
        loader.check(micro, "micro")


def test_a_key_given_twice_is_refused(repo: Path, tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text((repo / "config" / "micro.yaml").read_text() + "run: again\n")
    with pytest.raises(UserError, match="run: the key stands twice"):
        loader.load(path)


@pytest.mark.parametrize(("text", "message"), [("- a", "a mapping of sections"), ("a: [", "not YAML"), ("", "mapping")])
def test_what_is_no_config(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        loader.load(path)


def test_the_resolved_config_is_the_same_config(repo: Path, tmp_path: Path) -> None:
    config = loader.load(repo / "config" / "micro.yaml")
    path = tmp_path / "config.yaml"
    loader.write_resolved(config, path)
    assert loader.load(path) == config
    written = path.stat().st_mtime_ns
    loader.write_resolved(config, path)
    assert path.stat().st_mtime_ns == written


def test_generated_documents_are_up_to_date() -> None:
    for path, text in generated().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is out of date; run `make docs`"


def test_each_section_of_the_config_is_described_once() -> None:
    page = readme()
    for section in sections():
        assert inspect.getdoc(section), section
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) == sum(len(section.model_fields) for section in sections())
    headings = [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")]
    assert len(headings) == len(set(headings)) == len(sections())
    targets = {target for _, target in re.findall(r"\[([^]]+)\]\(#([^)]+)\)", page)}
    assert targets <= {heading.lower().replace(" ", "-") for heading in headings}


def test_deviations_of_the_method_come_from_their_docstrings(repo: Path) -> None:
    page = (repo / "docs" / "DEVIATIONS.md").read_text(encoding="utf-8")
    modules = {module for module, _ in method_deviations()}
    assert modules == {
        *("coldset/bridge.py", "training/grpo.py", "training/sft.py"),
        *("evaluation/run.py", "evaluation/graders.py", "benchmarks/dynamath/__init__.py"),
        *("benchmarks/mmstar/__init__.py", "benchmarks/hallusionbench/__init__.py"),
    }
    assert [text for _, text in method_deviations() if f"- {text} (" not in page] == []
    assert [key for step in STEPS for key in step.first if f"| `{key}` |" not in page] == []


def test_the_config_of_the_kept_run_is_still_understood(repo: Path) -> None:
    assert loader.load(repo / "results" / "reference" / "micro" / "config.yaml").run == "micro"


@pytest.mark.parametrize(("value", "understood"), [(False, True), (True, False)])
def test_a_retired_key_is_read_where_it_did_nothing(repo: Path, value: bool, understood: bool) -> None:
    values = yaml.safe_load((repo / "config" / "micro.yaml").read_text())
    values["rl"]["skip_equal_groups"] = value
    if understood:
        assert "skip_equal_groups" not in loader.check(values, "old.yaml").rl.model_dump()
    else:
        with pytest.raises(UserError, match=r"rl\.skip_equal_groups: unknown key"):
            loader.check(values, "old.yaml")


@pytest.mark.parametrize("at", ["evaluation.engine", "coldset.mllm.sampler"])
def test_the_window_of_older_configs_is_refused_with_what_replaced_it(repo: Path, at: str) -> None:
    values = yaml.safe_load((repo / "config" / "paper.yaml").read_text())
    _set(values, at, {"kind": "vllm", "window": 1024})
    with pytest.raises(UserError, match=rf"{re.escape(at)}\.window: requests are fed one by one now"):
        loader.check(values, "old.yaml")
