"""Breaches that must stop a run, each made here on purpose."""

import subprocess
import sys
from contextlib import nullcontext

import pytest
import torch

from vr1repro.core.errors import UserError
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
    """No error is what it shows: the tests below show the errors of batches that are not sound."""
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
    ("exact", "shifts", "fails"),
    [
        (True, [[0.01, 0, 9], [0, 0, 0]], True),
        (True, [[1e-4, 1e-4, 9], [0, 0, float("nan")]], False),  # an engine that could not say; padding
        (False, [[0.1, 0, 9], [0, 0, 0]], False),  # 0.1 over four tokens
        (False, [[0.1, 0.1, 0], [0.1, 9, 0.1]], True),
    ],
)
def test_log_probs_of_two_ways(exact, shifts, fails):
    ours, mask = torch.zeros(2, 3), torch.tensor([[1, 1, 0], [1, 0, 1]])
    theirs = ours + torch.tensor(shifts, dtype=torch.float32)
    # No error is what the other rows show.
    with pytest.raises(UserError, match="differ from the sampling engine's") if fails else nullcontext():
        guards.check_log_probs(ours, theirs, mask, "the sampling engine's", exact=exact)


def test_a_sync_that_hangs_ends_the_process_and_says_where() -> None:
    code = (
        "import signal\nfrom vr1repro.training.guards import deadline\n"
        "with deadline(60, 'this'): pass\n"
        "with deadline(0.2, 'the sync'): signal.pause()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "the sync did not end within 0.2 s" in done.stderr
    assert 'File "<string>", line 4' in done.stderr


def test_a_stage_that_cuts_everything():
    row = {"step": 41, "clipped_share": 0.97}
    with pytest.raises(UserError, match=r"step 41: 97% .*max_clipped_share allows 95%"):
        guards.check_clipped(row, 0.95, 40)
    guards.check_clipped(row, 1.0, 40)  # no error: 97% is allowed
