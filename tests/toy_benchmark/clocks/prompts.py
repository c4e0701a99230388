"""The prompt of a clock."""

from vr1repro.core.records import Problem


def _paper(problem: Problem) -> str:
    return f"Clock {problem.id}, dial {problem.metadata['dial']}. {problem.question}"


PROMPTS = {"paper": _paper, "cot": lambda problem: f"{_paper(problem)} Think first."}
