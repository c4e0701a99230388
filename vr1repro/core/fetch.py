"""Files from the hub or a local folder, pinned, linked into the run and hashed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from vr1repro.core.errors import UserError
from vr1repro.core.files import whole_folder
from vr1repro.core.provenance import CONTENT, MANIFEST, write_manifest

# Never pickles, never code: safetensors, configs, tokenizer and processor files, model cards and licences.
MODEL_FILES = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "README.md", "LICENSE*"]


def snapshot(repository: str, revision: str | None, kind: str, patterns: list[str] | None) -> tuple[Path, str]:
    """Files of a repository on the hub, and their commit. The one place that downloads from the hub.

    Args:
        repository: owner/name.
        revision: Commit, or None for the newest.
        kind: `model` or `dataset`.
        patterns: Globs of the files' paths, or None for all.

    Raises:
        UserError: It cannot be fetched.
    """
    from huggingface_hub import snapshot_download

    with _explained(repository):
        path = snapshot_download(repository, revision=revision, repo_type=kind, allow_patterns=patterns)
    return Path(path), Path(path).name  # a snapshot's folder is named after its commit


def newest(repository: str, kind: str) -> str:
    """The commit that a repository's default branch has now; offline, the one that was fetched last.

    Args:
        repository: owner/name.
        kind: `model` or `dataset`.

    Raises:
        UserError: Nobody says.
    """
    from huggingface_hub import constants, repo_info, snapshot_download

    with _explained(repository):
        if constants.HF_HUB_OFFLINE:
            return Path(snapshot_download(repository, repo_type=kind, local_files_only=True)).name
        return str(repo_info(repository, repo_type=kind).sha)


@contextmanager
def _explained(repository: str) -> Iterator[None]:
    """Turn a failure of the hub's client into one message that names the repository."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        yield
    except (httpx.HTTPError, HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{repository}: cannot be fetched from the hub ({first}); check the id, the network and HF_TOKEN, or give a"
            " local copy (`kind: path` in a config, `--data SLUG=PATH` of `vr1repro evaluate`)"
        ) from None


def local_folder(path: str) -> Path:
    """A folder that a config names.

    Raises:
        UserError: There is no such folder.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise UserError(f"{path}: no such folder; correct the config's `path`")
    return folder


def sources_of(source: Path, patterns: Sequence[str] = ("*",)) -> list[Path]:
    """The files of a file or folder that `link` links.

    A source folder of ours has its own manifest, which is not among them: the copy gets a new one that names where it
    came from.
    """
    files = [source] if source.is_file() else [path for path in sorted(source.rglob("*")) if path.is_file()]
    taken = (path for path in files if any(fnmatch(path.name, pattern) for pattern in patterns))
    return [path for path in taken if path.name not in (MANIFEST, CONTENT)]


def link(
    source: Path,
    out: Path,
    kind: str,
    settings: dict[str, Any],
    commit: str | None,
    patterns: Sequence[str] = ("*",),
) -> None:
    """Link the files of a file or folder into `out`, and close it with a manifest.

    Args:
        out: The folder to make; an older one is replaced.
        settings: The config section that names the source.
        commit: Where the source came from on the hub.
        patterns: Globs of the names of files that are linked.
    """
    with whole_folder(out) as aside:
        for path in sources_of(source, patterns):
            target = aside / (path.name if path == source else path.relative_to(source))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path.resolve())
        write_manifest(aside, kind, settings, {}, {"commit": commit})
