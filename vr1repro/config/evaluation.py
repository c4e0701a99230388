"""How models are asked the benchmarks' questions. How answers are scored is in `benchmarks`."""

from typing import Annotated, Any, Literal

from pydantic import Field

from vr1repro.config.base import Name, Section

PromptStyle = Literal["paper", "direct", "cot"]
Protocol = Literal["single", "paper"]
Preset = Literal["think-answer", "boxed", "plain"]

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
    window: int = Field(default=1024, gt=0, description="Requests handed over at once; a crash loses at most these.")


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
        description="Names by which replies may say they were made, beside `model` and its dated versions; another name"
        " counts as a failed try. Ours.",
    )
    unique_ids: bool = Field(
        default=False,
        description="A reply under the id of an earlier one counts as a failed try (a proxy mixed them up). Off by"
        " default, as some servers number no replies. Ours.",
    )
    key_env: str = Field(default="OPENAI_API_KEY", description="Environment variable that holds the key.")
    extra: dict[str, Any] = Field(
        default_factory=dict,
        description="Further keys of the request's body. A vLLM server strips special tokens and applies the model's"
        " own generation_config (repetition_penalty 1.05 for Qwen2.5-VL) unless told otherwise:"
        " {skip_special_tokens: false, repetition_penalty: 1.0, top_k: -1}. Not stated.",
    )


Sampler = Annotated[TransformersSampler | VllmSampler | EndpointSampler, Field(discriminator="kind")]


class EvaluationSettings(Section):
    """Sampling of answers. The paper states no decoding settings, prompts or number of runs; its code does."""

    benchmarks: list[Name] = Field(
        min_length=1,
        description="Benchmarks by slug. Paper: MathVista, MathVerse, MM-Math (v1, v4), DynaMath (v4 Table 1).",
    )
    protocols: list[Protocol] = Field(
        min_length=1,
        description="single: one sample. paper: up to `retries` more where the reply has no </answer> (repo,"
        " vlmeval/api/gpt.py l.231-258; the paper does not mention it). Both use the same first samples.",
    )
    engine: Sampler = Field(description="Who samples. repo: a vLLM server through EvalScope's VLMEvalKit backend.")
    temperature: float = Field(
        default=0.6, ge=0, description="0 is greedy. Not stated; repo, evaluation/README.md: --temperature 0.6."
    )
    top_p: float = Field(
        default=0.95, gt=0, le=1, description="Nucleus. Not stated; repo, evaluation/README.md: --top_p 0.95."
    )
    max_tokens: int = Field(
        gt=0, description="Token limit of a reply. Not stated; repo, evaluation/README.md: --max_tokens 16000."
    )
    retries: int = Field(default=4, ge=1, description="Most extra samples of protocol paper. repo: 4.")
    prompts: dict[Name, PromptStyle] = Field(
        default_factory=dict,
        description="Prompt style by benchmark, default paper. paper: picture and the TSV's question, no system prompt"
        " and no suffix (repo, ImageBaseDataset.build_prompt); direct, cot: the benchmark's official prompts."
        " The paper itself: not stated.",
    )
    preset: Preset = Field(
        default="think-answer",
        description="What the model's replies look like. think-answer: the paper's completion, nothing is added to the"
        " prompt; boxed: the prompt asks for a \\boxed{} answer; plain: nothing is added, the whole reply is searched."
        " Not stated for other models; a tag alone would be unfair to them.",
    )
    max_image_pixels: int | None = Field(
        default=None,
        gt=0,
        description="Larger pictures are scaled down by the model's processor; null: as its checkpoint says. repo:"
        " CustomAPIModel sends the original size (img_size -1).",
    )
    accept_unhealthy: bool = Field(
        default=False,
        description="Go on to scores although questions were left out or refused, prompts held unknown tokens, or a"
        " picture's tokens did not fit its grid; such a score is of another benchmark. Ours.",
    )
