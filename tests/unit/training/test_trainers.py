"""What this package adds to TRL's GRPO trainer, against stock TRL and against formulas written out."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from vr1repro.config.arms import Stage
from vr1repro.core.errors import UserError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def job() -> Any:
    from vr1repro.training.grpo import StageJob

    return StageJob(
        arm="a", number=1, stage=Stage(max_tokens=8, group=4, steps=6), first_step=0, kept_steps=[6], skip_prompts=0,
        system_prompt=None, seed=1,
    )  # fmt: skip


def run(lab: SimpleNamespace, out: Any, job: Any, **changes: Any) -> list[dict[str, Any]]:
    from vr1repro.training import grpo

    settings = lab.config.rl.model_copy(update={"max_clipped_share": 1.0, **changes})
    reward = lab.config.rewards["format-and-result"]
    grpo.train(job, settings, reward, lab.model, lab.model, lab.problems, 1, out)
    return [json.loads(line) for line in (out / "steps.jsonl").read_text().splitlines()]


def stock(lab: SimpleNamespace, out: Any, job: Any, settings: Any) -> Any:
    """The same stage by TRL alone: its trainer after training, no part of ours but arguments, rows and reward."""
    from trl import GRPOTrainer

    from vr1repro.answers.reward import HardFormatReward
    from vr1repro.core.problem_files import ProblemFile
    from vr1repro.training import checkpoints
    from vr1repro.training.data import PictureLimits, rl_order, rl_rows
    from vr1repro.training.grpo import arguments
    from vr1repro.training.rewards import GroupReward

    checkpoints.set_up_process(1)
    model, processor = checkpoints.load(lab.model, settings.launch)
    problems = ProblemFile(lab.problems)
    order = rl_order(len(problems), job.seed, 0, job.stage.steps * settings.prompts_per_step)
    rows = rl_rows(problems, order, None, PictureLimits())
    args = arguments(settings, job, out, [])
    args.save_strategy = "no"
    with HardFormatReward(lab.config.rewards["format-and-result"]) as reward:
        trainer = GRPOTrainer(model=model, reward_funcs=GroupReward(reward, processor.tokenizer, 0.0, None), args=args,
                              train_dataset=rows, processing_class=processor)  # fmt: skip
        trainer.train()
    return trainer


def log_of(trainer: Any) -> list[dict[str, Any]]:
    return [row for row in trainer.state.log_history if "loss" in row]


@pytest.mark.parametrize(
    ("steps", "packed"), [(6, False), (6, True), pytest.param(20, False, marks=pytest.mark.verify)]
)
def test_stock_trl_gives_the_same_losses_and_rewards(
    lab: SimpleNamespace, tmp_path: Any, job: Any, lively: None, steps: int, packed: bool
) -> None:
    job = replace(job, stage=Stage(max_tokens=8, group=4, steps=steps), kept_steps=[steps])
    generation = lab.config.rl.generation.model_copy(update={"ban_placeholders": False, "by_groups": False})
    changes = {"share_prefix": packed, "pack": packed, "generation": generation}
    ours = run(lab, tmp_path / "ours", job, **changes)
    settings = lab.config.rl.model_copy(update=changes)
    theirs = log_of(stock(lab, tmp_path / "stock", job, settings))
    assert len({row["loss"] for row in ours}) == steps
    for mine, their in zip(ours, theirs, strict=True):
        # Sums in another order, whose rounding each update carries on.
        exact = {"rel": 1e-3, "abs": 1e-5}
        assert mine["loss"] == pytest.approx(their["loss"], **exact)
        assert mine["reward"] == pytest.approx(their["reward"], **exact)
        assert mine["mean_length"] == their["completions/mean_length"]


def test_thirty_steps_on_the_same_samples_end_at_stock_trl_s_weights(
    lab: SimpleNamespace, tmp_path: Any, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from run_stage import replay_rollouts
    from safetensors.torch import load_file
    from trl import GRPOTrainer

    from vr1repro.answers.reward import HardFormatReward

    for owner, name in ((GRPOTrainer, "_generate_single_turn"), (HardFormatReward, "score")):
        monkeypatch.setattr(owner, name, getattr(owner, name))  # what replaying patches is put back
    replay_rollouts()
    job = replace(job, stage=Stage(max_tokens=8, group=4, steps=30), kept_steps=[30])
    ours = run(lab, tmp_path / "ours", job, share_prefix=True, pack=True)
    changes = {"share_prefix": False, "pack": False, "max_clipped_share": 1.0}
    trainer = stock(lab, tmp_path / "stock", job, lab.config.rl.model_copy(update=changes))
    assert [row["reward"] for row in ours] == pytest.approx([row["reward"] for row in log_of(trainer)])
    began, mine = load_file(lab.model / "model.safetensors"), load_file(tmp_path / "ours/step30/model.safetensors")
    trainer.save_model(str(tmp_path / "theirs"))
    theirs = load_file(tmp_path / "theirs/model.safetensors")
    assert set(mine) == set(theirs)
    moved = sum((theirs[name].float() - began[name].float()).square().sum() for name in theirs).sqrt()
    apart = sum((theirs[name].float() - mine[name].float()).square().sum() for name in theirs).sqrt()
    size = sum(weight.float().square().sum() for weight in theirs.values()).sqrt()
    assert moved > 1e-3 * size
    assert apart < 1e-4 * size


def test_phases_and_samples_are_logged(lab: SimpleNamespace, tmp_path: Any, job: Any) -> None:
    run(lab, tmp_path / "a", job)
    timing = [json.loads(line) for line in (tmp_path / "a" / "timing.jsonl").read_text().splitlines()]
    for row in timing:
        parts = [row[name] for name in ("generate", "reward", "log_probs", "update")]
        assert min(parts) >= 0
        assert sum(parts) <= row["seconds"] + 1e-3
    assert sum(row["generate"] for row in timing) > 0
    samples = [json.loads(line) for line in (tmp_path / "a" / "samples.jsonl").read_text().splitlines()]
    assert len(samples) == job.stage.steps
    assert {"id", "completion", "gold", "reward", "outcome"} == set(samples[0])


def test_a_step_is_a_rollout_with_its_updates(lab: SimpleNamespace, tmp_path: Any, job: Any, lively: None) -> None:
    changes = {"updates_per_rollout": 2, "learning_rate": 3e-3}
    rows = run(lab, tmp_path / "out", job, **changes)
    assert [(row["step"], row["updates"], row["schema_version"]) for row in rows] == [(n, 2, 2) for n in range(1, 7)]
    assert len({(row["reward"], row["mean_length"]) for row in rows}) == 6  # each of another rollout
    # The second update on a rollout meets a policy that has moved, so that the clip range has something to clip.
    assert max(row["ratio_clipped_share"] for row in rows) > 0
    assert {row["ratio_clipped_share"] for row in run(lab, tmp_path / "one", job, learning_rate=3e-3)} == {0}


def test_no_loss_depends_on_how_passes_are_cut(lab: SimpleNamespace, tmp_path: Any, job: Any, lively: None) -> None:
    for loss in ("dapo", "grpo", "dr_grpo", "sequence"):
        whole, cut = (
            run(lab, tmp_path / f"{loss}-{tokens}", job, loss=loss, tokens_per_forward=tokens, updates_per_rollout=2)
            for tokens in (10_000, 60)
        )
        for name in ("loss", "grad_norm", "entropy", "kl"):
            assert [row[name] for row in cut] == pytest.approx([row[name] for row in whole], rel=1e-3, abs=1e-6)


def test_a_truncated_completion_pays_the_penalty(lab: SimpleNamespace, tmp_path: Any, job: Any) -> None:
    zero = run(lab, tmp_path / "zero", job)[0]
    paid = run(lab, tmp_path / "paid", job, truncation="penalty", truncation_penalty=0.5)[0]
    assert zero["clipped_share"] == paid["clipped_share"] > 0
    assert paid["reward"] == pytest.approx(zero["reward"] - 0.5 * zero["clipped_share"])


def test_a_stage_whose_completions_are_all_cut_stops(lab: SimpleNamespace, tmp_path: Any, job: Any) -> None:
    job = replace(job, stage=Stage(max_tokens=1, group=4, steps=2), kept_steps=[2])
    with pytest.raises(UserError, match="max_clipped_share"):
        run(lab, tmp_path / "a", job, max_clipped_share=0.5)


@pytest.mark.parametrize(("beta", "shift"), [(0.0, 0.0), (0.01, 0.0), (0.01, 0.3), (0.5, -0.4)])
def test_the_printed_loss_is_equation_1(beta: float, shift: float) -> None:
    """Eq. 1 written out sequence by sequence, and its gradient by finite differences of the formula itself."""
    from vr1repro.training.losses import Update, piece_loss

    generator = torch.Generator().manual_seed(0)
    log_probs = -torch.rand(4, 5, generator=generator, dtype=torch.float64)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]])
    old = log_probs - shift * torch.rand(4, 5, generator=generator, dtype=torch.float64)
    reference = log_probs + 0.1 * torch.randn(4, 5, generator=generator, dtype=torch.float64)
    advantages = torch.tensor([1.0, -0.5, 0.3, -0.8], dtype=torch.float64)

    def objective(values: torch.Tensor) -> torch.Tensor:
        total = torch.zeros((), dtype=torch.float64)
        for row in range(4):
            kept = mask[row].bool()
            ratio = torch.exp((values[row] - old[row])[kept].sum())
            gain = torch.min(ratio * advantages[row], ratio.clamp(0.8, 1.2) * advantages[row])
            behind = (reference[row] - values[row])[kept].sum()
            total = total + gain - beta * (torch.exp(behind) - behind - 1)
        return total / 4

    policy = log_probs.clone().requires_grad_()
    update = Update(rows=4, tokens=11.0, max_tokens=5)
    result = piece_loss(
        policy, mask, advantages, update, average="sequence", old=old, reference=reference, clip=(0.2, 0.2), beta=beta
    )  # fmt: skip
    result.loss.backward()
    values = log_probs.clone().requires_grad_()
    expected = -objective(values)
    expected.backward()
    torch.testing.assert_close(result.loss, expected)
    torch.testing.assert_close(policy.grad, values.grad)
    assert (result.divergence == 0) == (not beta)


def test_the_printed_loss_trains(lab: SimpleNamespace, tmp_path: Any, job: Any, lively: None) -> None:
    rows = run(lab, tmp_path / "a", job, loss="sequence")
    assert all(torch.isfinite(torch.tensor(row["loss"])) for row in rows)
    assert rows[1]["loss"] != 0  # the first may be 0: where all completions are as long, advantages cancel
    assert rows[1]["kl"] > 0


def test_a_loss_that_is_not_finite_keeps_its_batch(
    lab: SimpleNamespace, tmp_path: Any, job: Any, lively: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vr1repro.training import losses, trainer

    def not_finite(*args: Any, **kwargs: Any) -> Any:
        return replace(losses.piece_loss(*args, **kwargs), loss=torch.tensor(float("nan")))

    monkeypatch.setattr(trainer, "piece_loss", not_finite)
    with pytest.raises(UserError, match=r"update 1 .*not-finite-update1\.pt"):
        run(lab, tmp_path / "a", job)
    (path,) = (tmp_path / "a").glob("not-finite-update*.pt")
    assert "completion_ids" in torch.load(path)
