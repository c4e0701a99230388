"""A run kept small: its evidence in one archive, from which tables, figures and the page are made again.

results/reference/<run>/config.yaml       the resolved config
results/reference/<run>/evidence.tar.xz   the run's folder: logs, responses, verdicts, cold-set traces, questions
without pictures, manifests, times; no weights
results/reference/<run>/manifest.json     hashes, versions, commit
"""

import io
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vr1repro.benchmarks.questions import without_pictures
from vr1repro.config.run import Config, LabBenchmark
from vr1repro.core.archives import unpack_tar_xz
from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.core.provenance import MANIFEST, file_sha, read_manifest, write_manifest

EVIDENCE, CONFIG = "evidence.tar.xz", "config.yaml"
_KEPT = (
    "revisions.json",
    "models/*/*.json",
    "models/*/*.jsonl",
    "problems/*/manifest.json",
    "coldset/*.json",
    "coldset/*.jsonl",
    "train/**/manifest.json",
    "train/**/*.jsonl",
    "eval/**/*.json",
    "eval/**/*.jsonl",
    "lengths/**/*.json",
    "lengths/**/*.jsonl",
    "benchmarks/**/*.jsonl",
)


def keep(run: Path, out: Path) -> int:
    """Keep a finished run.

    Args:
        out: Folder to write; other files in it (a README, a list of trials) stay.

    Returns:
        Bytes of the archive.

    Raises:
        UserError: The run has no evaluated arm, or no resolved config.
    """
    if not (run / CONFIG).exists() or not list(run.glob("eval/*/*/verdicts.json")):
        raise UserError(f"{run}: no finished run here: no {CONFIG} or no eval/*/*/verdicts.json; make its tables")
    out.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", preset=9) as archive:
        for path in sorted({path for pattern in _KEPT for path in run.glob(pattern)}):
            _add(archive, path.relative_to(run).as_posix(), path.read_bytes())
        evaluated = {path.parts[-4] for path in run.glob("eval/*/*/*/e*/responses.jsonl")}
        for benchmark in sorted(evaluated):
            for path in sorted((run / "problems" / benchmark).glob("**/*.parquet")):
                _add(archive, path.relative_to(run).as_posix(), without_pictures(path))
    write_atomically(out / EVIDENCE, buffer.getvalue())
    shutil.copyfile(run / CONFIG, out / CONFIG)
    write_manifest(out, "reference", {}, {"config": file_sha(run / CONFIG)})
    return buffer.tell()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)  # no times, no owners: equal evidence gives equal bytes
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


@contextmanager
def opened(reference: Path) -> Iterator[Path]:
    """Unpack a kept run for as long as the context lasts.

    Yields:
        A folder laid out like `results/<run>`.

    Raises:
        UserError: There is no archive, it cannot be unpacked or is past the limits, or it or the config is not the one
            that was kept.
    """
    archive = reference / EVIDENCE
    if not archive.is_file():
        raise UserError(f"{archive}: no kept run can be read here; name a folder that `vr1repro keep` wrote")
    with tempfile.TemporaryDirectory() as folder:
        _refuse_edited(reference)
        unpack_tar_xz(archive, Path(folder))
        yield Path(folder)


def _refuse_edited(reference: Path) -> None:
    """Hold the archive and the config against the manifest that `keep` wrote with them.

    Raises:
        UserError: One of them is another file.
    """
    shas = {name: file_sha(reference / name) for name in (EVIDENCE, CONFIG)}
    closed = read_manifest(reference)["content"]["files"]
    for name, sha in shas.items():
        if closed.get(name) != sha:
            raise UserError(f"{reference / name}: is not the file that {reference / MANIFEST} closes; take it anew")


@contextmanager
def folder_of(run: Path) -> Iterator[tuple[Path, bool]]:
    """A run's folder, kept or not.

    Args:
        run: `results/<run>`, or a folder that `keep` wrote.

    Yields:
        The folder, and whether it was unpacked.

    Raises:
        UserError: It is neither.
    """
    if not (run / CONFIG).exists():
        raise UserError(f"{run}: no {CONFIG} here; name a run's folder (results/<run>) or a kept run")
    if (run / EVIDENCE).exists():
        with opened(run) as folder:
            yield folder, True
    else:
        yield run, False


def draw_again(run: Path, config: Config) -> list[str]:
    """Give a kept run the pictures of its generated benchmarks back, drawn from the config and its seed.

    A benchmark whose other columns do not come out the same is left as it is: the code that drew it has changed since.

    Args:
        run: The unpacked run; its question files are replaced.

    Returns:
        The benchmarks whose pictures are there again.
    """
    from vr1repro.lab.benchmarks import write_benchmark

    done = []
    for slug, source in config.benchmarks.items():
        kept = sorted((run / "problems" / slug).glob("*.parquet"))
        if not isinstance(source, LabBenchmark) or config.lab is None or len(kept) != 1:
            continue
        with tempfile.TemporaryDirectory() as folder:
            drawn = write_benchmark(config.lab.world, slug, source.n, config.seeds.data, Path(folder))
            if without_pictures(drawn) == without_pictures(kept[0]):
                write_atomically(kept[0], drawn.read_bytes())  # another process may be reading it
                done.append(slug)
    return done
