"""How responses are graded as a printed number was: by the profile that suits it, and what that reads of an LLM."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vr1repro.benchmarks import lookup
from vr1repro.evaluation.coverage import coverage
from vr1repro.evaluation.formats.read import opened
from vr1repro.evaluation.llm_commands import ResponseSource, graded_so
from vr1repro.reporting.compare.foreign import GradingOptions, ModelResponses, questions_beside


@dataclass(frozen=True, kw_only=True)
class Regrading:
    """The comparison that was asked for, to be asked for again under another profile.

    Attributes:
        sources: The responses by model and benchmark, as they were named.
        against: `--against`.
        protocol: `--protocol`.
        out: `--out`.
    """

    sources: Mapping[tuple[str, str], ResponseSource]
    against: Sequence[str]
    protocol: str
    out: Path

    def commands(self, model: str, slug: str, profile: str) -> str:
        """What brings a model's responses to a benchmark under a profile, and compares them again.

        Empty where the benchmark has no such profile, or the model no responses to it.
        """
        source = self.sources.get((model, slug))
        if source is None or profile not in lookup.profiles(slug):
            return ""

        def again(files: tuple[Path, ...]) -> list[str]:
            words = ["vr1repro", "compare", "--responses", f"{model}={','.join(map(str, files))}", "--benchmark", slug]
            words += ["--questions", str(source.questions), "--profile", profile, "--protocol", self.protocol]
            words += [word for target in self.against for word in ("--against", target)]
            return [*words, "--out", f"{self.out}-{profile}"]

        return graded_so(lookup.facts(slug), profile, source, again)

    def lacking(self, run: Path, profile: str) -> list[str]:
        """A text for each model of which responses wait for what a profile reads of an LLM.

        The commands stand in the first of a benchmark.

        Args:
            run: The assembled run.
            profile: The profile that its verdicts are of.

        Raises:
            BadResponses: None of a model's responses could be graded.
        """
        texts, explained = [], set()
        for model, slug in self.sources:
            folder = run / "eval" / model / slug / self.protocol
            for verdicts in sorted(folder.glob(f"e*/verdicts/{profile}.jsonl")):
                counts = coverage(verdicts, lookup.facts(slug))
                if lacks := counts.without_llm(profile):
                    commands = self.commands(model, slug, profile)
                    counts.refuse_ungraded(model, profile, commands)
                    texts.append(f"{model}: {lacks}" + ("" if slug in explained else f"; {commands}"))
                    explained.add(slug)
        return texts


def response_sources(
    evaluations: Iterable[ModelResponses], grading: GradingOptions
) -> dict[tuple[str, str], ResponseSource]:
    """The responses of models by benchmark, seeds together, as a command line would name them."""
    files: dict[tuple[str, str], list[Path]] = {}
    questions: dict[str, Path] = {}
    for one in evaluations:
        slug = one.folder.parts[-3] if one.folder is not None else grading.benchmark
        if slug is None or (one.folder is not None and one.folder.parts[-2] != grading.protocol):
            continue
        place = grading.questions if one.folder is None else questions_beside(one.folder, slug, grading)
        if place is not None:
            questions.setdefault(slug, place)
            named = one.files if one.folder is None else (one.folder / "responses.jsonl",)
            files.setdefault((one.model, slug), []).extend(named)
    return {
        (model, slug): ResponseSource(
            name=model,
            responses=tuple(paths),
            questions=questions[slug],
            format=grading.format,
            columns=grading.columns,
            rows=partial(opened, slug, questions[slug], paths, grading.format, grading.columns),
        )
        for (model, slug), paths in files.items()
    }
