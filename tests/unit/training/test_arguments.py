"""What TRL is told: the loss is on completions alone, and nothing corrects the sampler unasked."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vr1repro.config import loader
from vr1repro.config.arms import Stage
from vr1repro.core.problem_files import ProblemFile

CONFIGS = sorted(path.name for path in (Path(__file__).parents[3] / "config").glob("*.yaml"))


@pytest.mark.slow
def test_only_completions_are_learnt_and_prompts_say_nothing_of_tags(lab: SimpleNamespace, tmp_path: Path) -> None:
    """No instruction about tags (the author in issue #12); TRL's own collator masks what is no completion."""
    from transformers import AutoProcessor
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    from vr1repro.training import sft
    from vr1repro.training.data import PictureLimits, sft_rows

    told = sft.arguments(lab.config.sft, 1, tmp_path)
    assert told.completion_only_loss is True
    processor = AutoProcessor.from_pretrained(lab.model)
    problems = ProblemFile(lab.coldset / "coldset.parquet")
    rows, _, left_out = sft_rows(problems, "chains", processor, lab.config.sft.cutoff, PictureLimits())
    assert (len(rows), left_out) == (len(problems), 0)
    collate = DataCollatorForVisionLanguageModeling(processor, completion_only_loss=told.completion_only_loss)
    for row, problem in zip(rows, problems, strict=True):
        batch = collate([row])  # once: TRL's collator writes into what it is given
        (labels,), (ids,) = batch["labels"], batch["input_ids"]
        learnt = processor.tokenizer.decode(ids[labels != -100])
        completion = str(problem.metadata["completion"])
        assert learnt.strip().removesuffix("<|im_end|>") == completion
        before = processor.tokenizer.decode(ids[labels == -100])
        assert problem.question in before
        assert not any(tag in before for tag in ("<think>", "<answer>", "Final Answer"))


@pytest.mark.parametrize("name", CONFIGS)
def test_no_config_corrects_what_vllm_samples(name: str) -> None:
    """Eq. 1 has no such factor, and TRL's default fades long completions."""
    assert loader.load(Path(__file__).parents[3] / "config" / name).rl.generation.correction == "none"


@pytest.mark.parametrize(
    ("correction", "told"),
    [
        ("none", (False, None, None)),
        ("token_truncate", (True, "token_truncate", 2.0)),
        ("sequence_mask", (True, "sequence_mask", 2.0)),
    ],
)
@pytest.mark.parametrize("engine", ["vllm-colocate", "vllm-server"])
def test_trl_is_told_which_correction(
    lab: SimpleNamespace, tmp_path: Path, engine: str, correction: str, told: tuple[Any, ...]
) -> None:
    from vr1repro.training import grpo

    job = grpo.StageJob(
        arm="a", number=1, stage=Stage(max_tokens=6, group=4, steps=2), first_step=0, kept_steps=[2], skip_prompts=0,
        system_prompt=None, seed=1,
    )  # fmt: skip
    changes = {"engine": engine, "correction": correction, "server_url": "http://127.0.0.1:1"}
    settings = lab.config.rl.model_copy(update={"generation": lab.config.rl.generation.model_copy(update=changes)})
    arguments = grpo.arguments(settings, job, tmp_path, [])
    assert arguments.use_vllm is True
    assert arguments.vllm_importance_sampling_correction is told[0]
    if told[0]:
        assert (arguments.vllm_importance_sampling_mode, arguments.vllm_importance_sampling_clip_max) == told[1:]
