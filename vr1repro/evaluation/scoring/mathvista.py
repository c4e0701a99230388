"""MathVista: its profiles, and the groups of its sub-scores."""

from collections.abc import Iterator

from vr1repro.evaluation.scoring.base import Benchmark, Question, identity
from vr1repro.evaluation.scoring.mathvista_official import ID_KEYS, official
from vr1repro.evaluation.scoring.mathvista_rule import rule
from vr1repro.evaluation.scoring.peers import mathvista_lmms_eval, mathvista_vlmevalkit

_METADATA = ("language", "source", "category", "task", "context", "grade")


def _groups(question: Question) -> Iterator[tuple[str, str]]:
    metadata = question.get("metadata") or {}
    for group in ("question_type", "answer_type"):
        yield group, str(question[group])
    for group in _METADATA:
        if metadata.get(group) is not None:
            yield group, str(metadata[group])
    for skill in metadata.get("skills") or ():
        yield "skills", str(skill)


MATHVISTA = Benchmark(
    slug="mathvista",
    id_keys=ID_KEYS,
    profiles={
        "official": official,
        "rule": rule,
        "vlmevalkit": mathvista_vlmevalkit,
        "lmms-eval": mathvista_lmms_eval,
    },
    groups=_groups,
    cluster=lambda question: str(question.get("image") or identity(question, ID_KEYS)),
)
