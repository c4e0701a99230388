"""The settings of Modality Bridging that its tests share."""

from typing import Any

from vr1repro.config.coldset import ColdsetSettings

SCRIPTED = {"kind": "scripted"}


def coldset_settings(**changes: Any) -> ColdsetSettings:
    """Settings of one small source, with scripted models, but for some values."""
    values = {
        "sources": ["s"], "shards": 1, "mllm": SCRIPTED, "reasoner": SCRIPTED, "answer_in_reasoner_prompt": False,
        "max_chain_chars": 2000, "repetition_ngram": 8, "repetition_share": 0.5, "polish": True, "released": None,
    }  # fmt: skip
    return ColdsetSettings.model_validate(values | changes)
