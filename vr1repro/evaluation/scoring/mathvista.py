"""MathVista: its profiles, and the groups of its sub-scores."""

from collections.abc import Iterator

from vr1repro.evaluation.scoring.base import Benchmark, Question, identity
from vr1repro.evaluation.scoring.mathvista_official import ID_KEYS, official
from vr1repro.evaluation.scoring.mathvista_rule import rule
from vr1repro.evaluation.scoring.peers import mathvista_lmms_eval, mathvista_vlmevalkit

_SHORT_NAMES = {
    "figure question answering": "FQA",
    "geometry problem solving": "GPS",
    "math word problem": "MWP",
    "textbook question answering": "TQA",
    "visual question answering": "VQA",
    "algebraic reasoning": "ALG",
    "arithmetic reasoning": "ARI",
    "geometry reasoning": "GEO",
    "logical reasoning": "LOG",
    "numeric commonsense": "NUM",
    "scientific reasoning": "SCI",
    "statistical reasoning": "STA",
}
_METADATA = ("language", "source", "category", "task", "context", "grade")


def short_name(name: str) -> str:
    """The paper's column for a task or skill (`FQA`, `ALG`, ...); other names as they are."""
    return _SHORT_NAMES.get(name, name)


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
