"""Load a model with the engine that the config names.

Engines are loaded by name, so that a rule's code hash covers only those that its config uses (`engine_modules`).
"""

import importlib
import re
from pathlib import Path
from typing import Any

from vr1repro.config.samplers import EndpointSampler, Sampler, VllmSampler
from vr1repro.core.errors import UserError
from vr1repro.core.fetch import MODEL_FILES, snapshot
from vr1repro.core.provenance import MANIFEST, content_sha, file_sha, json_sha
from vr1repro.core.records import sha256
from vr1repro.engines.base import Engine
from vr1repro.engines.model_folder import check_files, refuse_pickles

# Kind of a sampler to the engine that samples.
ENGINES = {
    "transformers": "vr1repro.engines.transformers.engine:TransformersEngine",
    "vllm": "vr1repro.engines.vllm:VllmEngine",
    "openai": "vr1repro.engines.endpoint.client:EndpointEngine",
}
# What serves a model of ours to the endpoint's client.
SERVER = "vr1repro.engines.server"


def load_engine(
    model: str, sampler: Sampler, threads: int, max_image_pixels: int | None = None, journal: Path | None = None
) -> Engine:
    """Load a model with the engine that a config names.

    Args:
        model: A checkpoint folder, `owner/name@commit` on the hub, or an endpoint's URL.
        sampler: Which engine, and its settings.
        threads: CPU threads of a model run here.
        max_image_pixels: Larger pictures are scaled down; None as the checkpoint says.
        journal: Where replies of an endpoint are kept until they are taken; None keeps none.

    Raises:
        UserError: Model and engine do not fit, or the model cannot be loaded.
    """
    if model.startswith(("http://", "https://")) != isinstance(sampler, EndpointSampler):
        raise UserError(
            f"{model}: an endpoint needs a sampler of kind openai, a checkpoint one of kind transformers or vllm"
        )
    if isinstance(sampler, EndpointSampler):
        engine: Engine = engine_class(sampler)(model, sampler, max_image_pixels=max_image_pixels, journal=journal)
        return engine
    folder, model_sha = _checkpoint(model)
    check_files(folder)
    if isinstance(sampler, VllmSampler):
        refuse_pickles(folder)
    engine = engine_class(sampler)(
        folder, sampler, model_sha=model_sha, max_image_pixels=max_image_pixels, threads=threads
    )
    return engine


def engine_class(sampler: Sampler) -> Any:
    """The class of the engine that a sampler names; its module is loaded."""
    module, _, name = ENGINES[sampler.kind].partition(":")
    return getattr(importlib.import_module(module), name)


def engine_modules(sampler: Sampler) -> list[str]:
    """Modules that `load_engine` loads by name for a sampler, for a rule's code hash."""
    return [ENGINES[sampler.kind].partition(":")[0]]


def refuse_unknown(model: str) -> None:
    """Refuse a model that is neither an endpoint nor a folder nor a pinned checkpoint on the hub.

    Raises:
        UserError: It is none of them.
    """
    pinned = re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", model)
    if not (model.startswith(("http://", "https://")) or Path(model).is_dir() or pinned):
        raise UserError(f"{model}: not a folder, and not owner/name@<commit of 40 hex digits> on the hub")


def _checkpoint(model: str) -> tuple[Path, str]:
    """Folder and weight hash of a checkpoint; one on the hub is fetched (safetensors and configuration only)."""
    folder = Path(model)
    if folder.is_dir():
        if (folder / MANIFEST).exists():
            return folder, content_sha(folder)
        weights = sorted(folder.glob("*.safetensors"))
        if not weights:
            raise UserError(f"{folder}: holds no .safetensors file, so it is no checkpoint that is loaded here")
        return folder, json_sha([file_sha(path) for path in weights])
    refuse_unknown(model)
    repository, _, commit = model.partition("@")
    fetched, _ = snapshot(repository, commit, "model", MODEL_FILES)
    return fetched, sha256(f"hub {repository}@{commit}")
