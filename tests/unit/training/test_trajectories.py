"""Loss, gradient, reward and length of a short SFT and a short GRPO, step by step, against a committed reference.

What another processor computes differs in the last bits, and a sampled token that falls the other way makes another
trajectory. So the stages start from untrained weights and are short enough that none does. Largest differences from
the reference, which was made with AVX512 (Xeon of family 6, model 207; torch 2.13), on the same machine with

    ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_CBWR=COMPATIBLE
    ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_CBWR=AVX2
    ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2, and no AVX2 or FMA in glibc

were, relative: loss of SFT 1.8e-7, norm of a gradient 5.6e-7, entropy 7.8e-8, KL 3.1e-6; absolute: loss of GRPO, a sum
that nearly cancels, 1.5e-7. Rewards, lengths and clipped shares were equal. TOLERANCE is some six times the largest.

After a change that means to change training, write the reference anew and look at the difference:

    pytest tests/unit/training/test_trajectories.py -m "" --write-references
"""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vr1repro.config.arms import Stage
from vr1repro.core.files import write_atomically
from vr1repro.core.jsonl import read_lines

pytestmark = pytest.mark.slow

REFERENCE = Path(__file__).with_name("trajectories.json")
KEYS = ("loss", "grad_norm", "reward", "mean_length", "clipped_share", "entropy", "kl")
TOLERANCE = {"rel": 2e-5, "abs": 1e-6}


def curves(folder: Path) -> dict[str, list[Any]]:
    rows = [row for _, row in read_lines(folder / "steps.jsonl")]
    return {key: [row[key] for row in rows] for key in KEYS if rows[0].get(key) is not None}


def sft(lab: SimpleNamespace, out: Path) -> dict[str, list[Any]]:
    from vr1repro.training import sft

    sft.train(lab.config.sft.model_copy(update={"epochs": 3}), lab.model, lab.coldset, "chains", 1, 1, out)
    return curves(out)


def rl(lab: SimpleNamespace, out: Path) -> dict[str, list[Any]]:
    from vr1repro.training import grpo

    job = grpo.StageJob(
        arm="a", number=1, stage=Stage(max_tokens=8, group=4, steps=4), first_step=0, kept_steps=[4], skip_prompts=0,
        system_prompt=None, seed=1,
    )  # fmt: skip
    settings = lab.config.rl.model_copy(update={"updates_per_rollout": 2})
    grpo.train(job, settings, lab.config.rewards["format-and-result"], lab.model, lab.model, lab.problems, 1, out)
    return curves(out)


def test_training_takes_the_path_of_the_reference(
    lab: SimpleNamespace, tmp_path: Path, repo: Path, reference_file: Callable[[str], Path], lively: None
) -> None:
    stages = {"sft": sft(lab, tmp_path / "sft"), "rl": rl(lab, tmp_path / "rl")}
    place = reference_file(REFERENCE.relative_to(repo).as_posix())
    write_atomically(place, json.dumps(stages, indent=1) + "\n")
    reference = json.loads(REFERENCE.read_text(encoding="utf-8"))
    assert stages.keys() == reference.keys()
    for stage, expected in reference.items():
        assert stages[stage].keys() == expected.keys()
        for key, values in expected.items():
            assert stages[stage][key] == pytest.approx(values, **TOLERANCE), f"{stage}: {key}"
    # A path that goes nowhere would hold on any processor.
    assert all(len(set(stages[stage]["loss"])) > 3 for stage in stages)
