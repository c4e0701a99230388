"""Breaches that must stop a run, each made here on purpose."""

import pytest
import torch

from vr1repro.errors import UserError
from vr1repro.training import guards

IMAGE = 7


def batch(**changes):
    prompts = torch.tensor([[0, IMAGE, IMAGE, 3], [IMAGE, IMAGE, 2, 3]])
    return {
        "prompt_ids": prompts,
        "image_grid_thw": torch.tensor([[1, 2, 4], [1, 2, 4]]),
        "num_images": [1, 1],
        "mm_token_type_ids": torch.cat([(prompts == IMAGE).long(), torch.zeros(2, 3, dtype=torch.long)], 1),
        **changes,
    }


def test_a_sound_batch_passes():
    guards.check_pictures(batch(), IMAGE, 2)
    guards.check_pictures({"prompt_ids": torch.tensor([[1]])}, IMAGE, 2)


def test_tokens_that_do_not_fit_the_grid():
    with pytest.raises(UserError, match=r"row 1: 2 image tokens.*grid makes 3"):
        guards.check_pictures(batch(image_grid_thw=torch.tensor([[1, 2, 4], [1, 2, 6]])), IMAGE, 2)


def test_a_mask_beside_the_picture_is_the_padding_trap():
    shifted = torch.roll(batch()["mm_token_type_ids"], 1, 1)
    with pytest.raises(UserError, match=r"image mask.*padding_side"):
        guards.check_pictures(batch(mm_token_type_ids=shifted), IMAGE, 2)


@pytest.mark.parametrize(
    ("dtype", "shift", "fails"),
    [
        (torch.float32, 0.01, True),
        (torch.float32, 1e-4, False),
        (torch.bfloat16, 0.1, False),
        (torch.bfloat16, 2, True),
    ],
)
def test_log_probs_of_two_ways(dtype, shift, fails):
    ours = torch.zeros(2, 3, dtype=dtype)
    theirs = ours + shift
    theirs[1, 2] = float("nan")  # an engine that could not say
    mask = torch.tensor([[1, 1, 0], [1, 0, 1]])
    if fails:
        with pytest.raises(UserError, match="differ from the sampling engine's"):
            guards.check_log_probs(ours, theirs, mask, "the sampling engine's")
    else:
        guards.check_log_probs(ours, theirs, mask, "the sampling engine's")


def test_differences_on_padding_do_not_count():
    guards.check_log_probs(torch.zeros(1, 2), torch.tensor([[0.0, 9.0]]), torch.tensor([[1, 0]]), "x")


def test_a_stage_that_cuts_everything():
    row = {"step": 41, "clipped_share": 0.97}
    with pytest.raises(UserError, match=r"step 41: 97% .*max_clipped_share allows 95%"):
        guards.check_clipped(row, 0.95, 40)
    guards.check_clipped(row, 1.0, 40)
