"""HallusionBench: yes-or-no questions on pictures and edited pictures, several a picture, several pictures a question.

Three shares are printed: aAcc of questions, fAcc of figures with every question right, qAcc of questions right on every
figure. The number that leaderboards and papers print is their mean (open-compass/VLMEvalKit#113).

Deviations from the paper, beside the values that it does not state:

1. HallusionBench is asked its 951 questions with a picture, as VLMEvalKit has them; all are 1129, and which of the two
   the paper's number is of is not stated.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from vr1repro.benchmarks.base import Benchmark, Part, Question, identity
from vr1repro.config.problems import ProblemSource
from vr1repro.core.errors import UserError

_ID_KEYS = ("id",)
_SET = ("category", "subcategory", "set_id")
_ID_COLUMNS = (*_SET, "figure_id", "question_id")


def _joined(question: Question, keys: tuple[str, ...]) -> str | None:
    values = [question.get(key) for key in keys]
    return None if any(value is None for value in values) else "_".join(map(str, values))


def composed_id(question: Question) -> str | None:
    """`VD_ocr_0_1_2`: category, subcategory, set, figure and question; None where one is missing.

    The category is needed: 55 of the 1129 share the rest with another, for VD and VS both have the subcategory ocr.
    """
    return _joined(question, _ID_COLUMNS)


def without_picture(question: Question) -> bool:
    """Whether it is asked without a picture (178 of VS), where `unclear` is right and no figure counts."""
    return question["category"] == "VS" and str(question["figure_id"]) == "0"


def _figure(question: Question) -> str | None:
    return None if without_picture(question) else _joined(question, (*_SET, "figure_id"))


def naming(questions: Mapping[str, Question]) -> "Naming":
    """What gives a row of responses its question's id."""
    return Naming(questions)


class Naming:
    """Names a row of responses by its own columns, or by an id that lacks the category where that says enough."""

    def __init__(self, questions: Mapping[str, Question]) -> None:
        self._known = questions
        self._shorter: dict[str, list[str]] = defaultdict(list)
        for key, question in questions.items():
            self._shorter[str(_joined(question, _ID_COLUMNS[1:]))].append(key)

    def __call__(self, row: Question) -> Question:
        """The row under its question's id.

        Raises:
            UserError: An id without category stands for two questions.
        """
        key = identity(row, _ID_KEYS)
        if key is None:
            composed = composed_id(row)
            return row if composed is None else {**row, "id": composed}
        if key in self._known or key not in self._shorter:
            return row
        if row.get("category") is not None and f"{row['category']}_{key}" in self._known:
            return {**row, "id": f"{row['category']}_{key}"}
        if len(self._shorter[key]) > 1:
            raise UserError(f"{key}: stands for the questions {', '.join(self._shorter[key])}; write which it is")
        return {**row, "id": self._shorter[key][0]}


def _groups(question: Question) -> Iterator[tuple[str, str]]:
    yield "category", str(question["category"])
    yield "subcategory", f"{question['category']}_{question['subcategory']}"


BENCHMARK = Benchmark(
    slug="hallusionbench",
    title="HallusionBench",
    position=14,
    source=ProblemSource(kind="hub", id="lmms-lab/HallusionBench", split="image"),
    n_questions=951,
    columns=frozenset({*_ID_COLUMNS, "visual_input", "question", "gt_answer"}),
    id_keys=_ID_KEYS,
    compose=composed_id,
    naming=naming,
    groups=_groups,
    cluster=lambda question: str(_joined(question, _SET)),
    parts=(
        Part("aAcc", composed_id),
        Part("fAcc", _figure),
        Part("qAcc", lambda question: _joined(question, (*_SET, "question_id"))),
    ),
    sizes={951: "the questions with a picture", 1129: "all questions"},
    classes="subcategory",
    llm_extracted=("vlmevalkit",),
)
