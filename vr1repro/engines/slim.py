"""Importing transformers and TRL without what they import only because it is installed.

A job of the micro run works for half a minute, so a start of ten seconds shows. transformers takes scikit-learn for
assisted generation, which brings half of scipy, and scipy for object detection (3 of its 9 seconds); TRL takes vLLM
wherever it finds it (7 seconds). Whoever imports these packages later gets them; transformers and TRL themselves
remember that they found none, which only detection losses, assisted generation and sampling with vLLM would miss.

Python's collector is off meanwhile: an import leaves half a million objects and no garbage, and looking through them
again and again is a fifth of its time. Afterwards it leaves them alone.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from vr1repro.core.upstream import require


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """Let what is imported inside believe that these packages are not installed, where they are not loaded yet."""
    hidden = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # refuses an import
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        for package in hidden:
            del sys.modules[package]
        gc.freeze()
        if collects:
            gc.enable()


def import_transformers() -> None:
    """Import what every image-text model needs of transformers."""
    require("transformers")
    with without("sklearn", "scipy"):
        from transformers import AutoModelForImageTextToText, AutoProcessor, GenerationMixin  # noqa: F401
        from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl, processing_qwen2_5_vl  # noqa: F401


def import_trl(*, vllm: bool) -> None:
    """Import TRL's trainers; `vllm`: one of them will sample with it."""
    require("trl")
    import_transformers()
    with without("sklearn", "scipy", *([] if vllm else ["vllm"])):
        from trl import GRPOTrainer, SFTTrainer  # noqa: F401
