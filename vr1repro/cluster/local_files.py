"""`vr1repro check --deep`: whether what a config takes from this machine is there and can be read, a line each."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from vr1repro.benchmarks import lookup
from vr1repro.cluster.doctor import Finding
from vr1repro.config import uses
from vr1repro.config.models import LocalData, LocalModel
from vr1repro.config.plan import RELEASED, Plan
from vr1repro.config.problems import ProblemSource
from vr1repro.core import benchmark_folders
from vr1repro.core.errors import UserError
from vr1repro.core.fetch import local_folder
from vr1repro.core.images import decode
from vr1repro.core.outside import json_object
from vr1repro.engines.model_folder import check_files
from vr1repro.problems.load import Skips, load_problems

# Problems of a set that are read, with their pictures.
_READ = 3
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_INDEX = "model.safetensors.index.json"


def examine(plan: Plan) -> Iterator[Finding]:
    """Open every local file or folder that the config's run takes; never raises for what it meets."""
    looks = list(_looks(plan))
    for key, path, look in looks:
        try:
            yield Finding("ok", f"{key}: {path}: {look()}")
        except UserError as error:
            yield Finding("no", f"{key}: {error}")
        except OSError as error:
            yield Finding("no", f"{key}: {path}: {error.strerror or error}", "give a place that can be read")
    if not looks:
        yield Finding("-", "local files: this run takes none")


def _looks(plan: Plan) -> Iterator[tuple[str, str, Callable[[], str]]]:
    """Key, path, and what opens it and says what is there."""
    for text in plan.config.benchmark_folders:
        yield "benchmark_folders", text, partial(_benchmark, Path(text).name)
    for one in uses.taken(plan):
        name = one.folder.name
        match one.source:
            case LocalModel(path=path):
                released = name.startswith(RELEASED)
                key = f"{name.removeprefix(RELEASED)}.released" if released else f"models.{name}"
                yield key, path, partial(_model, path)
            case LocalData(path=path):
                yield "coldset.released", path, partial(_released_coldset, path)
            case ProblemSource(kind="path", path=path) as source:
                group = "benchmarks" if name in plan.config.benchmarks else "problems"
                adapter = name if group == "benchmarks" else source.adapter
                yield f"{group}.{name}", str(path), partial(_problems, source, adapter)


def _problems(source: ProblemSource, adapter: str) -> str:
    """The first problems of a set, read as its job reads them.

    Raises:
        UserError: The set cannot be read, or not one row is a problem.
    """
    skips = Skips()
    values = source.model_dump(exclude={"limit"}) | {"limit": _READ, "adapter": adapter}
    problems = list(islice(load_problems(ProblemSource.model_validate(values), skips), _READ))
    pictures = [decode(one.image, source.max_pixels).size for one in problems if one.image is not None]
    first_picture = f"first picture {pictures[0][0]} x {pictures[0][1]}" if pictures else "no picture"
    left_out = f", left out on the way: {skips.counts()}" if skips.rows else ""
    return f"{len(problems)} rows read as problems ({problems[0].source}), {first_picture}{left_out}"


def _model(path: str) -> str:
    """A model folder, complete and not cut off.

    Raises:
        UserError: A file is missing or damaged.
    """
    folder = local_folder(path)
    weights = {file.name for file in folder.glob("*.safetensors")}
    if not weights:
        raise UserError(f"{folder}: holds no *.safetensors; other weight formats are not loaded")
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder}: has no config.json; copy the whole folder")
    if (folder / _INDEX).is_file():
        shards = json_object(folder / _INDEX).get("weight_map")
        lacking = sorted(set(map(str, shards.values())) - weights) if isinstance(shards, dict) else []
        if lacking:
            raise UserError(
                f"{folder}: lacks {lacking[0]} of {len(lacking)} that {_INDEX} names; copy the whole folder"
            )
    for kind, names in (("tokenizer", _TOKENIZERS), ("processor", _PROCESSORS)):
        if not any((folder / name).is_file() for name in names):
            raise UserError(f"{folder}: has no file of a {kind} ({', '.join(names)}); copy the whole folder")
    check_files(folder)
    kind = json_object(folder / "config.json").get("model_type", "no model_type")
    return f"{json.dumps(kind)}, {len(weights)} files of weights, whole"


def _released_coldset(path: str) -> str:
    """A released cold-start set's folder: ours, or the JSON files of the hub's.

    Raises:
        UserError: It holds neither.
    """
    folder = local_folder(path)
    parquet = folder / "coldset.parquet"
    if parquet.is_file():
        return _problems(ProblemSource(kind="path", path=str(parquet)), "problems")
    files = sorted(folder.glob("*.json*"))
    if not files:
        raise UserError(f"{folder}: holds neither coldset.parquet nor JSON files of rows")
    for file in files:
        with file.open("rb") as stream:
            stream.read(1)
    return f"{len(files)} JSON files"


def _benchmark(slug: str) -> str:
    """A further benchmark's folder, every part of it loaded.

    Raises:
        UserError: A part is missing or does not define what it must.
    """
    title = lookup.facts(slug).title
    lookup.adapter(slug)
    lookup.prompts(slug)
    folder = benchmark_folders.folder_of(slug)
    return f"{title}, profiles {', '.join(sorted(lookup.profiles(slug)))} ({folder.name})"
