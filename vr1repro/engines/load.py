"""Load a model with the engine that the config names."""

import re
from pathlib import Path

from vr1repro.config.evaluation import EndpointSampler, Sampler, TransformersSampler
from vr1repro.core.errors import UserError
from vr1repro.core.fetch import MODEL_FILES, snapshot
from vr1repro.core.provenance import MANIFEST, content_sha, file_sha, json_sha
from vr1repro.core.records import sha256
from vr1repro.engines.base import Engine


def load_engine(model: str, sampler: Sampler, threads: int, max_image_pixels: int | None = None) -> Engine:
    """Load a model with the engine that a config names.

    Args:
        model: A checkpoint folder, `owner/name@commit` on the hub, or an endpoint's URL.
        sampler: Which engine, and its settings.
        threads: CPU threads of a model run here.
        max_image_pixels: Larger pictures are scaled down; None as the checkpoint says.

    Raises:
        UserError: Model and engine do not fit, or the model cannot be loaded.
    """
    if model.startswith(("http://", "https://")) != isinstance(sampler, EndpointSampler):
        raise UserError(
            f"{model}: an endpoint needs a sampler of kind openai, a checkpoint one of kind transformers or vllm"
        )
    if isinstance(sampler, EndpointSampler):
        from vr1repro.engines.endpoint.client import EndpointEngine

        return EndpointEngine(model, sampler, max_image_pixels=max_image_pixels)
    folder, model_sha = _checkpoint(model)
    if isinstance(sampler, TransformersSampler):
        from vr1repro.engines.transformers.engine import TransformersEngine

        return TransformersEngine(
            folder, sampler, model_sha=model_sha, threads=threads, max_image_pixels=max_image_pixels
        )
    from vr1repro.engines.vllm import VllmEngine

    return VllmEngine(folder, sampler, model_sha=model_sha, max_image_pixels=max_image_pixels)


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
