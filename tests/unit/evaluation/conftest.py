"""A tiny random checkpoint of the real architecture."""

import pytest


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory):
    from vr1repro.config.lab import Lab, LabModel
    from vr1repro.micro.model import build, save
    from vr1repro.micro.tokenizer import Prompts

    folder = tmp_path_factory.mktemp("checkpoint")
    lab = Lab(model=LabModel(hidden=64, layers=2, heads=2, kv_heads=1, ffn=96, vision_hidden=32, vision_heads=2,
                             vision_ffn=64, mrope_section=(4, 4, 8)))  # fmt: skip
    prompts = Prompts("Q: {question} A: {answer}", "Q: {question} P: {pseudo_cot}")
    save(*build(lab, prompts, seed=0), folder)
    return folder
