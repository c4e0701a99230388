"""DynaMath (DynaMath/DynaMath_Sample): 501 seed questions in ten variants each.

It has two overall scores: the average over all rows, and the worst case over a seed's variants.

Deviations from the paper, beside the values that it does not state:

1. DynaMath is taken from the hub's ten splits, one a variant; the paper's evaluator reads VLMEvalKit's DynaMath.tsv.
   Whether the rows are the same is not known here, and which of its scores v4 Table 1 prints is not stated; it is
   compared with the average, as the README's "Overall; Avg".
"""

from collections.abc import Iterator

from vr1repro.benchmarks.base import Benchmark, Question, identity
from vr1repro.config.problems import ProblemSource
from vr1repro.core.variants import Variants

_ID_KEYS = ("id", "question_id", "index")


def seed_of(question: Question) -> str:
    """The seed question that a variant was made from."""
    return str(question.get("seed") or identity(question, _ID_KEYS))


def _groups(question: Question) -> Iterator[tuple[str, str]]:
    yield "answer_type", str(question["answer_type"])
    for group, keys in (("subject", ("subject",)), ("level", ("knowledge_level", "level"))):
        value = next((question[key] for key in keys if question.get(key)), None)
        if value:
            yield group, " ".join(str(value).split())


BENCHMARK = Benchmark(
    slug="dynamath",
    title="DynaMath",
    position=4,
    # A split a variant (the card of DynaMath/DynaMath_Sample); in this order, for it numbers the variants.
    source=ProblemSource(
        kind="hub",
        id="DynaMath/DynaMath_Sample",
        split="+".join(f"sample_variant{number}" for number in range(1, 11)),
    ),
    n_questions=5010,
    columns=frozenset({"id", "question", "ground_truth", "answer_type", "knowledge_level"}),
    id_keys=_ID_KEYS,
    groups=_groups,
    cluster=seed_of,
    numbered=Variants,
    worst_case=True,
    llm_extracted=("vlmevalkit",),
)
