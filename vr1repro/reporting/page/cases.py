"""Case studies: what this run has to the questions that the paper prints with outputs (v1 Figs. 5 to 7)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.questions import question_rows
from vr1repro.published.cases import PrintedCase, printed_cases
from vr1repro.reporting.page.samples import first_ends
from vr1repro.reporting.run.questions import stated
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.run.scores import last_responses, last_verdicts
from vr1repro.reporting.run.words import cold_chains

_BENCHMARK = "mathverse"
_SHOWN_CHARACTERS = 6000  # of a response; the explorer has all of it


@dataclass(frozen=True, kw_only=True)
class OurText:
    """What this run has to a printed question.

    Attributes:
        by: The arm's label, or the data set that a chain's problem is from.
        question: The question's id, and its MathVerse version.
        verdict: Of the headline profile; None for a chain of the cold-start set.
        text: Cut where it is long.
        whole: Whether it is not.
        address: In the trace explorer; None for a chain.
    """

    by: str
    question: str
    text: str
    whole: bool
    verdict: str | None = None
    extraction: str | None = None
    n_tokens: int | None = None
    address: str | None = None


@dataclass(frozen=True)
class CaseStudy:
    """A printed question and ours to it.

    Attributes:
        missing: Why there is nothing of ours.
    """

    printed: PrintedCase
    ours: Sequence[OurText] = ()
    missing: str = ""


@dataclass
class _Questions:
    """Versions of a run's MathVerse questions by id, and the ids that each case is about."""

    versions: dict[str, str] = field(default_factory=dict)
    of_case: dict[PrintedCase, list[str]] = field(default_factory=dict)


def case_studies(results: Results) -> list[CaseStudy]:
    """Every printed case, with the responses of each arm's end (first training and evaluation seed) or chains to it."""
    cases = printed_cases()
    responses = _responses(results, [case for case in cases if case.shows == "response"])
    chains = _chains(results.coldset, [case for case in cases if case.shows == "cold-start"])
    return [responses[case] if case in responses else chains[case] for case in cases]


def _responses(results: Results, cases: Sequence[PrintedCase]) -> dict[PrintedCase, CaseStudy]:
    folder = results.run / "problems" / _BENCHMARK
    if not folder.exists():
        return {case: CaseStudy(case, missing="not run here: MathVerse is not in this run") for case in cases}
    questions = _find(cases, dict(question_rows(lookup.facts(_BENCHMARK), folder)))
    ours: dict[PrintedCase, list[OurText]] = {case: [] for case in cases}
    if any(questions.of_case.values()):
        for case, text in _answers(results, questions):
            ours[case].append(text)
    none, unanswered = "this run's MathVerse has no such question", "no arm answered it"
    return {
        case: CaseStudy(
            case, texts, "" if texts else f"not run here: {unanswered if questions.of_case[case] else none}"
        )
        for case, texts in ours.items()
    }


def _find(cases: Sequence[PrintedCase], rows: Mapping[str, Question]) -> _Questions:
    """The rows with a case's wording; where no version has it, all versions of the problem with its choices."""
    questions = _Questions({key: str(row.get("problem_version") or "") for key, row in rows.items()})
    for case in cases:
        problem = {
            key: letters(stated(row)["question"])
            for key, row in rows.items()
            if str(row.get("problem_index")) == case.problem_index
        }
        wording, choices = letters(case.question), letters(_lettered(case.choices))
        if not any(choices in text for text in problem.values()):
            problem = {}  # another set numbers other problems
        printed = {f"{wording}{choices}", f"{wording}choices{choices}"}
        worded = [key for key, text in problem.items() if text in printed]
        questions.of_case[case] = worded or list(problem)
    return questions


def _answers(results: Results, questions: _Questions) -> Iterator[tuple[PrintedCase, OurText]]:
    for folder, verdicts in first_ends(results):
        if folder.benchmark != _BENCHMARK:
            continue
        responses, graded = last_responses(folder.path / "responses.jsonl"), last_verdicts(verdicts)
        path = folder.path.relative_to(results.run / "eval").as_posix()
        for case, keys in questions.of_case.items():
            for key in keys:
                if key in responses and key in graded:
                    response, verdict = responses[key], graded[key]
                    yield (
                        case,
                        OurText(
                            by=results.label(folder.arm),
                            question=f"{key} ({questions.versions[key]})",
                            text=response.response[:_SHOWN_CHARACTERS],
                            whole=len(response.response) <= _SHOWN_CHARACTERS,
                            verdict=verdict.verdict.value,
                            extraction=verdict.extraction,
                            n_tokens=response.n_tokens,
                            address=f"{path}/{key}",
                        ),
                    )


def _chains(coldset: Path, cases: Sequence[PrintedCase]) -> dict[PrintedCase, CaseStudy]:
    ours: dict[PrintedCase, list[OurText]] = {case: [] for case in cases}
    is_there = False
    for chain in cold_chains(coldset):
        is_there = True
        question = letters(chain.question)
        for case in cases:
            wording, choices = letters(case.question), letters(_lettered(case.choices))
            # Without choices a short wording is part of many questions.
            if (wording in question and choices in question) if choices else wording == question:
                text = OurText(
                    by=chain.source,
                    question=chain.id,
                    text=chain.chain[:_SHOWN_CHARACTERS],
                    whole=len(chain.chain) <= _SHOWN_CHARACTERS,
                )
                ours[case].append(text)
    why = "this run's cold-start set has no such question" if is_there else "no cold-start set is in this run"
    return {case: CaseStudy(case, texts, "" if texts else f"not run here: {why}") for case, texts in ours.items()}


def letters(text: str) -> str:
    """Small letters and digits alone: copies differ in blanks, line ends and degree signs."""
    return re.sub(r"[^a-z0-9]+", "", text.lower())


def _lettered(choices: Sequence[str]) -> str:
    return " ".join(f"{letter}:{choice}" for letter, choice in zip("ABCDEFGH", choices, strict=False))
