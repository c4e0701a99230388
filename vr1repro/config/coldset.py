"""Modality Bridging: how the cold-start set is built (paper v1 and v4, section 3.3.1)."""

from typing import Annotated, Literal

from pydantic import Field

from vr1repro.config.base import Name, Section
from vr1repro.config.evaluation import Sampler
from vr1repro.config.models import DataSource


class ModelEngine(Section):
    """A model that answers: run inside the job, or behind an OpenAI-compatible endpoint."""

    kind: Literal["model"]
    model: str = Field(description="A key of `models`, or the base URL of an endpoint, up to and including /v1.")
    sampler: Sampler = Field(description="Who samples, as in `evaluation.engine`.")
    temperature: float = Field(ge=0, description="Sampling temperature, 0 is greedy. Not stated.")
    top_p: float = Field(gt=0, le=1, description="Nucleus. Not stated.")
    max_tokens: int = Field(gt=0, description="Token limit of a reply. Not stated.")


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
    polish: bool = Field(
        description="Replace words that betray a text-only reasoner ('the description says'). Paper: 'replace some"
        " words for semantic coherence' (section 3.3.1); the word list: not stated."
    )
    released: DataSource | None = Field(
        description="The finished set, taken instead of built where `take_released` names `coldset`."
    )
