"""Bring model weights from the hub or a local folder into the run."""

from pathlib import Path

from vr1repro.config.models import HubModel, LocalModel
from vr1repro.core.errors import UserError
from vr1repro.core.fetch import MODEL_FILES, link, local_folder, snapshot


def fetch_model(source: HubModel | LocalModel, out: Path) -> str | None:
    """Link a model's files into `out` and close the folder with a manifest.

    Returns:
        The commit that was fetched, None for a local folder.

    Raises:
        UserError: The folder or repository is missing or holds no safetensors.
    """
    if isinstance(source, LocalModel):
        folder, commit = local_folder(source.path), None
    else:
        folder, commit = snapshot(source.id, source.revision, "model", MODEL_FILES)
    if not list(folder.glob("*.safetensors")):
        raise UserError(f"{folder}: holds no *.safetensors; other weight formats are not loaded")
    link(folder, out, "model", source.model_dump(mode="json"), commit, MODEL_FILES)
    return commit
