"""Every value of config/paper.yaml has a source: words of the paper, a published number, the repository, or none."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from vr1repro.config.loader import load
from vr1repro.config.run import Config
from vr1repro.config.sources import SourceRule, leaves, source_rules, sourced
from vr1repro.published import load_values


@pytest.fixture(scope="module")
def config(repo: Path) -> Config:
    return load(repo / "config" / "paper.yaml")


def test_every_value_has_a_source_and_is_what_it_says(config: Config) -> None:
    values = list(sourced(config))
    without = [value.leaf.key for value in values if value.rule is None]
    assert without == [], "add them to vr1repro/config/paper_sources.yaml"
    stated = [(value.leaf, value.rule.values[value.written]) for value in values if value.rule and value.rule.values]
    print(f"{len(values)} values of paper.yaml: {len(stated)} stated, {len(values) - len(stated)} not stated")
    assert [(leaf.key, leaf.value, source) for leaf, source in stated if leaf.value != source] == []
    assert len(stated) > 150


def test_every_key_of_every_rule_is_used(config: Config) -> None:
    used = {(id(value.rule), value.written) for value in sourced(config)}
    assert [key for rule in source_rules() for key in rule.patterns if (id(rule), key) not in used] == []


def test_what_is_not_stated_is_named_among_the_deviations(config: Config, repo: Path) -> None:
    page = (repo / "docs" / "DEVIATIONS.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))
    unstated = [value for value in sourced(config) if value.rule and value.rule.unstated]
    assert len(unstated) > 300
    assert [value.leaf.key for value in unstated if not {value.leaf.field, value.written} & named] == []


def test_published_numbers_are_the_values() -> None:
    numbers = {value.id: value.value for value in load_values()}
    rules = [rule for rule in source_rules() if rule.published]
    assert len(rules) > 20
    for rule in rules:
        printed = str(numbers[rule.published or ""])
        number = float(printed.removesuffix("K")) * (1024 if printed.endswith("K") else 1)
        assert set(rule.values.values()) == {number}, rule.published


def quotes() -> Iterator[str]:
    for rule in source_rules():
        yield from (quote for quote in (rule.paper, rule.quote) if quote)


def test_quotes_are_in_the_paper_letter_by_letter(paper: Path) -> None:
    notes = (paper / "vision-r1.md").read_text(encoding="utf-8")
    assert [quote for quote in quotes() if quote not in notes] == []
    assert len(list(quotes())) > 40


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"values": {"run": "paper"}}, "exactly one source, has none"),
        ({"values": {"run": "paper"}, "paper": "a", "published": "b"}, "exactly one source"),
        ({"values": {"run": "paper"}, "unstated": "ours"}, "go with"),
        ({"keys": ["run"], "paper": "a"}, "go with"),
        ({"values": {"run": "paper"}, "repo": "EasyR1"}, "neither owner/name@commit:path nor owner/name#issue"),
    ],
)
def test_a_rule_without_one_source_is_refused(rule: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SourceRule.model_validate(rule)


def test_a_star_stands_for_a_part_and_brackets_for_themselves() -> None:
    rule = SourceRule(keys=("arms.*.stages[*].steps", "run"), unstated="ours")
    assert rule.match("arms.a.b.stages[1].steps") == "arms.*.stages[*].steps"
    assert rule.match("run") == "run"
    assert [rule.match(key) for key in ("run_arms", "arms.a.stages0.steps", "arms.a.stages[0].steps.more")] == [
        None
    ] * 3


def test_values_are_walked_down_to_the_last(config: Config) -> None:
    by_key = {leaf.key: leaf for leaf in leaves(config)}
    assert by_key["arms.vision-r1.stages[1].max_tokens"].value == 8192
    assert by_key["arms.vision-r1.stages[1].max_tokens"].field == "arms.<name>.stages[].max_tokens"
    assert by_key["reporting.margins.default"].field == "reporting.margins"
    assert by_key["arms.base.stages"].value == []
