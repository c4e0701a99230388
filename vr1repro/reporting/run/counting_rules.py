"""Which counting rule the authors may have used for Table 4: rules ranked by their distance to the printed counts.

The counts of LLaVA-CoT and Mulberry are of texts that anyone can fetch, so they say which rule it was, if it is one of
ours. The paper states no rule (`words`), nor whether a question counts with its reply.
"""

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vr1repro.coldset.words import RULES, WORDS, count, published
from vr1repro.config.problems import ProblemSource
from vr1repro.core.errors import UserError
from vr1repro.core.problem_files import read_problems
from vr1repro.problems.load import load_problems
from vr1repro.published.targets import WORD_SETS
from vr1repro.reporting.run.words import chains_file, cold_chains, count_words

COLDSET = "coldset"
# The columns of Table 4, as they are headed, by the set.
COLUMNS: Mapping[str, str] = {name: head for head, name in WORD_SETS.items()}
# In the order of `count`, and where in it a word's count by the report's own rule stands.
_PLACES = [(word, rule) for word in WORDS for rule in RULES]
_WHOLE = {word: _PLACES.index((word, "whole_any_case")) for word in WORDS}


@dataclass(frozen=True, kw_only=True)
class SetCounts:
    """Words of one set.

    Attributes:
        column: A key of `COLUMNS`.
        texts: How many texts were counted in.
        counts: By word and rule.
        by_text: By word, whole words in any case in each text: what a sum's error is estimated from.
    """

    column: str
    texts: int
    counts: Mapping[tuple[str, str], int]
    by_text: Mapping[str, Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class RuleDistance:
    """How far a rule's counts lie from the printed ones.

    Attributes:
        distance: Root mean square of the differences of log(1 + count) over words and sets; 0 where all are equal.
        equal: Counts that are equal to the printed ones, of `of`.
    """

    rule: str
    distance: float
    equal: int
    of: int


def count_set(column: str, texts: Iterable[str], words: Sequence[str] = WORDS) -> SetCounts:
    """Count the words of all texts under every rule, reading each text once.

    Args:
        words: The words of `by_text`; those that Table 4 lacks are counted there alone.
    """
    if column not in COLUMNS:
        raise UserError(f"{column}: no column of Table 4; one of {', '.join(COLUMNS)}")
    further = [word for word in words if word not in WORDS]
    by_text = {word: array("q") for word in words}
    sums, number = [0] * len(_PLACES), 0
    for text in texts:
        counts = count(text)
        sums = [total + n for total, n in zip(sums, counts, strict=True)]
        number += 1
        whole = {word: counts[place] for word, place in _WHOLE.items()} | count_words(text, further)
        for word, each in by_text.items():
            each.append(whole[word])
    return SetCounts(column=column, texts=number, counts=dict(zip(_PLACES, sums, strict=True)), by_text=by_text)


def rank_rules(sets: Sequence[SetCounts]) -> list[RuleDistance]:
    """Every counting rule by its distance to the printed counts of some sets, the nearest first.

    Raises:
        UserError: There is no set.
    """
    if not sets:
        raise UserError("no set of Table 4 to count words in; name at least one")
    printed = {one.column: published(COLUMNS[one.column]) for one in sets}
    ranked = []
    for rule in RULES:
        pairs = [(one.counts[word, rule], printed[one.column][word]) for one in sets for word in WORDS]
        squares = [(math.log1p(ours) - math.log1p(theirs)) ** 2 for ours, theirs in pairs]
        ranked.append(
            RuleDistance(
                rule=rule,
                distance=math.sqrt(sum(squares) / len(squares)),
                equal=sum(ours == theirs for ours, theirs in pairs),
                of=len(pairs),
            )
        )
    return sorted(ranked, key=lambda one: one.distance)


def texts_of(column: str, path: Path) -> Iterator[str]:
    """The texts of a set, one for each question: the replies of a source, the chains of a cold-start set.

    Args:
        column: A key of `COLUMNS`.
        path: Problems as a run keeps them (`problems.parquet`) or a source's own JSON or JSONL, without pictures if
            need be; for `coldset` the folder of a cold-start set.

    Raises:
        UserError: There is no such file, or it is another's.
    """
    if column == COLDSET:
        if chains_file(path) is None:
            raise UserError(f"{path}: no cold-start set here: no traces.jsonl and no coldset.parquet")
        yield from (one.chain for one in cold_chains(path))
        return
    if path.suffix == ".parquet":
        problems = read_problems(path, pictures=False)
    else:
        source = ProblemSource(kind="path", path=str(path), adapter=column, text_only=True)
        problems = load_problems(source, blind=True)
    for problem in problems:
        if not isinstance(reply := problem.metadata.get("reply"), str):
            raise UserError(
                f"{path}: the problem {problem.id!r} has no `reply` in its metadata; read the set with the adapter"
                " llava-cot or mulberry"
            )
        yield reply
