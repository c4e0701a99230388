"""Bring data sets from the hub or a local folder into the run."""

from pathlib import Path

from vr1repro.config.models import HubData, LocalData
from vr1repro.config.problems import ProblemSource
from vr1repro.core.adapter_names import AUTO
from vr1repro.core.errors import UserError
from vr1repro.core.fetch import link, local_folder, snapshot, sources_of
from vr1repro.core.provenance import read_manifest

_WHERE = "the benchmark's `path` in a config, or `--data SLUG=PATH` of `vr1repro evaluate`"


def data_folder(source: HubData | LocalData) -> tuple[Path, str | None]:
    """A data set's files on this machine, and the commit where they came from the hub.

    Raises:
        UserError: The folder or repository is missing.
    """
    if isinstance(source, LocalData):
        return local_folder(source.path), None
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
            raise UserError(f"{source.path}: no such file or folder; correct {_WHERE}")
    link(folder, out, "problems", source.model_dump(mode="json"), commit)


def holds(source: ProblemSource, folder: Path) -> bool:
    """Whether a folder that `fetch_benchmark` made holds a source's files: of the hub by id, local ones by place."""
    before = ProblemSource.model_validate(read_manifest(folder)["content"]["settings"])
    if source.kind == "hub" or before.kind == "hub":
        return (source.kind, source.id) == (before.kind, before.id)
    links = {path.resolve() for path in folder.rglob("*") if path.is_symlink()}
    return links == {path.resolve() for path in sources_of(Path(str(source.path)).expanduser())}


def linked_source(source: ProblemSource, folder: Path, slug: str) -> ProblemSource:
    """A benchmark's source once `fetch_benchmark` has linked its files into a folder."""
    path = folder / source.path if source.kind == "hub" and source.path else folder
    adapter = slug if source.adapter == AUTO else source.adapter
    moved = {"kind": "path", "path": str(path), "id": None, "revision": None, "adapter": adapter}
    return source.model_copy(update=moved)
