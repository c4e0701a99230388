"""The table of counterparts: every key of a stage has a place in it for every engine, and a stage is refused by it."""

from pathlib import Path
from typing import Any

import pytest

from vr1repro.config.loader import check, load
from vr1repro.config.run import Config
from vr1repro.core.errors import UserError
from vr1repro.core.yaml_tree import yaml_document
from vr1repro.handover.counterparts import Likeness, as_json, cases_of, counterparts, refuse, table
from vr1repro.handover.engines import ENGINES
from vr1repro.handover.stage import handed_stage

# Keys that are no settings: the export counts them.
COUNTED = {"pictures.narrow"}


@pytest.fixture(scope="module")
def paper(repo: Path) -> Config:
    return load(repo / "config" / "paper.yaml")


def micro(repo: Path, **rl: Any) -> Config:
    values, _ = yaml_document(repo / "config" / "micro.yaml")
    values["rl"] |= rl
    return check(values, "micro.yaml")


@pytest.mark.parametrize("name", ENGINES)
def test_the_table_has_the_keys_of_a_stage_and_no_others(name: str, paper: Config) -> None:
    of = ENGINES[name]
    keys = set(handed_stage(paper, "vision-r1", 0 if of.trains == "sft" else 1, 1).values())
    assert keys == cases_of(of).keys() - COUNTED, "a key is new, or gone: say in counterparts.yaml what it is there"


@pytest.mark.parametrize("preset", ["micro", "smoke", "paper", "paper-8gpu-7b"])
@pytest.mark.parametrize("name", ENGINES)
def test_every_stage_of_a_preset_has_a_place(preset: str, name: str, repo: Path) -> None:
    config, of = load(repo / "config" / f"{preset}.yaml"), ENGINES[name]
    seen = 0
    for arm, values in config.arms.items():
        numbers = range(1, len(values.stages) + 1) if of.trains == "rl" else [0]
        for number in numbers:
            if number == 0 and config.starts[values.start].sft is None:
                continue
            rows = counterparts(of, handed_stage(config, arm, number, 1).values(), number)
            assert all(row.why for row in rows)
            seen += 1
    assert seen


def test_every_case_has_a_reason_and_every_value_that_is_named_exists(paper: Config) -> None:
    cases = [(engine, key, case) for engine, keys in table().items() for key, of in keys.items() for case in of]
    assert len(cases) > 100
    for engine, key, case in cases:
        assert len(case.why) > 5, (engine, key)
        assert case.theirs or case.likeness is not Likeness.EXACT or case.values, (
            f"{engine} {key}: which key is it there?"
        )


# What stays unlike, word for word as findings of the engines say it.
@pytest.mark.parametrize(
    ("name", "stage", "rl", "key", "likeness"),
    [
        ("verl", 1, {"loss": "dapo"}, "rl.loss", "exact"),
        ("verl", 1, {"loss": "dr_grpo"}, "rl.loss", "exact"),
        ("verl", 1, {"loss": "sequence"}, "rl.loss", "refused"),
        ("easyr1", 1, {"loss": "grpo"}, "rl.loss", "exact"),
        ("easyr1", 1, {"loss": "dr_grpo"}, "rl.loss", "none"),
        ("easyr1", 1, {"loss": "sequence"}, "rl.loss", "refused"),
        ("verl", 1, {"beta": 0}, "rl.beta", "exact"),
        ("verl", 1, {"beta": 0.01}, "rl.beta", "approximate"),
        ("verl", 1, {"reference": "start"}, "rl.reference", "exact"),
        ("verl", 2, {"reference": "start"}, "rl.reference", "none"),
        ("verl", 2, {"reference": "stage_start"}, "rl.reference", "exact"),
        ("easyr1", 1, {"scale_rewards": "none"}, "rl.scale_rewards", "none"),
        ("verl", 1, {"scale_rewards": "none"}, "rl.scale_rewards", "exact"),
        ("verl", 1, {"scale_rewards": "batch"}, "rl.scale_rewards", "none"),
        ("verl", 1, {"truncation": "mask"}, "rl.truncation", "none"),
        ("verl", 1, {"truncation": "penalty"}, "rl.truncation", "exact"),
        ("verl", 1, {"schedule": "linear"}, "rl.schedule", "none"),
        ("verl", 1, {"updates_per_rollout": 2}, "rl.updates_per_rollout", "approximate"),
        ("verl", 1, {"tokens_per_forward": 99}, "rl.tokens_per_forward", "operational"),
        ("verl", 1, {}, "rl.generation.ban_placeholders", "none"),
        ("easyr1", 1, {}, "rl.generation.ban_placeholders", "approximate"),
        ("llama-factory", 0, {}, "sft.group_by_length", "exact"),
    ],
)
def test_what_a_key_is_there(name: str, stage: int, rl: dict[str, Any], key: str, likeness: str, repo: Path) -> None:
    values = handed_stage(micro(repo, **rl), "vision-r1", stage, 1).values()
    (row,) = [row for row in counterparts(ENGINES[name], values, stage) if row.key == key]
    assert row.likeness == likeness


def test_rows_in_one_order_for_several_epochs_are_approximate(repo: Path) -> None:
    values = handed_stage(micro(repo), "ci", 0, 1).values() | {"sft.epochs": 2.0}
    (row,) = [row for row in counterparts(ENGINES["llama-factory"], values, 0) if row.key == "sft.group_by_length"]
    assert row.likeness is Likeness.APPROXIMATE


def test_none_needs_to_be_said_and_refused_stays_refused(repo: Path) -> None:
    verl = ENGINES["verl"]
    rows = counterparts(verl, handed_stage(micro(repo), "vision-r1", 2, 1).values(), 2)
    with pytest.raises(
        UserError, match=r"(?s)rl\.reference: 'start' .*rl\.generation\.ban_placeholders.*--approximate"
    ):
        refuse(verl, rows, approximate=False)
    refuse(verl, rows, approximate=True)
    as_they_are = as_json(verl, rows)
    assert as_they_are["counts"]["none"] == 2
    assert len(as_they_are["keys"]) == len(rows)
    rows = counterparts(verl, handed_stage(micro(repo, loss="sequence"), "vision-r1", 1, 1).values(), 1)
    with pytest.raises(UserError, match=r"rl\.loss: 'sequence' cannot be handed to verl: its gspo divides by length"):
        refuse(verl, rows, approximate=True)


def test_a_key_that_the_table_lacks_is_named() -> None:
    with pytest.raises(UserError, match=r"says nothing of sft\.new: 1 in LLaMA-Factory; add a case"):
        counterparts(ENGINES["llama-factory"], {"sft.new": 1}, 0)
