"""A run's results; `Results.measure` gives our counterpart of a published number's target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.base import EXCLUDED
from vr1repro.config import loader
from vr1repro.config.plan import Plan
from vr1repro.config.problems import ProblemSource
from vr1repro.config.reporting import ReportSettings
from vr1repro.evaluation.selection import Selection
from vr1repro.published import Target
from vr1repro.reporting.run import counting_rules, words
from vr1repro.reporting.run.arms import ArmInfo, from_plan, training_log
from vr1repro.reporting.run.best import deciding_rows, read_selections
from vr1repro.reporting.run.commits import require_commits
from vr1repro.reporting.run.gaps import gaps
from vr1repro.reporting.run.integrity import check_run
from vr1repro.reporting.run.lengths import mean_length, sampled_lengths
from vr1repro.reporting.run.points import Points
from vr1repro.reporting.run.scorer_errors import errors_of, read_errors
from vr1repro.reporting.run.scores import (
    OpenShares,
    accuracy,
    average_weights,
    collect,
    headline,
    open_shares,
    pick,
    tokens,
)
from vr1repro.reporting.run.scores_by_seed import Draws, Scorer, draws_by_scorer
from vr1repro.reporting.run.units import maximum, scored
from vr1repro.reporting.statistics.estimate import Estimate
from vr1repro.reporting.statistics.rounding import fixed
from vr1repro.reporting.statistics.scorer_error import ScorerErrors

MICRO_NOTE = "micro scale: a model of the experiment, not evidence for the paper's numbers"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Our counterpart of a published number.

    Attributes:
        estimate: Value with its error over other questions.
        scorers: What a verdict is made of, under every protocol and profile that was run; none for a count or a log.
    """

    estimate: Estimate
    scorers: Mapping[Scorer, Draws] = field(default_factory=dict)


@dataclass(frozen=True)
class Missing:
    """Why there is no counterpart, and the command that would make it."""

    reason: str
    command: str | None = None


@dataclass(kw_only=True)
class Results:
    """One run.

    Attributes:
        run: `results/<run>`.
        arms: The config's arms by name.
        settings: The report's settings.
        comparable: Whether its scores may be compared with the paper's.
        frame: Tidy rows of all protocols and profiles.
        coldset_name: Folder of the cold-start set below `run`; it differs where the set is taken as released.
        selections: The best checkpoint of each arm and training seed that chose one.
        sources: File of problems below `run` of each source of the cold-start set, by its adapter.
        llm: Who extracts and judges; None where no LLM does.
        notes: What of its plan is not there, and what no manifest covers.
        compared: Comparisons made of this run, by published id, value and target; `claims.comparison` fills it.
    """

    run: Path
    arms: Mapping[str, ArmInfo]
    settings: ReportSettings
    comparable: bool
    frame: pd.DataFrame
    coldset_name: str = "coldset"
    selections: Sequence[Selection] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    llm: str | None = None
    notes: Sequence[str] = ()
    _measured: dict[Target | None, Measurement | Missing] = field(default_factory=dict, repr=False)
    compared: dict[tuple[str, Any, Target | None], Any] = field(default_factory=dict, init=False, repr=False)
    _finals: dict[str, pd.DataFrame] = field(default_factory=dict, init=False, repr=False)
    _logs: dict[ArmInfo, pd.DataFrame] = field(default_factory=dict, repr=False)

    @classmethod
    def load(
        cls,
        run: Path,
        arms: Mapping[str, ArmInfo],
        settings: ReportSettings,
        comparable: bool,
        coldset_name: str = "coldset",
        sources: Mapping[str, str] | None = None,
    ) -> "Results":
        """Collect a run from disk.

        Raises:
            UserError: A file is bad; the message names it.
        """
        return cls(
            run=run,
            arms=arms,
            settings=settings,
            comparable=comparable,
            frame=collect(run, settings),
            coldset_name=coldset_name,
            selections=read_selections(run),
            sources=sources or {},
        )

    @property
    def coldset(self) -> Path:
        """Folder of the cold-start set."""
        return self.run / self.coldset_name

    @cached_property
    def headline(self) -> pd.DataFrame:
        """The rows of the headline protocol and profile."""
        return headline(self.frame, self.settings)

    def final(self, arm: str) -> pd.DataFrame:
        """The headline rows of an arm's end; picked out once."""
        if arm not in self._finals:
            self._finals[arm] = self.headline[(self.headline["arm"] == arm) & self.headline["final"]]
        return self._finals[arm]

    def best(self, arm: str) -> pd.DataFrame:
        """The rows that an arm's best checkpoints were chosen by, one checkpoint a training seed; never its end's."""
        parts = [
            deciding_rows(self.frame, selection, [selection.selected])
            for selection in self.selections
            if selection.arm == arm
        ]
        return pd.concat(parts) if parts else self.frame.iloc[:0]

    def rows_of(self, target: Target) -> pd.DataFrame:
        """The rows of the checkpoints that a target speaks about."""
        if target.arm is None:
            return self.frame.iloc[:0]
        return self.best(target.arm) if target.checkpoint else self.final(target.arm)

    def log(self, arm: ArmInfo) -> pd.DataFrame:
        """The step log of an arm, read once."""
        if arm not in self._logs:
            self._logs[arm] = training_log(self.run, arm)
        return self._logs[arm]

    @cached_property
    def evaluated(self) -> list[str]:
        """Arms whose end was evaluated, in the config's order, then any others."""
        names = set(self.headline.loc[self.headline["final"], "arm"].unique()) if len(self.headline) else set()
        return [*(name for name in self.arms if name in names), *sorted(names - set(self.arms))]

    @cached_property
    def benchmarks(self) -> list[str]:
        """Benchmarks with headline rows."""
        graded = set(self.headline["benchmark"].unique())
        return [slug for slug in lookup.slugs() if slug in graded]

    def scorer_errors(self, benchmark: str, profile: str) -> ScorerErrors | None:
        """What was measured of a benchmark's scorer; None where nobody has."""
        return errors_of(benchmark, profile, self.llm, self._measured_errors)

    @cached_property
    def _measured_errors(self) -> list[ScorerErrors]:
        return [read_errors(Path(path)) for path in self.settings.scorer_errors]

    def label(self, arm: str) -> str:
        """An arm's name in tables."""
        return self.arms[arm].label if arm in self.arms else arm

    def trained(self, arm: str) -> bool:
        """Whether an arm's scores vary with a training seed of ours."""
        return arm not in self.arms or self.arms[arm].trained

    def released(self, arm: str) -> bool:
        """Whether an arm's weights are those that the published numbers are about."""
        return arm in self.arms and self.arms[arm].released

    @property
    def scorer(self) -> Scorer:
        """The headline's protocol and profile."""
        return self.settings.protocol, self.settings.profile

    def accuracy(self, arm: str, benchmark: str, subset: str = "overall") -> Estimate | None:
        """Accuracy of an arm's end in percent, or None where it was not evaluated."""
        return self._accuracy_of(self.final(arm), benchmark, subset)

    def average(self, arm: str, benchmarks: tuple[str, ...]) -> Estimate | None:
        """Mean accuracy of an arm's end over benchmarks, or None where one of them is missing."""
        return self._average_of(self.final(arm), benchmarks)

    def _accuracy_of(self, rows: pd.DataFrame, benchmark: str, subset: str) -> Estimate | None:
        rows = self._inside(rows, (benchmark,))
        if rows.empty or not self.has_headline(rows) or (rows := pick(rows, subset)).empty:
            return None
        return accuracy(rows, self.settings)

    def _average_of(self, rows: pd.DataFrame, benchmarks: tuple[str, ...]) -> Estimate | None:
        rows = self._inside(rows, benchmarks)
        if rows.empty or set(rows["benchmark"]) != set(benchmarks):
            return None
        return accuracy(rows, self.settings, average_weights(rows)) if self.has_headline(rows) else None

    def has_headline(self, rows: pd.DataFrame) -> bool:
        """Whether enough responses have a verdict for a score to be told (`reporting.max_ungraded`)."""
        return open_shares(rows, average_weights(rows)).ungraded <= 100 * self.settings.max_ungraded

    def open_shares(self, target: Target | None) -> OpenShares | None:
        """What the headline's scorer left open of a target's score; None where it is no score of ours."""
        if target is None or target.arm is None or target.quantity != "accuracy":
            return None
        plain = target.of if _plain(target.of) else (target.benchmark,)
        rows = pick(self._inside(self.rows_of(target), plain), target.subset)
        if rows.empty or (rows["stratum"] == EXCLUDED).all():
            return None
        return open_shares(rows, average_weights(rows))

    def length(self, arm: str) -> Estimate | None:
        """Mean completion tokens over the benchmarks' responses."""
        return tokens(self.final(arm), self.settings)

    @cached_property
    def rl_lengths(self) -> pd.DataFrame:
        """Tokens of completions on the RL set, by arm and training seed."""
        return sampled_lengths(self.run)

    @cached_property
    def points(self) -> Points:
        """The points of training of its arms."""
        return Points(run=self.run, arms=self.arms, settings=self.settings, headline=self.headline, read_log=self.log)

    def set_path(self, name: str) -> Path | None:
        """Where a set of Table 4 lies (`published.targets.WORD_SETS`); None where this run does not have it."""
        if name == counting_rules.COLDSET:
            return self.coldset if words.chains_file(self.coldset) else None
        path = self.run / self.sources[name] if name in self.sources else None
        return path if path is not None and path.exists() else None

    @cached_property
    def counted_sets(self) -> list[counting_rules.SetCounts]:
        """The words of every set of Table 4 that this run has, under each counting rule; each set is read once."""
        paths = {name: self.set_path(name) for name in counting_rules.COLUMNS}
        return [
            counting_rules.count_set(name, counting_rules.texts_of(name, path), self.settings.words)
            for name, path in paths.items()
            if path is not None
        ]

    @cached_property
    def set_words(self) -> dict[str, dict[str, Estimate]]:
        """Word counts of the sets of Table 4 that this run has, those with a text, by a key of `COLUMNS`."""
        return {
            one.column: words.summed(one.by_text, self.settings.confidence) for one in self.counted_sets if one.texts
        }

    @cached_property
    def sampled_words(self) -> dict[str, dict[str, Estimate]]:
        """Word counts of Figure 1 C by arm."""
        return words.sampled_counts(self.run, self.settings)

    def measure(self, target: Target | None) -> Measurement | Missing:
        """Our counterpart of a published number's target, or why there is none; computed once."""
        if target not in self._measured:
            self._measured[target] = self._measure(target)
        return self._measured[target]

    def _measure(self, target: Target | None) -> Measurement | Missing:
        if target is None:
            return Missing("a model or data set that this package does not build")
        if target.quantity == "word_count":
            return self._words(target)
        arm = target.arm
        if arm is None or arm not in self.arms:
            return Missing(f"no arm `{arm}` in this config")
        if target.benchmark == "rl-curve":
            return Missing("a point of a curve: drawn in Figure 1, not judged")
        if target.benchmark == "rl-train":
            rows = self.rl_lengths[self.rl_lengths["arm"] == arm]
            if rows.empty:
                return self._not_run(arm, "no completions on the RL set were sampled (lengths.arms)")
            length, by_seed = mean_length(rows, self.settings)
            return Measurement(estimate=length, scorers={self.scorer: Draws(scores=by_seed)})
        rows = self.rows_of(target)
        if rows.empty and target.checkpoint and len(self.final(arm)):
            reason = "the paper's is the best of the last checkpoints, this run has the last alone"
            return Missing(f"{reason} (arms.{arm}.select)")
        if rows.empty:
            return self._not_run(arm, "not evaluated in this run")
        if target.subset.startswith("length-"):
            return self._length_class(target, rows)
        if target.quantity not in ("accuracy", "score"):
            return Missing(f"{target.benchmark} is not among the benchmarks of this package")
        return self._accuracy(target, arm)

    def _accuracy(self, target: Target, arm: str) -> Measurement | Missing:
        names = target.of or (
            target.benchmark if target.subset == "overall" else f"{target.benchmark}:{target.subset}",
        )
        rows = self.rows_of(target)
        if _plain(target.of):
            estimate = self._average_of(rows, target.of)
        else:
            estimate = self._accuracy_of(rows, target.benchmark, target.subset)
        # The best checkpoint was asked under one protocol, with one evaluation seed.
        every = rows if target.checkpoint else self.frame[(self.frame["arm"] == arm) & self.frame["final"]]
        scorers = draws_by_scorer(every, names, trained=not self.released(arm))
        if estimate is None and len(rows) and not self.has_headline(rows) and (shares := self.open_shares(target)):
            profile = self.settings.profile
            return Missing(
                f"{fixed(shares.ungraded, 1)} % of the responses have no verdict under {profile}: no headline"
            )
        if estimate is None or not scorers:
            return self._not_run(arm, f"not evaluated on {', '.join(names)}")
        facts = lookup.facts(target.benchmark) if target.quantity == "score" else None
        if facts is not None and (reached := maximum(target.benchmark, scored(rows))) < facts.out_of:
            return Missing(f"{facts.title}: {reached:g} of {facts.out_of:g} points were asked for")
        return Measurement(estimate=estimate, scorers=scorers)

    def _length_class(self, target: Target, rows: pd.DataFrame) -> Measurement | Missing:
        label = target.subset.removeprefix("length-")
        for name, share, hits in words.by_length(rows[rows["benchmark"] == target.benchmark], self.settings):
            if name == label:
                estimate = share if target.quantity == "proportion" else hits
                return (
                    Missing("no response in this length class") if estimate is None else Measurement(estimate=estimate)
                )
        return Missing(f"this run's length classes ({', '.join(words.bin_labels(self.settings.length_bins))}) differ")

    def _words(self, target: Target) -> Measurement | Missing:
        if target.arm is not None:
            counts = self.sampled_words.get(target.arm, {})
        else:
            counts = self.set_words.get(target.benchmark, {})
        word = target.subset.removeprefix("word-")
        for name, estimate in counts.items():
            if name.lower() == word:
                return Measurement(estimate=estimate)
        if target.arm is None and target.benchmark != counting_rules.COLDSET:
            return Missing(f"not run here: the replies of `{target.benchmark}` are not in this run", "vr1repro words")
        if target.arm is None:
            return Missing("no cold-start set was built in this run", "snakemake --cores all coldset")
        return self._not_run(target.arm, "no responses to count words in")

    def _not_run(self, arm: str, reason: str) -> Missing:
        info = self.arms.get(arm)
        return Missing(reason, info.command if info else None)

    def _inside(self, rows: pd.DataFrame, benchmarks: tuple[str, ...]) -> pd.DataFrame:
        return rows[rows["benchmark"].isin(benchmarks)]


def _plain(names: tuple[str, ...]) -> bool:
    return bool(names) and not any(":" in name for name in names)


def open_run(
    config: Path, folder: Path | None = None, *, kept: bool = False, checked: bool = False
) -> tuple[Results, Plan]:
    """A run's results and its plan.

    Args:
        folder: Where its files lie, if not in `results/<run>`.
        kept: Whether it was unpacked from a kept run's archive.
        checked: Whether another process checks its files, whose page says what cannot be checked.

    Raises:
        UserError: The config or a file of the run is bad or not what its job wrote (`integrity`), or it is comparable
            and its commits are not on record.
    """
    plan = Plan(loader.load(config))
    plan.config.limits.put_in_force()
    run = folder or Path(plan.root)
    require_commits(plan, run)
    settings, arms = plan.config, from_plan(plan, str(config))
    coldset = plan.coldset().relative_to(plan.root).as_posix()
    sources = {
        source.adapter: (plan.problems(name) / "problems.parquet").relative_to(plan.root).as_posix()
        for name, source in settings.problems.items()
        if isinstance(source, ProblemSource) and source.adapter in counting_rules.COLUMNS
    }
    notes = [] if checked else check_run(run, settings.reporting.profile, coldset, sources.values(), kept)
    results = Results.load(run, arms, settings.reporting, settings.comparable, coldset, sources)
    results.llm = settings.graders.llm_name if settings.graders else None
    results.notes = [*gaps(plan, run), *notes]
    return results, plan
