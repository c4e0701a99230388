"""Sampling by groups against transformers' own `generate` with the same random numbers."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from vr1repro.core.problem_files import ProblemFile

pytestmark = pytest.mark.slow

LIMIT = 12


@pytest.fixture(scope="module")
def loaded(lab: SimpleNamespace) -> Any:
    """Model, processor, and a left-padded batch of three prompts in groups of 3, 2 and 1, shuffled."""
    from vr1repro.training import checkpoints
    from vr1repro.training.data import PictureLimits, rl_rows

    model, processor = checkpoints.load(lab.model, lab.config.rl.launch)
    model.eval()
    rows = list(rl_rows(ProblemFile(lab.problems), range(3), None, PictureLimits()))
    chosen = [rows[k] for k in (0, 1, 0, 2, 1, 0)]
    texts = [processor.apply_chat_template(row["prompt"], add_generation_prompt=True) for row in chosen]
    batch = processor(text=texts, images=[row["images"] for row in chosen], padding=True, return_tensors="pt")
    return model, processor, dict(batch)


def config(processor: Any, **changes: Any) -> Any:
    from transformers import GenerationConfig

    ends, padding = [processor.tokenizer.eos_token_id], processor.tokenizer.pad_token_id
    values = {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": LIMIT, "do_sample": True,
              "eos_token_id": ends, "pad_token_id": padding}  # fmt: skip
    return GenerationConfig(**{**values, **changes})


def test_a_group_s_prompt_read_once_gives_the_same_completions(loaded: Any) -> None:
    from vr1repro.engines.base import Sampling
    from vr1repro.engines.transformers.sampling import decode
    from vr1repro.training.rollout import sample_groups

    model, processor, batch = loaded
    torch.manual_seed(3)
    sampled = sample_groups(model, generation_config=config(processor), **batch)
    torch.manual_seed(3)
    numbers = torch.rand(6, LIMIT, dtype=torch.float64)
    stops = frozenset([processor.tokenizer.eos_token_id])
    rows = decode(model, batch, numbers, Sampling(1.0, 1.0, LIMIT), stops)
    assert torch.equal(sampled[:, : batch["input_ids"].shape[1]], batch["input_ids"])
    behind = sampled[:, batch["input_ids"].shape[1] :].tolist()
    assert [row[: len(alone)] for row, alone in zip(behind, rows, strict=True)] == rows
    assert len({tuple(row) for row in rows}) == 6


def test_what_is_banned_is_never_drawn(loaded: Any) -> None:
    from vr1repro.training.rollout import sample_groups

    model, processor, batch = loaded
    allowed = {5, 6}
    banned = [token for token in range(model.config.text_config.vocab_size) if token not in allowed]
    sampled = sample_groups(model, generation_config=config(processor, suppress_tokens=banned), **batch)
    assert set(sampled[:, batch["input_ids"].shape[1] :].flatten().tolist()) <= allowed


def test_a_group_shares_one_pass_of_the_vision_tower(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from vr1repro.training.rollout import sample_groups

    model, processor, batch = loaded
    seen: list[int] = []
    inner = model.model.visual.forward

    def counted(pixels: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(len(pixels))
        return inner(pixels, *args, **kwargs)

    monkeypatch.setattr(model.model.visual, "forward", counted)
    sample_groups(model, generation_config=config(processor), **batch)
    assert sum(seen) < len(batch["pixel_values"])


def test_text_alone_is_sampled_too(loaded: Any) -> None:
    from vr1repro.training.rollout import sample_groups

    model, processor, _ = loaded
    text = processor(text=["1 + 1 = ", "12 + 3 = "], padding=True, return_tensors="pt")
    sampled = sample_groups(model, generation_config=config(processor), **text)
    assert sampled.shape[0] == 2
