"""MME (lmms-lab/MME, test): 2374 yes-or-no questions, two a picture, in fourteen subtasks.

A subtask's score is acc (of questions) plus acc+ (of pictures with both right), 200 at most; the overall score is their
sum: perception (ten subtasks, 2000) and cognition (four, 800).
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from vr1repro.benchmarks.base import Benchmark, Part, Question
from vr1repro.config.problems import ProblemSource

PERCEPTION = (
    *("existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark", "artwork", "OCR"),
)
COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
_ID_KEYS = ("id",)
# What tells the samples of one question apart in a file of responses.
_SAMPLES = ("model", "arm", "train_seed", "eval_seed", "protocol", "attempt")


class Pairs:
    """Names rows `question_id#k`, k from 1. Feed rows in their order.

    Rows without a `question_id` are two questions of one picture where they are neighbours and name the same image;
    that name in another place is another picture, for images of several subtasks share names.
    """

    def __init__(self) -> None:
        self._times: Counter[str] = Counter()
        self._image: str | None = None
        self._place = 0

    def numbered(self, row: Question) -> Question:
        """The row with its id; one that has an id, or names no picture, stays as it is."""
        if row.get("id") is not None:
            return row
        if row.get("question_id") is not None:
            key = str(row["question_id"])
            self._times[key] += 1
            return {**row, "id": f"{key}#{self._times[key]}"}
        image = picture_name(row)
        if image is None:
            return row
        self._place = self._place + 1 if image == self._image and self._place < 2 else 1
        if self._place == 1:
            self._image = image
            self._times[image] += 1
        times = self._times[image]
        return {**row, "id": f"{image if times == 1 else f'{image}({times})'}#{self._place}"}


def picture_name(row: Question) -> str | None:
    """The image that a row names, with its category where it has one; None where it names none."""
    name = next((row[key] for key in ("image_path", "image") if isinstance(row.get(key), str) and row[key]), None)
    category = row.get("category")
    return f"{category}/{name}" if name and category and not name.startswith(f"{category}/") else name


def picture_of(question: Question) -> str:
    """The picture that two questions share."""
    picture, mark, _ = str(question.get("id")).rpartition("#")
    return picture if mark else str(question.get("question_id") or picture_name(question) or question.get("id"))


def subtask_of(question: Question) -> str | None:
    """The subtask of a question: its category, or what its `question_id` begins with."""
    first = picture_of(question).partition("/")[0]
    named = question.get("category") or (first if first in (*PERCEPTION, *COGNITION) else None)
    return None if named is None else str(named)


def naming(questions: Mapping[str, Question]) -> "Naming":
    """What gives a row of responses its question's id."""
    return Naming(questions)


class Naming:
    """Names a row of responses after its question: by the text of the question where it has one, else by its place."""

    def __init__(self, questions: Mapping[str, Question]) -> None:
        self._known = questions
        self._texts = {(picture_of(one), str(one.get("question"))): key for key, one in questions.items()}
        self._samples: dict[tuple[str, ...], Pairs] = {}

    def __call__(self, row: Question) -> Question:
        """The row under its question's id; one that has an id of that form stays as it is."""
        if str(row.get("id")) in self._known or "#" in str(row.get("id")):
            return row
        unnamed = {**row, "question_id": row.get("question_id") or row.get("id"), "id": None}
        sample = tuple(str(row.get(name)) for name in _SAMPLES)
        named = self._samples.setdefault(sample, Pairs()).numbered(unnamed)
        if named["id"] is None:
            return row
        key = self._texts.get((picture_of(named), str(row.get("question"))), named["id"])
        return {**row, "id": key}


def _groups(question: Question) -> Iterator[tuple[str, str]]:
    subtask = subtask_of(question)
    if subtask is not None:
        yield "ability", "cognition" if subtask in COGNITION else "perception"
        yield "subtask", subtask


BENCHMARK = Benchmark(
    slug="mme",
    title="MME",
    position=13,
    source=ProblemSource(kind="hub", id="lmms-lab/MME", split="test"),
    n_questions=2374,
    columns=frozenset({"question_id", "question", "answer", "category"}),
    id_keys=_ID_KEYS,
    groups=_groups,
    cluster=picture_of,
    numbered=Pairs,
    naming=naming,
    overall="subtask",
    parts=(Part("acc", lambda question: str(question["id"])), Part("acc+", picture_of)),
    summed=True,
    out_of=2800.0,
    classes="subtask",
    llm_extracted=("vlmevalkit",),
)
