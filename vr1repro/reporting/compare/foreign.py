"""Other people's responses brought into the layout of a run, so that every part of the report can read them.

It takes a JSONL file of one benchmark's responses, a folder of such files (a model each), what
`vr1repro evaluate --out` wrote, or a run's folder. It copies texts and verdicts, not weights and pictures.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.questions import without_pictures
from vr1repro.config.plan import SLUG
from vr1repro.config.reporting import ReportSettings
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read_lines, write_rows
from vr1repro.core.records import Response
from vr1repro.evaluation.grading import grade_file
from vr1repro.reporting.run.arms import ArmInfo
from vr1repro.reporting.run.results import Results

_FOLDER = re.compile(r"e\d+")
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
    """

    benchmark: str | None
    questions: Path | None
    profile: str
    protocol: str
    legacy_int: bool = False
    workers: int = 1


@dataclass(frozen=True)
class ModelResponses:
    """One evaluation of one model: its file of responses, or a folder that `vr1repro evaluate` wrote."""

    model: str
    path: Path


def find_responses(argument: str) -> list[ModelResponses]:
    """The evaluations that `[NAME=]PATH` names: evaluated folders below it, a file, or the files in a folder.

    Raises:
        UserError: Nothing is there.
    """
    name, equals, rest = argument.partition("=")
    path = Path(rest if equals else argument)
    chosen = name if equals else None
    if path.is_file():
        return [ModelResponses(_slug(chosen or path.stem), path)]
    root = path / "eval" if (path / "eval").is_dir() else path
    evaluated = sorted(root.glob("*/*/*/e*/responses.jsonl")) or sorted(root.glob("*/*/e*/responses.jsonl"))
    folders = [file.parent for file in evaluated if _FOLDER.fullmatch(file.parent.name)]
    if folders:
        return [ModelResponses(_slug(chosen or folder.parts[-4]), folder) for folder in folders]
    files = sorted(path.glob("*.jsonl"))
    if not files:
        raise UserError(f"{path}: no responses here: needs *.jsonl, or <model>/<benchmark>/<protocol>/e<seed>/")
    if chosen and len(files) > 1:
        raise UserError(f"{argument}: one name for {len(files)} files; name each file")
    return [ModelResponses(_slug(chosen or file.stem), file) for file in files]


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "model"


def assemble_run(run: Path, evaluations: Sequence[ModelResponses], grading: GradingOptions) -> list[str]:
    """Copy and grade evaluations into a run's folder, a second file of a model as its second evaluation seed.

    Args:
        run: Folder to write; made anew if it holds nothing but an earlier comparison.

    Returns:
        The models' names in their order.

    Raises:
        UserError: A file is bad, an option is missing, two evaluations are the same, or the folder holds other things.
    """
    _clear(run, evaluations)
    for evaluation in evaluations:
        add = _add_file if evaluation.path.is_file() else _add_evaluated_folder
        add(run, evaluation, grading)
    return list(dict.fromkeys(evaluation.model for evaluation in evaluations))


def _clear(run: Path, evaluations: Sequence[ModelResponses]) -> None:
    """Remove an earlier comparison's folder, and nothing else."""
    if not run.exists():
        return
    if any(one.path.resolve().is_relative_to(run.resolve()) for one in evaluations):
        raise UserError(f"{run}: holds the responses to compare and would be made anew; give another --out")
    if other := sorted({path.name for path in run.iterdir()} - {"eval", "problems"}):
        raise UserError(f"{run}: holds {other[0]}, which is not of a comparison; give another --out")
    shutil.rmtree(run)


def _add_file(run: Path, evaluation: ModelResponses, grading: GradingOptions) -> None:
    """Grade a file of responses, and write responses and verdicts in a run's layout."""
    slug, questions = grading.benchmark, grading.questions
    if slug is None or questions is None:
        raise UserError(f"{evaluation.path}: a bare file of responses needs --benchmark and --questions")
    if slug not in lookup.slugs():
        raise UserError(f"--benchmark {slug}: unknown; known: {', '.join(lookup.slugs())}")
    _bring_questions(run, slug, questions)
    base = run / "eval" / evaluation.model / slug / grading.protocol
    seed = 1 + len(list(base.glob("e*")))
    folder = base / f"e{seed}"
    grade_file(
        slug,
        grading.profile,
        evaluation.path,
        questions,
        folder / "verdicts" / f"{grading.profile}.jsonl",
        workers=grading.workers,
        legacy_int=grading.legacy_int,
    )
    write_rows(folder / "responses.jsonl", _responses(evaluation, slug, grading, seed))


def _responses(evaluation: ModelResponses, slug: str, grading: GradingOptions, seed: int) -> Iterator[Response]:
    """The file's rows as records; fields that other people's files lack stay empty."""
    for number, row in read_lines(evaluation.path):
        key = next((row[name] for name in ("id", *lookup.facts(slug).id_keys) if row.get(name) is not None), None)
        text = row.get("response", row.get("execution"))
        if key is None or not isinstance(text, str):
            raise UserError(f"{evaluation.path}:{number}: needs the question's id and a text `response`")
        yield Response(
            run="compare",
            model=evaluation.model,
            eval_seed=seed,
            protocol=grading.protocol,
            benchmark=slug,
            id=key,
            prompt_sha="",
            response=text,
            n_tokens=row.get("n_tokens"),
            finish_reason=row.get("finish_reason"),
        )


def _add_evaluated_folder(run: Path, evaluation: ModelResponses, grading: GradingOptions) -> None:
    """Copy responses and verdicts of a folder that `vr1repro evaluate` wrote, and its questions."""
    benchmark, protocol, seed = evaluation.path.parts[-3:]
    folder = run / "eval" / evaluation.model / benchmark / protocol / seed
    if folder.exists():
        raise UserError(
            f"{evaluation.path}: {evaluation.model} has {benchmark}/{protocol}/{seed} twice; give NAME=PATH"
        )
    beside = [up / kind / benchmark for up in list(evaluation.path.parents)[2:5] for kind in ("questions", "problems")]
    questions = next((path for path in beside if path.is_dir()), None)
    if questions is None and benchmark == grading.benchmark:
        questions = grading.questions
    if questions is None:
        raise UserError(f"{evaluation.path}: no questions/{benchmark} beside it; give --benchmark and --questions")
    _bring_questions(run, benchmark, questions)
    folder.mkdir(parents=True)
    for name in ("responses.jsonl", "run.json"):
        if (evaluation.path / name).exists():
            shutil.copyfile(evaluation.path / name, folder / name)
    verdicts = evaluation.path / "verdicts"
    if not (verdicts / f"{grading.profile}.jsonl").exists():
        raise UserError(
            f"{verdicts}: no {grading.profile}.jsonl; grade with --profile {grading.profile}, or name the profile that"
            " is there"
        )
    shutil.copytree(verdicts, folder / "verdicts")


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
