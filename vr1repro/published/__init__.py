"""The numbers that the paper, its repository and its figures print, each with its source, class and stable id.

`numbers.json` is committed; `load` reads it. It is made by `vr1repro.published.build` from a list of facts that were
read in the sources that each row names, and none of those facts is dropped.
"""

from vr1repro.published.disagreements import Disagreement, disagreements
from vr1repro.published.values import Arithmetic, PublishedValue, Status, Target, ValueClass, load, table

__all__ = [
    "Arithmetic",
    "Disagreement",
    "PublishedValue",
    "Status",
    "Target",
    "ValueClass",
    "disagreements",
    "load",
    "table",
]
