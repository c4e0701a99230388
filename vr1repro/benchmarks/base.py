"""The facts of a benchmark: all that loading, sampling, grading and reporting must know of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from vr1repro.config.problems import ProblemSource

Question = dict[str, Any]
EXCLUDED = "excluded"  # stratum of questions that the overall score leaves out (MathVerse's Text Only)


class Numbering(Protocol):
    """Tells rows apart that come under one id, in their order."""

    def numbered(self, row: Question) -> Question:
        """The row with an id of its own; one that has it already stays as it is."""
        ...


@dataclass(frozen=True)
class Part:
    """A share that a score is put together from: of units that are right where all their questions are.

    Attributes:
        name: As the benchmark names it: `acc+`, `fAcc`.
        unit: The unit that a question belongs to; None where it counts in none.
    """

    name: str
    unit: Callable[[Question], str | None]


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """The facts of a benchmark, which `BENCHMARK` of its folder states.

    Attributes:
        slug: Its name in paths and records, which is its folder's name.
        title: Its name in tables and on the page.
        position: Its place in tables: the paper's benchmarks in the paper's order, then ours.
        source: Its questions on the hub. A revision is given where one is known; else the newest is taken.
        n_questions: How many rows `source` has.
        columns: A row with all of these columns is one of its questions.
        id_keys: Names of its id column, the preferred first. A row without any has its number as id.
        groups: The (group, name) pairs that a question counts in, `overall` apart.
        cluster: The id that questions share whose errors are not independent: a problem, a picture, a seed.
        numbered: Makes what numbers rows whose ids come several times; None where ids are unique.
        compose: Makes the id of a row that has no id column from its other columns.
        naming: Of the questions by id, makes what gives a row of responses its question's id where the row names its
            question in another way.
        worst_case: Whether there is a second overall score: the share of clusters with every row right.
        overall: Names the overall score's own rule: a group whose members are averaged; None for the mean of all rows.
        members: Those members, where `overall` is set; none: every one that comes, and questions of none are one more.
        parts: What the overall score and every sub-score is put together from; none: the share of right rows.
        summed: Whether shares are added, of 100 each, and not averaged.
        out_of: What the overall score is out of where every question is answered; MME's is 2800.
        sizes: What a set of so many questions is, where the benchmark is scored on more than one.
        printed: Short names of the sub-scores that the paper prints, by (group, name).
        classes: The group that the per-class figure shows; None for none.
        choices_column: The column that a scorer reads a question's choices from; None where it needs none.
        llm_extracted: Profiles that read an LLM's extraction (`vr1repro extract`).
        llm_judged: Profiles that read an LLM judge's reply (`vr1repro judge`).
    """

    slug: str
    title: str
    position: int
    source: ProblemSource
    n_questions: int
    columns: frozenset[str]
    id_keys: tuple[str, ...]
    groups: Callable[[Question], Iterator[tuple[str, str]]]
    cluster: Callable[[Question], str]
    numbered: Callable[[], Numbering] | None = None
    compose: Callable[[Question], str | None] | None = None
    naming: Callable[[Mapping[str, Question]], Callable[[Question], Question]] | None = None
    worst_case: bool = False
    overall: str | None = None
    members: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    summed: bool = False
    out_of: float = 100.0
    sizes: Mapping[int, str] = field(default_factory=dict)
    printed: Mapping[tuple[str, str], str] = field(default_factory=dict)
    classes: str | None = None
    choices_column: str | None = None
    llm_extracted: tuple[str, ...] = ()
    llm_judged: tuple[str, ...] = ()

    def stratum(self, question: Question) -> str:
        """The part of the overall score that a question counts in; the score is the mean of its parts' means.

        `all` where the overall score is the mean of all rows, else one of `members`, or `EXCLUDED`.
        """
        if self.overall is None:
            return "all"
        member = dict(self.groups(question)).get(self.overall)
        if not self.members:
            return member or "all"
        return member if member in self.members else EXCLUDED

    def id_of(self, question: Question) -> str | None:
        """The id of a question, or of a response row: under the first of its id keys that is there, else composed."""
        key = identity(question, self.id_keys)
        return self.compose(question) if key is None and self.compose is not None else key

    def units(self, question: Question) -> tuple[str | None, ...]:
        """The unit of each of its parts that a question belongs to."""
        return tuple(part.unit(question) for part in self.parts)

    def maximum(self, shares: int) -> float:
        """What the score is out of, where it is put together from so many shares."""
        return 100.0 * shares if self.summed else 100.0


def identity(row: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    """The value of the first of the keys that is there, as text."""
    return next((str(row[key]) for key in keys if row.get(key) is not None), None)
