"""The numbers that the paper, its repository and its figures print, each with its source, class and stable id.

`numbers.json` is committed; `load_values` reads it. `vr1repro.published.build` makes it from lists of facts, each read
in the source that its row names, and drops none of them.
"""

from vr1repro.published.disagreements import Disagreement, disagreements
from vr1repro.published.values import (
    Arithmetic,
    Formula,
    PublishedValue,
    Status,
    Target,
    ValueClass,
    load_values,
    table_values,
)

__all__ = [
    "Arithmetic",
    "Disagreement",
    "Formula",
    "PublishedValue",
    "Status",
    "Target",
    "ValueClass",
    "disagreements",
    "load_values",
    "table_values",
]
