"""Real SFT and GRPO runs of a few steps on an untrained tiny Qwen2.5-VL."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vr1repro.config.arms import Stage
from vr1repro.core.errors import UserError
from vr1repro.core.problem_files import read_problems, write_problems
from vr1repro.core.provenance import content_sha, read_manifest, write_manifest

pytestmark = pytest.mark.slow


@pytest.fixture
def job() -> Any:
    from vr1repro.training.grpo import StageJob

    stage = Stage(max_tokens=6, group=4, steps=2)
    return StageJob(
        arm="vision-r1", number=1, stage=stage, first_step=0, kept_steps=[1, 2], skip_prompts=0,
        system_prompt=None, seed=1,
    )  # fmt: skip


def run_sft(lab: SimpleNamespace, out: Path, seed: int = 1, **changes: Any) -> Path:
    from vr1repro.training import sft

    settings = lab.config.sft.model_copy(update=changes)
    sft.train(settings, lab.model, lab.coldset, "chains", seed, 1, out)
    return out


def run_rl(lab: SimpleNamespace, out: Path, job: Any, reward: str = "format-and-result", **changes: Any) -> Path:
    from vr1repro.training import grpo

    settings = lab.config.rl.model_copy(update=changes)
    grpo.train(job, settings, lab.config.rewards[reward], lab.model, lab.model, lab.problems, 1, out)
    return out


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()]


def test_sft_twice_is_the_same_and_another_seed_is_not(lab: SimpleNamespace, tmp_path: Path) -> None:
    first, again = run_sft(lab, tmp_path / "a"), run_sft(lab, tmp_path / "b")
    other = run_sft(lab, tmp_path / "c", seed=2)
    assert content_sha(first) == content_sha(again)
    assert (first / "final" / "model.safetensors").read_bytes() == (again / "final" / "model.safetensors").read_bytes()
    assert rows(first) != rows(other)
    assert read_manifest(first)["content"]["facts"] == {"rows": 16, "rows_too_long": 0, "steps": 2}


def test_sft_freezes_the_vision_tower(lab: SimpleNamespace, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    before = load_file(lab.model / "model.safetensors")
    after = load_file(run_sft(lab, tmp_path / "a") / "final" / "model.safetensors")
    assert before.keys() == after.keys()
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed
    assert not any("visual" in name for name in changed)


def test_sft_leaves_out_rows_over_the_cutoff(lab: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no row of at most sft\.cutoff 10 tokens; 16 are longer"):
        run_sft(lab, tmp_path / "a", cutoff=10)


def test_sft_without_completions_is_one_clear_error(lab: SimpleNamespace, tmp_path: Path) -> None:
    bare = [problem.model_copy(update={"metadata": {}}) for problem in read_problems(lab.problems)]
    write_problems(tmp_path / "coldset" / "coldset.parquet", bare)
    write_manifest(tmp_path / "coldset", "coldset", {}, {})
    with pytest.raises(UserError, match="has no completion"):
        run_sft(SimpleNamespace(**{**vars(lab), "coldset": tmp_path / "coldset"}), tmp_path / "a")


def test_rl_twice_is_the_same_and_another_seed_is_not(lab: SimpleNamespace, tmp_path: Path, job: Any) -> None:
    first, again = run_rl(lab, tmp_path / "a", job), run_rl(lab, tmp_path / "b", job)
    other = run_rl(lab, tmp_path / "c", replace(job, seed=2))
    assert content_sha(first) == content_sha(again)
    assert rows(first) != rows(other)


def test_rl_keeps_the_asked_steps_and_logs_each(lab: SimpleNamespace, tmp_path: Path, job: Any) -> None:
    out = run_rl(lab, tmp_path / "a", replace(job, first_step=5, kept_steps=[6, 7]), reward="hard")
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["step6", "step7"]
    logged = rows(out)
    assert [row["step"] for row in logged] == [6, 7]
    for row in logged:
        assert sum(row["outcomes"].values()) == pytest.approx(1)
        # An untrained model has no format, hence no reward under the hard rule, hence no group with any spread.
        assert (row["reward"], row["format_share"], row["zero_variance_share"]) == (0, 0, 1)
        assert 0 < row["mean_length"] <= 6
    assert read_manifest(out)["content"]["facts"]["length_x_group"] == 24
    # Both steps are kept, each with settings of its own.
    assert content_sha(out / "step6") != content_sha(out / "step7")


def test_rl_saves_passing_steps_apart(lab: SimpleNamespace, tmp_path: Path, job: Any) -> None:
    out = run_rl(lab, tmp_path / "a", replace(job, kept_steps=[2], passing_steps=[1]))
    candidate = out / "candidates" / "step1"
    same = run_rl(lab, tmp_path / "b", job)
    assert content_sha(candidate) == content_sha(same / "step1")  # weights and processor, as any that is kept
    assert not any(name.startswith("candidates/") for name in read_manifest(out)["content"]["files"])
    assert "step2/model.safetensors" in read_manifest(out)["content"]["files"]


def test_the_image_mask_lies_on_the_image_tokens(
    lab: SimpleNamespace, tmp_path: Path, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TRL takes the mask from the processor's padding side; with another side than its own, M-RoPE is wrong."""
    from trl import GRPOTrainer

    seen = []
    original = GRPOTrainer._get_per_token_logps_and_entropies

    def spy(self: Any, model: Any, input_ids: Any, *args: Any, **kwargs: Any) -> Any:
        image = self.processing_class.tokenizer.convert_tokens_to_ids("<|image_pad|>")
        seen.append(bool((kwargs["mm_token_type_ids"] == (input_ids == image)).all()))
        return original(self, model, input_ids, *args, **kwargs)

    monkeypatch.setattr(GRPOTrainer, "_get_per_token_logps_and_entropies", spy)
    run_rl(lab, tmp_path / "a", job)
    assert seen
    assert all(seen)


def test_a_prompt_over_the_limit_is_refused_by_name(lab: SimpleNamespace, tmp_path: Path, job: Any) -> None:
    with pytest.raises(UserError, match=r"rl\.max_prompt_tokens: problem .* the limit is 5"):
        run_rl(lab, tmp_path / "a", job, max_prompt_tokens=5)


def test_a_half_written_start_is_refused(lab: SimpleNamespace, tmp_path: Path, job: Any) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(UserError, match="half-written"):
        run_rl(SimpleNamespace(**{**vars(lab), "model": tmp_path / "model"}), tmp_path / "a", job)


def test_another_number_of_processes_is_refused(lab: SimpleNamespace, tmp_path: Path) -> None:
    launch = lab.config.sft.launch.model_copy(update={"processes": 2})
    with pytest.raises(UserError, match="asks for 1 x 2 = 2 processes, 1 were started"):
        run_sft(lab, tmp_path / "a", launch=launch)
