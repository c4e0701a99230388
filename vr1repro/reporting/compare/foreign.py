"""Other people's responses brought into the layout of a run, so that every part of the report can read them.

It takes files of one benchmark's responses in any format (`evaluation.formats`), a folder of such files, what
`vr1repro evaluate --out` wrote, or a run's folder. It copies texts and verdicts, not weights and pictures.
"""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.questions import without_pictures
from vr1repro.benchmarks.scoring import Row
from vr1repro.config.evaluation import Protocol
from vr1repro.config.plan import SLUG
from vr1repro.config.reporting import ReportSettings
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read_lines, write_rows
from vr1repro.core.records import Response
from vr1repro.core.variants import in_order
from vr1repro.evaluation.coverage import coverage
from vr1repro.evaluation.formats.read import opened
from vr1repro.evaluation.grading import grade_file
from vr1repro.evaluation.protocols import named
from vr1repro.evaluation.saved import SavedRow, answered
from vr1repro.reporting.run.arms import ArmInfo
from vr1repro.reporting.run.results import Results

_FOLDER = re.compile(r"e\d+")
_KINDS = ("xlsx", "tsv", "csv", "json")
_AS_SEEDS = "NAME=PATH,PATH,... takes files as seeds of one model, NAME=PATH for each makes a model of each"
_COMMAND = "vr1repro evaluate --model <model> --benchmarks <slug> --out <folder>, then compare again"


@dataclass(frozen=True, kw_only=True)
class GradingOptions:
    """How files of responses without verdicts are graded.

    Attributes:
        benchmark: Slug of the files' benchmark; None where only folders of `evaluate` are given.
        questions: The benchmark's questions, JSONL or Parquet, file or folder; None as above.
        profile: Scoring profile, which is also the headline's.
        protocol: Sampling protocol of the headline; the files are taken to be of it.
        legacy_int: MathVista: integers by `int(x)`.
        workers: Grading processes.
        format: Format of bare files; None tells it by the content.
        columns: Their columns, `ROLE=NAME` each.
    """

    benchmark: str | None
    questions: Path | None
    profile: str
    protocol: str
    legacy_int: bool = False
    workers: int = 1
    format: str | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ModelResponses:
    """Responses of one model: files, a seed each or several in one, or a folder that `vr1repro evaluate` wrote.

    Attributes:
        model: Its name.
        files: The files; empty where it is a folder.
        folder: The folder `<model>/<benchmark>/<protocol>/e<seed>`.
        chosen: Whether a user chose the name, so that what has it elsewhere is of the same model.
    """

    model: str
    files: tuple[Path, ...] = ()
    folder: Path | None = None
    chosen: bool = False

    @property
    def places(self) -> tuple[Path, ...]:
        """Where it is read from."""
        return self.files if self.folder is None else (self.folder,)


def find_responses(argument: str) -> list[ModelResponses]:
    """The responses that `[NAME=]PATH[,PATH...]` names: evaluated folders below a path, files, or those in a folder.

    Under a name of the user's the files are seeds of one model; else each is a model.

    Raises:
        UserError: Nothing is there.
    """
    name, equals, rest = argument.partition("=")
    chosen = _slug(name) if equals else None
    path = Path(rest if equals else argument)
    listed = [Path(part) for part in rest.split(",")]
    if chosen and not path.exists() and len(listed) > 1:
        if missing := next((part for part in listed if not part.is_file()), None):
            raise UserError(f"{missing}: no such file; {_AS_SEEDS}")
        return [ModelResponses(model=chosen, files=tuple(listed), chosen=True)]
    if path.is_file():
        return [ModelResponses(model=chosen or _slug(path.stem), files=(path,), chosen=bool(chosen))]
    root = path / "eval" if (path / "eval").is_dir() else path
    evaluated = sorted(root.glob("*/*/*/e*/responses.jsonl")) or sorted(root.glob("*/*/e*/responses.jsonl"))
    folders = [file.parent for file in evaluated if _FOLDER.fullmatch(file.parent.name)]
    if folders:
        return [ModelResponses(model=chosen or _slug(folder.parts[-4]), folder=folder) for folder in folders]
    if not path.exists():
        raise UserError(f"{path}: no such file or folder of responses")
    files = in_order(path.glob("*.jsonl")) or in_order(file for kind in _KINDS for file in path.glob(f"*.{kind}"))
    if not files:
        kinds = ", ".join(f"*.{kind}" for kind in ("jsonl", *_KINDS))
        raise UserError(f"{path}: no responses here: needs {kinds}, or <model>/<benchmark>/<protocol>/e<seed>/")
    if chosen and len(files) > 1 and files[0].suffix != ".jsonl":
        # VLMEvalKit's folder also holds the judge's copy of the same responses, which is no seed.
        raise UserError(f"{argument}: one name for {len(files)} files; {_AS_SEEDS}")
    if chosen:
        return [ModelResponses(model=chosen, files=tuple(files), chosen=True)]
    return [ModelResponses(model=_slug(file.stem), files=(file,)) for file in files]


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "model"


def assemble_run(run: Path, evaluations: Sequence[ModelResponses], grading: GradingOptions) -> list[str]:
    """Copy and grade evaluations into a run's folder; files of one model are its evaluation seeds.

    Args:
        run: Folder to write; made anew if it holds nothing but an earlier comparison.

    Returns:
        The models' names in their order.

    Raises:
        UserError: A file is bad, an option is missing, two evaluations are the same, or the folder holds other things.
        BadResponses: A row of responses has no grade; see `saved.answered`.
    """
    _clear(run, evaluations)
    files: dict[str, list[ModelResponses]] = {}
    for evaluation in evaluations:
        if evaluation.folder is None:
            files.setdefault(evaluation.model, []).append(evaluation)
        else:
            _add_evaluated_folder(run, evaluation.model, evaluation.folder, grading)
    for model, parts in files.items():
        if len(parts) > 1 and not all(part.chosen for part in parts):
            raise UserError(f"{parts[1].files[0]}: the name {model} is taken by {parts[0].files[0]}; {_AS_SEEDS}")
        _add_files(run, model, [file for part in parts for file in part.files], grading)
    return list(dict.fromkeys(evaluation.model for evaluation in evaluations))


def _clear(run: Path, evaluations: Sequence[ModelResponses]) -> None:
    """Remove an earlier comparison's folder, and nothing else."""
    if not run.exists():
        return
    if any(path.resolve().is_relative_to(run.resolve()) for one in evaluations for path in one.places):
        raise UserError(f"{run}: holds the responses to compare and would be made anew; give another --out")
    if other := sorted({path.name for path in run.iterdir()} - {"eval", "problems"}):
        raise UserError(f"{run}: holds {other[0]}, which is not of a comparison; give another --out")
    shutil.rmtree(run)


def _add_files(run: Path, model: str, files: Sequence[Path], grading: GradingOptions) -> None:
    """Grade a model's files of responses, and write responses and verdicts of each seed in a run's layout."""
    slug, questions = grading.benchmark, grading.questions
    if slug is None or questions is None:
        raise UserError(f"{files[0]}: a bare file of responses needs --benchmark and --questions")
    if slug not in lookup.slugs():
        raise UserError(f"--benchmark {slug}: unknown; known: {', '.join(lookup.slugs())}")
    _bring_questions(run, slug, questions)
    rows = opened(slug, questions, files, grading.format, grading.columns)
    seeds = dict.fromkeys(row.get("eval_seed") for _, row in answered(rows, dict(rows.questions), rows.benchmark))
    for seed in seeds:
        place = _Place(model=model, benchmark=slug, protocol=grading.protocol, seed=1 if seed is None else seed)
        of_seed = [saved for saved in rows if saved[2].get("eval_seed") == seed]
        _grade(place.below(run), of_seed, questions, place, grading)
        write_rows(place.below(run) / "responses.jsonl", (_record(row, place) for _, _, row in of_seed))


@dataclass(frozen=True)
class _Place:
    """What a folder of responses in a run is of."""

    model: str
    benchmark: str
    protocol: str
    seed: int

    def below(self, run: Path) -> Path:
        return run / "eval" / self.model / self.benchmark / self.protocol / f"e{self.seed}"


def _grade(
    folder: Path,
    rows: Sequence[SavedRow],
    questions: Path,
    place: _Place,
    grading: GradingOptions,
    protocol: Protocol | None = None,
) -> None:
    out = folder / "verdicts" / f"{grading.profile}.jsonl"
    grade_file(
        place.benchmark, grading.profile, rows, questions, out,
        workers=grading.workers, legacy_int=grading.legacy_int, protocol=protocol,
    )  # fmt: skip
    coverage(out, lookup.facts(place.benchmark)).refuse_unparsable(f"{place.model}, seed {place.seed}")


def _record(row: Row, place: _Place) -> Response:
    """A row as a record of a run; fields that other people's files lack stay empty."""
    return Response(
        run="compare",
        model=place.model,
        eval_seed=place.seed,
        protocol=place.protocol,
        benchmark=place.benchmark,
        id=row["id"],
        prompt_sha="",
        attempt=row.get("attempt") or 0,
        response=row["response"],
        n_tokens=row.get("n_tokens"),
        finish_reason=row.get("finish_reason"),
    )


def _add_evaluated_folder(run: Path, model: str, source: Path, grading: GradingOptions) -> None:
    """Copy responses and verdicts of a folder in a run's layout, and its questions; verdicts that lack are made."""
    benchmark, protocol, seed = source.parts[-3:]
    place = _Place(model=model, benchmark=benchmark, protocol=protocol, seed=int(seed.removeprefix("e")))
    folder = place.below(run)
    if folder.exists():
        raise UserError(f"{source}: {model} has {benchmark}/{protocol}/{seed} twice; give NAME=PATH")
    questions = questions_beside(source, benchmark, grading)
    if questions is None:
        raise UserError(f"{source}: no questions/{benchmark} beside it; give --benchmark and --questions")
    _bring_questions(run, benchmark, questions)
    folder.mkdir(parents=True)
    for name in ("responses.jsonl", "run.json"):
        if (source / name).exists():
            shutil.copyfile(source / name, folder / name)
    verdicts = source / "verdicts"
    if verdicts.is_dir():
        shutil.copytree(verdicts, folder / "verdicts")
    if not (verdicts / f"{grading.profile}.jsonl").exists():
        rows = list(opened(benchmark, questions, [source / "responses.jsonl"], grading.format, grading.columns))
        _grade(folder, rows, questions, place, grading, named(protocol))
        write_rows(folder / "responses.jsonl", (_record(row, place) for _, _, row in rows))


def questions_beside(folder: Path, benchmark: str, grading: GradingOptions) -> Path | None:
    """The questions that responses in a run's layout have beside them, else those that were named; None without any."""
    beside = [up / kind / benchmark for up in list(folder.parents)[2:5] for kind in ("questions", "problems")]
    named = grading.questions if benchmark == grading.benchmark else None
    return next((path for path in beside if path.is_dir()), named)


def _bring_questions(run: Path, benchmark: str, path: Path) -> None:
    """Questions as Parquet without pictures in `<run>/problems/<benchmark>/`, once."""
    folder = run / "problems" / benchmark
    if folder.exists():
        return
    files = [path] if path.is_file() else sorted(path.glob("**/*.parquet")) + sorted(path.glob("**/*.jsonl"))
    if not files:
        raise UserError(f"{path}: no JSONL or Parquet file of questions here")
    for number, file in enumerate(files):
        target = folder / f"{number:03}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".parquet":
            target.write_bytes(without_pictures(file))
            continue
        rows = [row for _, row in read_lines(file)]
        names = list(dict.fromkeys(name for row in rows for name in row))
        try:
            table = pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows])
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise UserError(f"{file}: a column holds values of different kinds: {error}") from None
        pq.write_table(table, target)


def open_assembled(
    run: Path,
    models: Sequence[str],
    settings: ReportSettings,
    *,
    comparable: bool = True,
    same_weights: bool = False,
) -> Results:
    """The assembled run's results; each model is an arm of its own, in the given order.

    Names that end in `_s<number>` are trainings of one recipe, as in a run of ours.

    Args:
        comparable: Whether the models may be compared with printed numbers (`origins`).
        same_weights: The models are those that the printed numbers are about, and not other trainings of a recipe.
    """
    arms: dict[str, ArmInfo] = {}
    for model in models:
        match = re.fullmatch(SLUG, model)
        name = match["arm"] if match else model
        info = ArmInfo(
            name=name, label=name, parent=name, command=_COMMAND, trained=match is not None, released=same_weights
        )
        arms.setdefault(name, info)
    return Results.load(run, arms, settings, comparable)
