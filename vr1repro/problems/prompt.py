"""The one user turn that a problem makes, in training and in bridging."""

from string import ascii_uppercase

from vr1repro.core.records import Problem


def user_turn(problem: Problem) -> str:
    r"""The question, with its choices in the paper's form.

    Source: Osilly/Vision-R1@c061681, inference.py: multiple choice is written "...\nChoices:\nA: 2π\nB: 3π...".
    No instruction about tags follows; the paper trains and evaluates without one (sections 3.3 and 3.4).
    """
    if not problem.choices:
        return problem.question
    letters = ascii_uppercase[: len(problem.choices)]
    lines = [f"{letter}: {choice}" for letter, choice in zip(letters, problem.choices, strict=True)]
    return "\n".join([problem.question, "Choices:", *lines])


def messages(text: str, has_image: bool, system: str | None = None) -> list[dict[str, object]]:
    """A conversation of one user turn, image first as the paper's inference code sends it, for a chat template."""
    parts: list[dict[str, str]] = [{"type": "image"}] if has_image else []
    turns: list[dict[str, object]] = []
    if system:
        turns.append({"role": "system", "content": [{"type": "text", "text": system}]})
    return [*turns, {"role": "user", "content": [*parts, {"type": "text", "text": text}]}]
