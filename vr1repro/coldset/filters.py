"""The rules that reject a trace, in the order in which they are tried. A trace is rejected by the first that fires.

Paper section 3.3.1: chains whose final answer disagrees with the ground truth are removed, then "rule-based data
filtering to remove logical inconsistent samples". Neither the matcher nor the rules are stated; the answer rule here
uses the grader that the reward and the benchmarks use, and every other rule names one way in which a chain is unusable.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from vr1repro.answers.completion import TAGS, THINK_CLOSE, THINK_OPEN
from vr1repro.answers.extract import final_answer
from vr1repro.answers.grade import Grader, Pair, Work
from vr1repro.config.coldset import ColdsetSettings
from vr1repro.records import Outcome

_ASSISTANT = re.compile(r"\bas an AI\b|\blanguage model\b|\bI (?:cannot|can't|am unable to) (?:see|view)\b", re.I)
_LEAK = re.compile(r"\bdescription\b|\bcaption\b", re.I)
_CONCLUSION = re.compile(r"(?:final answer|answer)\s+(?:is|should be|must be)\s*:?\s*([^.\n]{1,60})", re.I)


@dataclass(frozen=True)
class Candidate:
    """A polished reply that may become a trace.

    Attributes:
        chain: The chain of thought, without tags.
        final_answer: What the reply gave as its answer, None where nothing was found.
        gold: The problem's answer.
        choices: The problem's choices.
        finished: False where the reply was cut at its token limit.
    """

    chain: str
    final_answer: str | None
    gold: str
    choices: tuple[str, ...] | None
    finished: bool


def truncated(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """The reply was cut at its token limit."""
    return not candidate.finished


def no_answer(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """The reply has no final answer, or no chain before it."""
    return not candidate.final_answer or not candidate.chain.strip()


def tags_inside(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """Chain or answer holds a tag of the completion format, which would make it ambiguous."""
    return any(tag in candidate.chain or tag in (candidate.final_answer or "") for tag in TAGS)


def too_long(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """The chain is longer than `coldset.max_chain_chars`."""
    return len(candidate.chain) > settings.max_chain_chars


def repetition(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """One n-gram of words covers more than `coldset.repetition_share` of a long chain: a loop."""
    words = candidate.chain.split()
    n = settings.repetition_ngram
    if len(words) < 10 * n:
        return False
    counts: dict[tuple[str, ...], int] = {}
    for start in range(len(words) - n + 1):
        gram = tuple(words[start : start + n])
        counts[gram] = counts.get(gram, 0) + 1
    return max(counts.values()) * n > settings.repetition_share * len(words)


def assistant_talk(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """The reasoner speaks of itself as a model, or says that it cannot see."""
    return _ASSISTANT.search(candidate.chain) is not None


def leak(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """The polished chain still speaks of a description."""
    return settings.polish and _LEAK.search(candidate.chain) is not None


def contradiction(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """The chain's last stated conclusion is a number other than the number given as final answer."""
    found = _CONCLUSION.findall(candidate.chain)
    if not found or candidate.final_answer is None:
        return False
    stated, given = _number(found[-1]), _number(candidate.final_answer)
    return stated is not None and given is not None and stated != given


def _number(text: str) -> float | None:
    match = re.search(r"-?\d+(?:\.\d+)?", text.replace(",", ""))
    return float(match.group(0)) if match else None


RULES: dict[str, Callable[[Candidate, ColdsetSettings], bool]] = {
    rule.__name__.replace("_", "-"): rule
    for rule in (truncated, no_answer, tags_inside, too_long, repetition, assistant_talk, leak, contradiction)
}
# The grader's outcomes other than right, as names of rejections.
ANSWER_RULES: dict[Outcome, str] = {
    outcome: f"answer-{outcome.value.replace('_', '-')}" for outcome in Outcome if outcome is not Outcome.RIGHT
}


def rejections(candidates: Iterable[Candidate], settings: ColdsetSettings, grader: Grader) -> Iterator[str | None]:
    """The name of the rule that rejects each candidate, in order; None for those kept.

    The cheap rules come first; only what they leave reaches the grader.
    """

    def items() -> Iterator[str | Outcome | Work[str | Outcome]]:
        for candidate in candidates:
            name = next((name for name, rule in RULES.items() if rule(candidate, settings)), None)
            yield name or Pair(candidate.gold, candidate.final_answer, candidate.choices).work()  # type: ignore[misc]

    for result in grader.stream(items()):
        yield ANSWER_RULES.get(result) if isinstance(result, Outcome) else result


def split_reply(text: str) -> tuple[str, str | None]:
    """Chain and final answer of a reasoner's reply; without think tags the whole reply is its chain."""
    before, closed, after = text.rpartition(THINK_CLOSE)
    chain, rest = (before.removeprefix(THINK_OPEN), after) if closed else (text, text)
    found = final_answer(rest)
    return chain.strip(), None if found is None else found.text.strip()
