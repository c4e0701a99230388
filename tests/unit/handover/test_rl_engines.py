"""Prompts and rewards of verl and EasyR1 on an export equal ours, their own checks pass, and losses and keys are known.

`make verify` runs these in the engines' own environments (`make env-verl`, `make env-easyr1`, EASYR1=FOLDER).
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from handed_stages import Run, json_lines, with_template
from our_rows import rl_prompts
from PIL import Image

from vr1repro.answers.completion import ANSWER_CLOSE, ANSWER_OPEN, FINAL_ANSWER, THINK_CLOSE, THINK_OPEN
from vr1repro.answers.reward import HardFormatReward
from vr1repro.config.loader import check, load
from vr1repro.core.problem_files import read_problems, write_problems
from vr1repro.core.records import Problem
from vr1repro.handover.engines import ENGINES
from vr1repro.handover.export import export_stage
from vr1repro.handover.stage import HandedStage, handed_stage

pytestmark = pytest.mark.verify
NAMES = ["verl", "easyr1"]


def exported(name: str, stage: HandedStage, out: Path) -> Path:
    export_stage(stage, ENGINES[name], out, approximate=True)
    return out


def prompts_of(name: str, stage: HandedStage, out: Path, engine_python: Callable[..., Any]) -> list[dict[str, Any]]:
    export = exported(name, stage, out)
    engine_python(name, "prompts", export, out / "prompts.jsonl")
    return json_lines(out / "prompts.jsonl")


@pytest.mark.parametrize("arm", ["vision-r1", "zero"])
@pytest.mark.parametrize("name", NAMES)
def test_256_prompts_are_equal(
    name: str, arm: str, run: Run, tmp_path: Path, engine_python: Callable[..., Any]
) -> None:
    """Ids, grids, pixels and order, without a system prompt and with Zero's."""
    values = run.config.model_dump(mode="json")
    values["arms"][arm]["stages"][0]["steps"] = 64
    stage = handed_stage(check(values, "test"), arm, 1, 1, str(run.results))
    mine = rl_prompts(stage)
    assert len(mine) == 256
    other = prompts_of(name, stage, tmp_path / "d", engine_python)
    for key in ("ids", "grid", "pixels"):
        assert sum(a[key] == b[key] for a, b in zip(mine, other, strict=True)) == 256, key


def picture(width: int, height: int, kind: str) -> bytes:
    """A picture with edges and slopes, so that another kernel gives other pixels."""
    across = torch.arange(width)[None, :].expand(height, width)
    down = torch.arange(height)[:, None].expand(height, width)
    channels = torch.stack([(across * 255) // width, (down * 255) // height, ((across // 7 + down // 5) % 2) * 255])
    stream = BytesIO()
    Image.fromarray(channels.byte().permute(1, 2, 0).numpy()).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("limits", [(262144, 4194304), (None, None)])
@pytest.mark.parametrize("name", NAMES)
def test_pixel_limits_are_ours_on_pictures_of_every_size(
    name: str, limits: tuple[int | None, int | None], run: Run, tmp_path: Path, engine_python: Callable[..., Any]
) -> None:
    """200 x 150 to 4000 x 3000, with Qwen2.5-VL's own limits in the checkpoint."""
    sizes = [(200, 150), (500, 400), (640, 853), (900, 700), (1280, 960), (1999, 1501), (2048, 1536), (4000, 3000)]
    problems = [
        Problem(
            id=f"{width}x{height}",
            source="test",
            question="What is the sum?",
            answer="1",
            image=picture(width, height, "PNG" if width % 3 else "JPEG"),
        )
        for width, height in sizes
    ]
    if limits[1] is None:  # without a limit the largest have more tokens than a test has time for
        problems = problems[:6]
    write_problems(tmp_path / "problems.parquet", problems)
    stage = run.stage("vision-r1", 1)
    model = real_limits(stage.model, tmp_path / "model")
    # Past the tiny model's context, which is no part of what is compared.
    changed = {"max_prompt_tokens": 6000, "prompts_per_step": 1}
    changed |= {"min_image_pixels": limits[0], "max_image_pixels": limits[1]}
    config = stage.config.model_copy(update={"rl": stage.config.rl.model_copy(update=changed)})
    stage = replace(stage, config=config, model=model, source=tmp_path / "problems.parquet")
    mine, other = rl_prompts(stage), prompts_of(name, stage, tmp_path / "d", engine_python)
    assert len(mine) == 10
    assert [row["grid"] for row in other] == [row["grid"] for row in mine]
    assert [row["ids"] for row in other] == [row["ids"] for row in mine]
    assert [row["pixels"] for row in other] == [row["pixels"] for row in mine]


def real_limits(model: Path, out: Path) -> Path:
    """A model's folder whose processor has the limits of Qwen2.5-VL."""
    with_template(model, model / "chat_template.jinja", out)
    processor = json.loads((out / "processor_config.json").read_text())
    processor["image_processor"]["size"] = {"shortest_edge": 3136, "longest_edge": 12845056}
    tokenizer = json.loads((out / "tokenizer_config.json").read_text()) | {"model_max_length": 131072}
    for name, values in {"processor_config.json": processor, "tokenizer_config.json": tokenizer}.items():
        (out / name).unlink()  # a link to the other model's
        (out / name).write_text(json.dumps(values))
    return out


def completions(gold: str) -> Iterator[str]:
    """Real, hostile and cut completions, and such with special tokens, as a tokenizer would decode them."""
    right = f"{THINK_OPEN}so{THINK_CLOSE}{ANSWER_OPEN} {FINAL_ANSWER}{gold} {ANSWER_CLOSE}"
    yield f"{right}<|im_end|>"
    yield right  # right, and cut just there
    yield f"{right}<|im_end|><|endoftext|>"
    yield f"{right}<|image_pad|><|im_end|>"
    yield f"{THINK_OPEN}<|vision_start|>{THINK_CLOSE}{ANSWER_OPEN} {FINAL_ANSWER}{gold} {ANSWER_CLOSE}<|im_end|>"
    yield f"{THINK_OPEN}so{THINK_CLOSE}{ANSWER_OPEN} {FINAL_ANSWER}{gold}<|image_pad|> {ANSWER_CLOSE}<|im_end|>"
    yield f"{THINK_OPEN}so{THINK_CLOSE}{ANSWER_OPEN} {FINAL_ANSWER}{gold}9 {ANSWER_CLOSE}<|im_end|>"
    yield f"{THINK_OPEN}so{THINK_CLOSE}{ANSWER_OPEN} {gold} {ANSWER_CLOSE}<|im_end|>"
    yield f"{THINK_OPEN}so {FINAL_ANSWER}{gold}"
    yield f"{right}{right}<|im_end|>"
    yield f"<|im_start|>{right}<|im_end|>"
    yield f"{gold}<|im_end|>"
    yield f"{ANSWER_OPEN}{gold}{ANSWER_CLOSE}<|im_end|>"
    yield "<|im_end|>"
    yield f"{THINK_OPEN}{'very ' * 40}long"
    # The example in Zero's own prompt.
    yield "<think> reasoning process here </think><answer> answer here </answer><|im_end|>"


@pytest.mark.parametrize(
    ("arm", "changed"), [("vision-r1", {}), ("zero", {}), ("vision-r1", {"truncation": "penalty"})]
)
@pytest.mark.parametrize("name", NAMES)
def test_rewards_are_equal(
    name: str, arm: str, changed: dict[str, str], run: Run, tmp_path: Path, engine_python: Callable[..., Any]
) -> None:
    from transformers import AutoProcessor

    from vr1repro.training.rewards import GroupReward

    stage = run.stage(arm, 1, **changed)
    rows = [
        {"text": text, "gold": problem.answer, "choices": problem.choices}
        for problem in list(read_problems(stage.source))[:6]
        for text in completions(problem.answer)
    ]
    tokenizer = AutoProcessor.from_pretrained(stage.model).tokenizer
    penalty = stage.config.rl.truncation_penalty if changed else 0.0
    with HardFormatReward(stage.reward) as reward:
        mine = GroupReward(reward, tokenizer, penalty, None)(
            [tokenizer(row["text"], add_special_tokens=False).input_ids for row in rows],
            [row["gold"] for row in rows],
            [row["choices"] for row in rows],
            lambda name, value: None,
            [""] * len(rows),
        )
    export = exported(name, stage, tmp_path / "d")
    (tmp_path / "texts.json").write_text(json.dumps(rows))
    engine_python(name, "rewards", export, tmp_path / "texts.json", tmp_path / "rewards.json")
    assert json.loads((tmp_path / "rewards.json").read_text()) == pytest.approx(mine)
    assert len(set(mine)) > 1


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("preset", ["micro", "paper"])
@pytest.mark.parametrize("name", NAMES)
def test_the_config_is_accepted_by_its_own_validation(
    name: str, preset: str, stage: int, repo: Path, run: Run, tmp_path: Path, engine_python: Callable[..., Any]
) -> None:
    import yaml

    from vr1repro.handover.settings import settings_of

    of = run.stage("vision-r1", 1)
    config = load(repo / "config" / f"{preset}.yaml").of_arm("vision-r1")
    of = replace(of, config=config, number=stage)
    (tmp_path / "reward.py").write_text("def main(inputs):\n    return []\n")
    values = settings_of(of, ENGINES[name], tmp_path)
    (tmp_path / "stage.yaml").write_text(yaml.safe_dump(values))
    engine_python(name, "config", tmp_path, tmp_path / "checked.json")
    checked = json.loads((tmp_path / "checked.json").read_text())
    stage_of = config.arms["vision-r1"].stages[stage - 1]
    if name == "verl":
        actor = checked["actor_rollout_ref"]["actor"]
        read = (actor["optim"]["lr"], actor["kl_loss_coef"], checked["actor_rollout_ref"]["rollout"]["n"])
        assert actor["clip_ratio_c"] == 1e6
    else:
        actor = checked["worker"]["actor"]
        read = (actor["optim"]["lr"], checked["algorithm"]["kl_coef"], checked["worker"]["rollout"]["n"])
        assert actor["clip_ratio_dual"] == 1e6
        assert actor["clip_ratio_high"] == config.rl.epsilon
    assert read == (config.rl.learning_rate, config.rl.beta, stage_of.group)


@pytest.mark.parametrize("name", NAMES)
def test_a_key_that_is_new_is_noticed(name: str, tmp_path: Path, engine_python: Callable[..., Any]) -> None:
    engine_python(name, "keys", tmp_path / "keys.txt")
    kept = Path(__file__).parent / "keys" / f"{name}.txt"
    assert (tmp_path / "keys.txt").read_text() == kept.read_text(), "decide what a stage says of it (settings.py)"


def test_losses_of_verl_are_ours(tmp_path: Path, engine_python: Callable[..., Any]) -> None:
    """Each average under its name there, with the KL term; and the advantage within what the table says."""
    from vr1repro.training.losses import Update, piece_loss

    torch.manual_seed(0)
    rows, group, longest = 32, 8, 40
    mask = (torch.arange(longest)[None] < torch.randint(5, longest + 1, (rows, 1))).float()
    reward = (torch.rand(rows) > 0.6).float()
    groups = reward.view(-1, group)
    advantages = (reward - groups.mean(1).repeat_interleave(group)) / (groups.std(1).repeat_interleave(group) + 1e-4)
    old = -torch.rand(rows, longest)
    new, reference = old + 0.3 * torch.randn(rows, longest), old + 0.1 * torch.randn(rows, longest)
    batch = {"mask": mask, "reward": reward, "advantages": advantages, "old": old, "new": new, "reference": reference}
    torch.save(batch | {"group": group, "longest": longest}, tmp_path / "losses.json.in")
    engine_python("verl", "losses", tmp_path / "losses.json")
    theirs = json.loads((tmp_path / "losses.json").read_text())
    update = Update(rows=rows, tokens=mask.sum().item(), max_tokens=longest)
    names = {"dapo": "token-mean", "grpo": "seq-mean-token-mean", "dr_grpo": "seq-mean-token-sum-norm"}
    for average, name in names.items():
        mine = piece_loss(
            new, mask, advantages, update, average=average, old=old, reference=reference, clip=(0.2, 0.2), beta=0.01
        ).loss.item()
        assert theirs[name] == pytest.approx(mine, abs=1e-6), average
    assert theirs["advantages"] == pytest.approx(advantages.tolist(), rel=5e-4, abs=1e-6)
