"""Where the paper, its versions, its README and its repository disagree with each other."""

import json
from functools import cache
from importlib.resources import files

from vr1repro.published.values import Frozen, PublishedValue, load_values

FILE = "disagreements.json"


class Disagreement(Frozen):
    """A place where two printed statements, or a statement and a number, do not agree.

    Attributes:
        what: The subject, as a heading.
        prints: Ids of the printed numbers concerned; empty where the disagreement is one of words.
        says: What disagrees, and what is known about it.
    """

    what: str
    prints: tuple[str, ...]
    says: str

    @property
    def values(self) -> list[PublishedValue]:
        """The printed numbers."""
        by_id = {value.id: value for value in load_values()}
        return [by_id[identity] for identity in self.prints]


@cache
def disagreements() -> tuple[Disagreement, ...]:
    """The known ones, each read in the sources."""
    rows = json.loads(files(__package__).joinpath(FILE).read_text(encoding="utf-8"))
    return tuple(Disagreement.model_validate(row) for row in rows)
