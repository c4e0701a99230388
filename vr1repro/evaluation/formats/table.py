"""The formats of saved responses by name, with the columns that each is read from.

Sources: open-compass/VLMEvalKit@0044c57 (`vlmeval/inference.py` writes the benchmark's columns without the picture, and
`prediction`; `vlmeval/smp/file.py` as xlsx, tsv or json), EvolvingLMMs-Lab/lmms-eval@0716c69
(`loggers/evaluation_tracker.py`), lm-eval 0.4.13 (the same module), lupantech/MathVista@53d5258
(`evaluation/generate_response.py`), mathllm/MATH-V@a1f5cc3 (`evaluation/evaluate.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from vr1repro.core.errors import UserError

# The id of a record in a JSON object that maps ids to records, as a column of it.
KEY = "<key>"
# What a column can be told to be, see `parse_columns`.
ROLES = ("id", "response", "extraction", "eval_seed")


@dataclass(frozen=True, kw_only=True)
class Format:
    """How files of one tool are read.

    Attributes:
        name: What `--format` takes.
        title: The tool, and what it is run with to write such a file.
        containers: Kinds of file that it writes: jsonl, json (a list, or an object of lists), map (a JSON object of
            records by id), csv, tsv, xlsx.
        marks: A file whose first row has all of these columns is taken to be of this format.
        ids: Columns of the question's id, the benchmark's own before them.
        numbers: Columns that number the benchmark's rows, where no id is there. They are checked against the gold
            answers that the rows carry.
        response: Columns of the response, the preferred first.
        samples: Whether a row holds lists of samples, and the question in a record of its own (`harness`).
    """

    name: str
    title: str
    containers: tuple[str, ...]
    marks: frozenset[str] = frozenset()
    ids: tuple[str, ...] = ("id", "pid", "sample_index", "question_id")
    numbers: tuple[str, ...] = ("index",)
    response: tuple[str, ...] = ("response", "prediction", "execution", "model_prediction")
    samples: bool = False


# The most particular first.
FORMATS: tuple[Format, ...] = (
    Format(
        name="lm-eval",
        title="lm-eval, `lm_eval --log_samples --output_path`: samples_<task>_<date>.jsonl",
        containers=("jsonl",),
        marks=frozenset({"doc_id", "filtered_resps", "filter"}),
        ids=("question_id",),
        numbers=("doc_id",),
        response=("resps", "filtered_resps"),
        samples=True,
    ),
    Format(
        name="lmms-eval",
        title="lmms-eval, `--log_samples --output_path`: <date>_samples_<task>.jsonl, or the older <task>.json",
        containers=("jsonl", "json"),
        marks=frozenset({"doc_id", "filtered_resps"}),
        ids=("question_id",),
        numbers=("doc_id",),
        response=("resps", "filtered_resps"),
        samples=True,
    ),
    Format(
        name="vlmevalkit",
        title="VLMEvalKit, `run.py --data <benchmark> --model <model>`: <model>_<benchmark>.xlsx, .tsv or .json",
        containers=("xlsx", "tsv", "csv", "json"),
        marks=frozenset({"index", "prediction"}),
        ids=(),
        response=("prediction",),
    ),
    Format(
        name="mathvista",
        title="MathVista, `evaluation/generate_response.py`: a JSON object of records by pid",
        containers=("map",),
        ids=(KEY,),
        numbers=(),
        response=("response",),
    ),
    Format(
        name="mathvision",
        title="MATH-V, `models/*.py`: the questions' own rows with `response`",
        containers=("jsonl", "json"),
        marks=frozenset({"id", "options", "level", "subject", "response"}),
        ids=("id",),
        numbers=(),
        response=("response",),
    ),
    *(
        Format(name=container, title=f"anyone's {container.upper()} with an id and a response", containers=(container,))
        for container in ("jsonl", "json", "csv", "tsv", "xlsx")
    ),
)
NAMES = tuple(each.name for each in FORMATS)


def named(name: str) -> Format:
    """A format by its name.

    Raises:
        UserError: There is none; the message lists them.
    """
    for each in FORMATS:
        if each.name == name:
            return each
    raise UserError(f"--format {name}: unknown; take one of {', '.join(NAMES)}")


def parse_columns(arguments: Sequence[str]) -> dict[str, str]:
    """Columns by role, of `ROLE=NAME` each.

    Raises:
        UserError: It is not of that form, there is no such role, or a role has two columns.
    """
    columns: dict[str, str] = {}
    for argument in arguments:
        role, _, name = argument.partition("=")
        if role not in ROLES or not name:
            raise UserError(f"--column {argument}: must be ROLE=NAME, where ROLE is one of {', '.join(ROLES)}")
        if columns.setdefault(role, name) != name:
            raise UserError(f"--column {argument}: {role} is {columns[role]} already; name one")
    return columns
