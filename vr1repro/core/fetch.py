"""Bring model weights and finished data sets from the hub or a local folder into the run, pinned and hashed."""

import shutil
from pathlib import Path

from vr1repro.config.base import Section
from vr1repro.config.models import HubData, HubModel, LocalData, LocalModel
from vr1repro.config.problems import ProblemSource
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import CONTENT, MANIFEST, write_manifest

# Never pickles, never code: safetensors, configs, tokenizer and processor files, model cards and licences.
MODEL_FILES = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "README.md", "LICENSE*"]


def fetch_model(source: HubModel | LocalModel, out: Path) -> str | None:
    """Link a model's files into `out` and close the folder with a manifest.

    Returns:
        The commit that was fetched, None for a local folder.

    Raises:
        UserError: The folder or repository is missing or holds no safetensors.
    """
    folder, commit = _model_folder(source)
    if not list(folder.glob("*.safetensors")):
        raise UserError(f"{folder}: holds no *.safetensors; other weight formats are not loaded")
    _link(folder, out, commit, source)
    return commit


def data_folder(source: HubData | LocalData) -> tuple[Path, str | None]:
    """A data set's files on this machine, and the commit where they came from the hub.

    Raises:
        UserError: The folder or repository is missing.
    """
    if isinstance(source, LocalData):
        return _local(source.path), None
    return snapshot(source.id, source.revision, "dataset", None)


def fetch_benchmark(source: ProblemSource, out: Path) -> None:
    """Link a benchmark's files, in its own format, into `out` and close the folder with a manifest.

    Raises:
        UserError: The file, folder or repository is missing.
    """
    if source.kind == "hub":
        folder, commit = snapshot(str(source.id), source.revision, "dataset", None)
    else:
        folder, commit = Path(str(source.path)).expanduser(), None
        if not folder.exists():
            raise UserError(f"{source.path}: no such file or folder; correct the benchmark's `path`")
    _link(folder, out, commit, source)


def linked_source(source: ProblemSource, folder: Path, slug: str) -> ProblemSource:
    """A benchmark's source once `fetch_benchmark` has linked its files into a folder."""
    path = folder / source.path if source.kind == "hub" and source.path else folder
    adapter = slug if source.adapter == "auto" else source.adapter
    moved = {"kind": "path", "path": str(path), "id": None, "revision": None, "adapter": adapter}
    return source.model_copy(update=moved)


def _model_folder(source: HubModel | LocalModel) -> tuple[Path, str | None]:
    if isinstance(source, LocalModel):
        return _local(source.path), None
    return snapshot(source.id, source.revision, "model", MODEL_FILES)


def _local(path: str) -> Path:
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise UserError(f"{path}: no such folder; correct the config's `path`")
    return folder


def snapshot(repository: str, revision: str | None, kind: str, patterns: list[str] | None) -> tuple[Path, str]:
    """Files of a repository on the hub, and their commit. The one place that downloads from the hub.

    Args:
        repository: owner/name.
        revision: Commit, or None for the newest.
        kind: `model` or `dataset`.
        patterns: Which files, or None for all.

    Raises:
        UserError: It cannot be fetched.
    """
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        path = snapshot_download(repository, revision=revision, repo_type=kind, allow_patterns=patterns)
    except (httpx.HTTPError, HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{repository}: cannot be fetched from the hub ({first}); check the id, the network and HF_TOKEN, or give a"
            " local copy with kind: path"
        ) from None
    return Path(path), Path(path).name  # a snapshot's folder is named after its commit


def _link(folder: Path, out: Path, commit: str | None, source: Section) -> None:
    aside = out.with_name(f".{out.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    for path in [folder] if folder.is_file() else sorted(folder.rglob("*")):
        # A source folder of ours has its own manifest; the copy gets a new one that names where it came from.
        if path.is_file() and path.name not in (MANIFEST, CONTENT):
            link = aside / (path.name if path == folder else path.relative_to(folder))
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
    kind = "model" if isinstance(source, HubModel | LocalModel) else "problems"
    write_manifest(aside, kind, source.model_dump(mode="json"), {}, {"commit": commit})
    shutil.rmtree(out, ignore_errors=True)
    aside.replace(out)
