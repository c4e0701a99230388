"""The facts of a benchmark: all that loading, sampling, grading and reporting must know of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vr1repro.config.problems import ProblemSource

Question = dict[str, Any]
EXCLUDED = "excluded"  # stratum of questions that the overall score leaves out (MathVerse's Text Only)


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
        numbered: Ids come several times, one a variant, and rows are numbered by `core.variants`.
        worst_case: Whether there is a second overall score: the share of clusters with every row right.
        overall: Names the overall score's own rule: a group whose members are averaged; None for the mean of all rows.
        members: Those members, where `overall` is set.
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
    numbered: bool = False
    worst_case: bool = False
    overall: str | None = None
    members: tuple[str, ...] = ()
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
        return member if member in self.members else EXCLUDED

    def id_of(self, question: Question) -> str | None:
        """The id of a question, or of a response row, under the first of its id keys that is there."""
        return identity(question, self.id_keys)


def identity(row: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    """The value of the first of the keys that is there, as text."""
    return next((str(row[key]) for key in keys if row.get(key) is not None), None)
