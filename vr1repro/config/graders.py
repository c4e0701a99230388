"""The LLM that extracts answers and judges them, where a benchmark's scorers ask one."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from vr1repro.config.base import Name, Section
from vr1repro.config.coldset import Prices, ServerSettings
from vr1repro.config.lab import Share
from vr1repro.config.samplers import EndpointSampler

ResponseStyle = Literal["tagged", "reflected", "untagged"]


class GradingLlm(Section):
    """A language model behind an OpenAI-compatible endpoint, or served for the time of a job."""

    kind: Literal["model"]
    model: str = Field(
        description="A key of `models`, which `server` serves on the job's machine; or the base URL of an endpoint, up"
        " to and including /v1. The paper states no grader. repo, run.py: gpt-4o-mini-2024-07-18 for MathVista,"
        " MathVerse and DynaMath, none for MM-Math."
    )
    sampler: EndpointSampler = Field(
        description="How it is asked. An endpoint needs `model`; a served one is called by its repository and commit."
    )
    server: ServerSettings | None = Field(
        default=None, description="How vLLM serves a key of `models`; null where `model` is an endpoint. Ours."
    )
    prices: Prices | None = Field(default=None, description="Prices of the endpoint, for `vr1repro plan`.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.is_endpoint and self.server is not None:
            raise ValueError(f"server: model {self.model!r} is an endpoint; name a key of `models` to be served")
        if not self.is_endpoint and self.server is None:
            raise ValueError(f"server: null, but model {self.model!r} is no endpoint; give `server: {{}}`")
        if self.is_endpoint and self.sampler.model is None:
            raise ValueError(
                f"model {self.model!r}: an endpoint needs `sampler.model`: replies are kept under its name"
            )
        if not self.is_endpoint and self.sampler.model is not None:
            raise ValueError("sampler.model: a served model is called by its repository and commit; leave it out")
        return self

    @property
    def is_endpoint(self) -> bool:
        """Whether `model` is the URL of an endpoint."""
        return self.model.startswith(("http://", "https://"))


class ScriptedGrader(Section):
    """The lab's extractor and judge, a server that the job starts. It errs as often as is planted here."""

    kind: Literal["scripted"]
    extraction_errors: dict[ResponseStyle, Share] = Field(
        min_length=3,
        description="Chance that another answer than the response's is extracted, by the response's style. tagged: its"
        " answer stands in an answer tag; reflected: the same, behind a chain that checks itself; untagged: neither.",
    )
    judgement_misses: Share = Field(description="Chance that an answer that equals the gold is judged 0.")
    judgement_slips: Share = Field(description="Chance that another answer is judged 1.")


class GraderSettings(Section):
    """Extraction and judgement by an LLM. Each request is asked once: its reply is kept under the request's hash."""

    llm: Annotated[GradingLlm | ScriptedGrader, Field(discriminator="kind")] = Field(
        description="Who extracts and judges. Not stated."
    )
    profiles: list[Name] = Field(
        min_length=1,
        description="Scoring profiles that need an LLM and are graded with this one, where a benchmark has them:"
        " official, vlmevalkit (the paper's evaluator, repo), lmms-eval. An arm's ends are graded under all of them,"
        " checkpoints on the way under `reporting.profile` alone. Profiles that need none are graded always.",
    )
    attempts: int = Field(
        default=5,
        gt=0,
        description="Replies that are tried until one fits (an answer; 0 or 1), the i-th at temperature 0.5 i. Not"
        " stated; repo, vlmeval/dataset/utils/mathvista.py: 5.",
    )
    max_tokens: int = Field(
        default=256, gt=0, description="Token limit of a reply. Not stated; repo, run.py: 128; official MathVerse: 256."
    )
    accept_unanswered: bool = Field(
        default=False,
        description="Requests that failed to the last try: true: their responses stay without verdict, and scores have"
        " bounds; false: the job ends with a message, and running it again asks for the rest. Ours.",
    )

    @property
    def llm_name(self) -> str:
        """What its replies are kept under: an endpoint's model, a key of `models`, or `scripted`."""
        if isinstance(self.llm, ScriptedGrader):
            return self.llm.kind
        return self.llm.sampler.model or self.llm.model
