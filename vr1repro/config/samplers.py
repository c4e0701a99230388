"""The engines that a config can name, a section each: `evaluation.engine`, and `sampler` of the bridge's models.

An option of an engine is a field here, which the engine's module reads (`vr1repro/engines`).
"""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from vr1repro.config.base import Section
from vr1repro.core.secrets import key_in

# How a row's next token is computed once its prompt has been read (`engines.transformers.decoder`).
Decoding = Literal["kernels", "modules"]


class TransformersSampler(Section):
    """Sample with transformers in this process."""

    kind: Literal["transformers"]
    batch_size: int = Field(gt=0, description="Prompts a batch; throughput only.")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="Number format of the weights; auto: the checkpoint's. Not stated."
    )
    decoding: Literal[Decoding, "generate"] = Field(
        default="kernels",
        description="generate: transformers' own loop, which keeps every row until the last one ends. modules: rows"
        " leave the batch when they end. kernels: the same, with the steps of Qwen2.5-VL's decoder made without"
        " transformers' modules (other models: as modules). Equal up to rounding; throughput only.",
    )


class VllmSampler(Section):
    """Sample with vLLM in this process."""

    kind: Literal["vllm"]
    max_model_len: int | None = Field(default=None, gt=0, description="Context; null: the model's. Not stated.")
    tensor_parallel: int = Field(default=1, gt=0, description="GPUs that share the model. Not stated.")
    gpu_memory_utilization: float = Field(default=0.9, gt=0, lt=1, description="Share of GPU memory; throughput only.")
    enforce_eager: bool = Field(default=False, description="No CUDA graphs; throughput only.")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="Number format of the weights; auto: the checkpoint's. Not stated."
    )
    max_num_seqs: int | None = Field(
        default=None, gt=0, description="Most requests sampled together; null: vLLM's choice. Throughput only."
    )
    ahead: int = Field(
        default=64,
        ge=0,
        description="Most requests that are prepared or wait beside those being sampled; a crash loses these too.",
    )
    seed_requests: bool = Field(
        default=False,
        description="Seed each request. A seed keeps vLLM from its fastest sampler on GPUs, and still a text may change"
        " with what else is in the batch, as logits do. false: each call is seeded as a whole, and its rows say"
        " `seeded: false`; no text can be drawn again. Ours.",
    )


class EndpointSampler(Section):
    """Sample from an OpenAI-compatible endpoint. The key comes from the environment only."""

    kind: Literal["openai"]
    model: str | None = Field(default=None, description="Model name there; null: the only one that it lists.")
    concurrency: int = Field(default=128, gt=0, description="Requests in flight. repo, run_all.py: nproc 128.")
    timeout_s: float = Field(default=120_000, gt=0, description="Limit of one request. repo, run_all.py: 120000 s.")
    retries: int = Field(default=10, ge=0, description="Tries after a failed request. repo, vlmeval/config.py: 10.")
    start_concurrency: int = Field(
        default=8,
        gt=0,
        description="Requests in flight at first; grows to `concurrency` while replies come, shrinks on 429. Ours.",
    )
    latency_factor: float | None = Field(
        default=10.0,
        gt=1,
        description="Fewer requests in flight once a token takes this many times as long as at best. null: never."
        " Ours.",
    )
    deadline_s: float | None = Field(
        default=None, gt=0, description="Limit of one request with all its tries; null: none. Ours."
    )
    max_backoff_s: float = Field(
        default=60.0,
        gt=0,
        description="Longest wait between tries; waits double from 0.5 s, with jitter. A longer Retry-After is obeyed."
        " Ours.",
    )
    patience_s: float = Field(
        default=1800.0,
        gt=0,
        description="Give up when every reply was 429 or 503 for so long; such replies use up no `retries`. Ours.",
    )
    accept_models: list[str] = Field(
        default_factory=list,
        description="Names by which replies may say they were made, beside `model` and `model` with a date"
        " (-2024-07-18); another name counts as a failed try. What they say is kept. Ours.",
    )
    unique_ids: bool = Field(
        default=False,
        description="A reply under the id of an earlier one counts as a failed try (a proxy mixed them up). Off by"
        " default, as some servers number no replies. Ours.",
    )
    key_env: str = Field(default="OPENAI_API_KEY", description="Environment variable that holds the key.")
    max_reply_bytes: int = Field(
        default=32_000_000,
        gt=0,
        description="Most bytes of one reply, unpacked; a larger one is cut off while it is read, and counts as a"
        " failed try. Ours.",
    )
    extra: dict[str, Any] = Field(
        default_factory=dict,
        description="Further keys of the request's body. A vLLM server strips special tokens and applies the model's"
        " own generation_config (repetition_penalty 1.05 for Qwen2.5-VL) unless told otherwise:"
        " {skip_special_tokens: false, repetition_penalty: 1.0, top_k: -1}. Not stated. A key is refused here: it would"
        " be written to files.",
    )

    @field_validator("extra")
    @classmethod
    def _holds_no_key(cls, extra: dict[str, Any]) -> dict[str, Any]:
        if (path := key_in(extra)) is not None:
            raise ValueError(
                f"extra.{path} holds a key, by its name or look, and would be written to files; put the key into an"
                " environment variable and name that as `key_env`"
            )
        return extra


Sampler = Annotated[TransformersSampler | VllmSampler | EndpointSampler, Field(discriminator="kind")]
