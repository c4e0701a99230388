"""Tables, figures, verdicts and the page."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from vr1repro.config.base import Name, Section

Positive = Annotated[float, Field(gt=0)]


class ReportSettings(Section):
    """How results are summarised and compared. Margins are declared here, before any result is seen."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Level of every interval. Paper: not stated.")
    margins: dict[Name, Positive] = Field(
        default={"default": 3.0, "average": 2.0},
        description="Difference from a published number below which it counts as reproduced, by benchmark, with"
        " `default` and `average`, in the benchmark's unit: percentage points, of MME points of 2800. A benchmark that"
        " is not named takes `default` in hundredths of what its score is out of. Not stated; 3.0 is below the smallest"
        " headline gain (+5.4 on MathVista, v4 Table 1) and 2.0 below half of the gain of the mean (+5.7), so that a"
        " model without the gain cannot be called reproduced.",
    )
    relative_margin: float = Field(
        default=0.1, gt=0, lt=1, description="The same for token and word counts, as a share. Not stated."
    )
    training_sd: float | None = Field(
        default=None,
        gt=0,
        description="Standard deviation, in percentage points, of a score when a recipe is trained again, for arms with"
        " fewer than three trainings; needs `training_sd_source`. Left out: such claims are judged for these weights"
        " only. Paper: not stated.",
    )
    training_sd_source: str | None = Field(default=None, min_length=1, description="Where `training_sd` is from.")
    published_draws: int = Field(
        default=1,
        ge=1,
        description="How many sampled answers a question stand behind a published score. Paper: not stated.",
    )
    max_ungraded: float = Field(
        default=0.01,
        ge=0,
        lt=1,
        description="Share of responses without a verdict (timeouts, judge errors) above which a scorer gives no"
        " headline and no verdict. Ours.",
    )
    max_unparsable: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of unreadable answers to a benchmark above which a scorer gives no verdict: it asks for"
        " another form of answer than the model was taught, as MM-Math's official one asks for a box. Ours.",
    )
    unparsable_gap: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Difference of two arms' shares of unreadable answers above which their difference is given as"
        " bounds and gets no verdict. Ours.",
    )
    scorer_errors: list[str] = Field(
        default_factory=list,
        description="Files that `vr1repro scorer-errors` wrote: what you measured of scorers, an LLM's extraction and"
        " judging too, beside what comes with a benchmark. Scorers that nobody measured have bounds alone. Ours.",
    )
    bootstrap_draws: int = Field(default=1000, ge=100, description="Bootstrap and permutation draws.")
    seed: int = Field(default=0, ge=0, description="Seed of those draws.")
    profile: Name = Field(
        default="rule",
        description="Scoring profile of the headline numbers, one that every benchmark has. Not stated. `rule` reads"
        " the stated final answer; MM-Math's `official` counts only answers in a box.",
    )
    protocol: Name = Field(
        default="single",
        description="Sampling protocol of the headline numbers. Not stated; the repo's is `paper` (it asks again).",
    )
    length_bins: list[int] = Field(
        default=[4096, 8192],
        min_length=1,
        description="Borders between length classes in tokens (Figure 1 A: 0-4K, 4K-8K, 8K+).",
    )
    words: list[str] = Field(
        default=["Wait", "Hmm", "Mistake", "Alternatively", "Check"],
        description="Self-reflection words (v4 Table 4). How they were counted: not stated; here whole words in any"
        " case, every occurrence.",
    )
    sampled_words: list[str] = Field(
        default=["Wait", "Hmm", "Alternatively"], description="Words of Figure 1 C, a part of `words`."
    )
    sampled_responses: int = Field(
        default=50, gt=0, description="Responses of Figure 1 C: 50. Which 50: not stated; those of smallest id hash."
    )
    classes: dict[Name, str] = Field(
        default_factory=dict,
        description="What the classes of the per-class figure are, by benchmark: a group of its scores, or a column of"
        " its questions (dots enter structures). A benchmark that is left out takes its own `classes`.",
    )
    points_per_curve: int = Field(
        default=12, ge=2, description="Means drawn on a training curve (Figure 1: every 25 of 300 steps)."
    )
    column_width: float = Field(default=3.3, gt=1, description="Width of a one-column figure, inches.")
    page_width: float = Field(default=7.0, gt=2, description="Width of a two-column figure, inches.")
    samples: int = Field(
        default=12, ge=0, description="Responses an arm that the page's overview links to, those of smallest id hash."
    )
    picture_side: int = Field(
        default=900,
        ge=0,
        description="Longest side of a question's picture in the report, pixels; larger ones are made smaller. 0 is"
        " no pictures.",
    )

    @model_validator(mode="after")
    def _values_fit(self) -> Self:
        if "default" not in self.margins:
            raise ValueError("margins: needs a `default`, for benchmarks that it does not name")
        if (self.training_sd is None) != (self.training_sd_source is None):
            raise ValueError("training_sd: needs training_sd_source beside it, and the other way round")
        if self.length_bins != sorted(set(self.length_bins)) or self.length_bins[0] <= 0:
            raise ValueError("length_bins: must be positive and rising")
        if extra := set(self.sampled_words) - set(self.words):
            raise ValueError(f"sampled_words: {', '.join(sorted(extra))} must be in `words` too")
        return self

    def margin(self, benchmark: str, out_of: float = 100.0) -> float:
        """The declared margin of a benchmark, in the unit of its score, which is out of so many points."""
        return self.margins.get(benchmark, self.margins["default"] * out_of / 100)
