"""What each arm's reward takes for the format: what its own prompt shows, or what its fine-tuning taught."""

import json
from pathlib import Path

import pytest
import yaml

from vr1repro.answers.completion import answer_only, completion, tags_alone
from vr1repro.answers.reward import HardFormatReward, formatted_answer
from vr1repro.config import loader

REPO = Path(__file__).parents[3]
CONFIGS = sorted(path.name for path in (REPO / "config").glob("*.yaml"))
# Every arm that is rewarded somewhere: an arm that is trained under a new name is to be added.
ZERO_ARMS = {"zero", "zero-ptst", "zero-sft-ptst"}
ARMS = ZERO_ARMS | {"long", "vision-r1", "vision-r1-stage3", "vision-r1-32b", "vision-r1-72b", "ptst-4kx16-4kx16",
        "ptst-4kx16-8kx16", "ptst-4kx16-6kx12-8kx8", "ptst-16kx16-16kx16"}  # fmt: skip


def zero_prompt() -> str:
    prompt: str = yaml.safe_load((REPO / "config" / "paper.yaml").read_text())["arms"]["zero"]["system_prompt"]
    return prompt


@pytest.mark.parametrize("name", CONFIGS)
def test_an_arms_own_example_earns_the_format_and_a_bare_answer_does_not(name: str) -> None:
    config = loader.load(REPO / "config" / name)
    rewarded = {key: arm for key, arm in config.arms.items() if arm.stages}
    assert {"zero", "vision-r1"} <= set(rewarded) <= ARMS
    for key, arm in rewarded.items():
        # A prompt ends with its example; without one the completion is that of the cold-start set.
        example = (arm.system_prompt or completion("a chain", "answer here")).rpartition("i.e., ")[2]
        assert example.startswith("<think>"), key
        assert example.endswith("answer here </answer>"), key
        with HardFormatReward(config.rewards[arm.reward or ""]) as reward:
            shown, *others = reward.score([example, "The answer is answer here", "answer here"], ["answer here"] * 3)
        assert (shown.format_ok, shown.value) == (True, 1.0), key
        assert not any(other.format_ok for other in others), key


@pytest.mark.parametrize("name", CONFIGS)
def test_zeros_arms_have_its_prompt_and_its_reward_and_no_other_has(name: str) -> None:
    config = loader.load(REPO / "config" / name)
    prompted = {key for key, arm in config.arms.items() if arm.system_prompt is not None}
    assert "zero" in prompted
    assert prompted == ZERO_ARMS & set(config.arms)
    assert {config.arms[key].system_prompt for key in prompted} == {zero_prompt()}
    assert {config.rewards[config.arms[key].reward or ""].kind for key in prompted} == {"format_plus_result"}
    others = {arm.reward for key, arm in config.arms.items() if arm.stages and key not in prompted}
    assert {config.rewards[reward or ""].kind for reward in others} == {"hfrrf"}


@pytest.mark.parametrize("name", ["micro.yaml", "smoke.yaml"])
def test_the_labs_model_learns_to_read_the_prompt_of_its_arms(name: str) -> None:
    config = loader.load(REPO / "config" / name)
    assert config.lab is not None
    assert config.lab.pretrain.system_prompt == config.arms["zero"].system_prompt
    assert config.lab.pretrain.prompted > 0


def test_zeros_prompt_asks_for_the_tags_alone() -> None:
    assert zero_prompt().endswith(tags_alone("reasoning process here", "answer here"))
    assert formatted_answer(tags_alone("2 + 2", "4"), "lenient") == "4"
    assert formatted_answer(tags_alone("2 + 2", "4"), "strict") is None


def test_the_papers_printed_completions_earn_the_format_and_are_written_as_ours() -> None:
    path = REPO.parent / "shared" / "paper" / "completions-v1.json"
    if not path.exists():
        pytest.skip("../shared/paper/completions-v1.json is not here: a user's clone has none")
    printed = json.loads(path.read_text(encoding="utf-8"))["completions"]
    assert len(printed) == 11
    for text in printed:
        answer = formatted_answer(text, "strict")
        assert answer is not None
        assert formatted_answer(text, "lenient") == answer
        chain = text.removeprefix("<think> ").removesuffix(f" </think>{answer_only(answer)}")
        assert completion(chain, answer) == text
