"""How SFT and GRPO train: batches, losses, samplers and devices."""

from typing import Literal, Self

from pydantic import Field, model_validator

from vr1repro.config.base import Name, Section
from vr1repro.config.samplers import Decoding

# Keys of a stage's settings on which no result depends.
WITHOUT_EFFECT = {"launch": {"save_every", "trackers", "rehearse"}}

# How the losses of tokens are averaged, in TRL's names (`training.losses`).
Average = Literal["grpo", "dr_grpo", "dapo", "sequence"]


class Launch(Section):
    """How a training job spreads over devices. The effective batch does not depend on it."""

    nodes: int = Field(default=1, gt=0, description="Machines. Paper: SFT on 32, RL on 64 H800 80G (v1 section 4.1).")
    processes: int = Field(gt=0, description="Processes a machine, one a GPU.")
    zero_stage: Literal[0, 2, 3] = Field(
        description="DeepSpeed ZeRO stage, 0 for none. SFT: ZeRO-3 (repo, ds_z3_config.json); RL: not stated."
    )
    fsdp: bool = Field(
        default=False,
        description="Shard weights, gradients and optimizer with PyTorch's FSDP2 instead of DeepSpeed's ZeRO-3; it also"
        " runs on CPUs. Ours.",
    )
    hpz: bool = Field(
        default=False,
        description="With ZeRO-3 over several nodes: a second shard of the weights within each node, so that they are"
        " gathered over its links alone; 2 bytes a parameter over a node's processes more, for policy and reference"
        " each. Ours.",
    )
    offload: bool = Field(
        default=False,
        description="With ZeRO-3: fp32 weights, moments and gradients stay in the host's memory, 16 bytes a trained"
        " parameter over all processes, and AdamW steps there. Memory and throughput only. Ours.",
    )
    precision: Literal["fp32", "bf16"] = Field(description="SFT: bf16 (repo, train.yaml). RL: not stated.")
    gradient_checkpointing: bool = Field(description="Recompute activations; memory only.")
    save_every: int = Field(
        default=20,
        ge=0,
        description="Steps between the checkpoints from which a killed job goes on; 0: none, it starts again."
        " No result depends on it. SFT: 1000 (repo, train.yaml save_steps). RL: not stated.",
    )
    trackers: list[Literal["tensorboard", "trackio", "wandb"]] = Field(
        default=[],
        description="Also send the logs there; TensorBoard's files lie in the job's folder. No result depends on it."
        " Ours.",
    )
    rehearse: bool = Field(
        default=True,
        description="Try the longest legal batch, forward and backward, before the first step, so that a batch that"
        " does not fit in memory ends a job in its first minute. No result depends on it. Ours.",
    )

    @model_validator(mode="after")
    def _offload_is_of_zero_3(self) -> Self:
        if self.offload and self.zero_stage != 3:
            raise ValueError("launch.offload: needs ZeRO-3; set zero_stage to 3, or offload to false")
        return self


class SftSettings(Section):
    """Cold-start initialisation: full fine-tuning on the cold-start set (paper sections 3.3 and 4.1)."""

    epochs: float = Field(gt=0, description="Paper: 2 epochs (v1 section 4.1; v4 App. A; repo, train.yaml).")
    learning_rate: float = Field(gt=0, description="repo, train.yaml: 5.0e-6.")
    schedule: Literal["cosine", "linear", "constant"] = Field(description="repo, train.yaml: cosine.")
    warmup_ratio: float = Field(ge=0, lt=1, description="repo, train.yaml: warmup_ratio 0.05.")
    batch: int = Field(gt=0, description="Effective batch. repo, both train.yaml: 32 (1 x 32 GPUs, or 1 x 4 x 8).")
    device_batch: int = Field(gt=0, description="Rows a process and forward pass. repo, train.yaml: 1.")
    cutoff: int = Field(gt=0, description="Longest row in tokens; longer ones are left out. repo, train.yaml: 16384.")
    min_image_pixels: int | None = Field(
        default=None,
        gt=0,
        description="Smaller pictures are scaled up to it. Not stated; LLaMA-Factory's image_min_pixels: 1024.",
    )
    max_image_pixels: int | None = Field(
        default=None,
        gt=0,
        description="Larger pictures are scaled down to it. Not stated; LLaMA-Factory's image_max_pixels: 589824.",
    )
    weight_decay: float = Field(ge=0, description="repo, train.yaml: commented out, so the framework's 0.")
    adam_beta2: float = Field(gt=0, lt=1, description="Not stated; value from the framework's default, 0.999.")
    max_grad_norm: float = Field(gt=0, description="Not stated; value from the framework's default, 1.0.")
    freeze_vision: bool = Field(
        description="Freeze vision tower and projector. Not stated; LLaMA-Factory's default is to freeze both."
    )
    group_by_length: bool = Field(
        description="Rows of like length in one batch; less padding, another order. Not stated; LLaMA-Factory: false."
    )
    launch: Launch = Field(description="Devices.")


class Generation(Section):
    """How RL samples its completions."""

    engine: Literal["transformers", "vllm-colocate", "vllm-server"] = Field(
        description="Who samples: transformers in the trainer, or vLLM. Paper: vLLM through EasyR1 (issue #13)."
    )
    temperature: float = Field(gt=0, description="Rollout temperature. Not stated; EasyR1's default is 1.0.")
    top_p: float = Field(gt=0, le=1, description="Rollout top-p. Not stated; EasyR1's default is 1.0.")
    ban_placeholders: bool = Field(
        default=True,
        description="Never sample tokens that stand for pictures; one in a completion breaks the next forward. Ours.",
    )
    by_groups: bool = Field(
        default=False,
        description="With transformers: read a group's prompt once and let finished rows leave the batch. The same"
        " distribution, other random numbers than TRL's. Ours.",
    )
    decoding: Decoding = Field(
        default="kernels",
        description="With by_groups: steps of Qwen2.5-VL's decoder without transformers' modules (other models: with"
        " them), or with them. Equal up to rounding; throughput only.",
    )
    server_url: str | None = Field(default=None, description="For vllm-server: where it listens.")
    sync_timeout_s: float = Field(
        default=600.0,
        gt=0,
        description="With vLLM: a job whose new weights do not reach the sampling engine within this ends with an"
        " error. Ours.",
    )
    correction: Literal["none", "token_truncate", "sequence_mask"] = Field(
        default="none",
        description="With vLLM: what its rounding is corrected with. none, as EasyR1; token_truncate: each token's loss"
        " times its ratio of policy to engine, at most `correction_limit`; sequence_mask: a completion's loss times the"
        " product of its ratios, zero over the limit (TRL's default, which fades long completions). Weights by length"
        " are in steps.jsonl. Not stated.",
    )
    correction_limit: float = Field(default=2.0, gt=1, description="For `correction`. TRL's default is 3.0.")
    gpu_memory_utilization: float = Field(
        default=0.65,
        gt=0,
        lt=1,
        description="For vllm-colocate: its share of GPU memory in a rollout. It sleeps in updates and keeps nothing,"
        " so only the trainer's weights and moments stand beside it. Memory and throughput only.",
    )
    tensor_parallel: int = Field(
        default=1, gt=0, description="For vllm-colocate: GPUs of a node that share one copy of the model; memory only."
    )


class RlSettings(Section):
    """GRPO, shared by all arms (paper section 3.4)."""

    problems: Name = Field(
        description="Key of `problems` with the RL set. Paper: about 10K of We-Math, MathVision, Polymath, SceMQA and"
        " Geometry3K (v1 section 4.1); proportions: not stated."
    )
    epsilon: float = Field(gt=0, description="Clip range. Paper: eps = 0.2 (section 3.4).")
    beta: float = Field(ge=0, description="Weight of the KL term, k3 estimator. Paper: beta = 1e-2 (section 3.4).")
    loss: Average = Field(
        description="How token losses are averaged over an update's batch, in TRL's names; `sequence`: Eq. 1 as"
        " printed, one ratio and one KL term a completion. The paper's framework EasyR1 averages over the batch's"
        " tokens, which is TRL's dapo (bnpo is a mean of each forward pass). Which one ran: not stated."
    )
    scale_rewards: Literal["group", "batch", "none"] = Field(
        description="What an advantage is divided by. Paper, Eq. 1: the group's standard deviation."
    )
    learning_rate: float = Field(gt=0, description="Not stated; EasyR1's example has 1e-6.")
    schedule: Literal["constant", "cosine", "linear"] = Field(description="Not stated; EasyR1's example is constant.")
    weight_decay: float = Field(ge=0, description="Not stated; EasyR1's example has 1e-2.")
    max_grad_norm: float = Field(gt=0, description="Not stated; EasyR1's default is 1.0.")
    prompts_per_step: int = Field(
        gt=0, description="Prompts a step, which is one rollout. Not stated; EasyR1's example has 512."
    )
    updates_per_rollout: int = Field(
        gt=0,
        description="Updates (optimizer steps) a step. With one, the clip range has nothing to clip. Not stated;"
        " EasyR1's example has 512/128 = 4.",
    )
    tokens_per_forward: int = Field(
        gt=0,
        description="Passes go in pieces of at most so many tokens, prompts and pictures counted; a longer row goes"
        " alone. Memory and throughput only: no loss depends on it. Ours; EasyR1 has dynamic_batching.",
    )
    max_prompt_tokens: int = Field(
        gt=0,
        description="A longer prompt is an error, never cut. Not stated; EasyR1's example leaves such problems out"
        " (filter_overlong_prompts).",
    )
    min_image_pixels: int | None = Field(
        default=None, gt=0, description="Smaller pictures are scaled up to it. Not stated; EasyR1's example has 262144."
    )
    max_image_pixels: int | None = Field(
        default=None,
        gt=0,
        description="Larger pictures are scaled down to it. Not stated; EasyR1's example has 4194304.",
    )
    reference: Literal["start", "stage_start"] = Field(
        description="Reference model of the KL term at a stage border: the arm's start or the stage before. Not stated."
    )
    truncation: Literal["zero", "mask", "penalty"] = Field(
        description="What a completion cut at the limit gets: reward 0, no say in the loss at all, or minus"
        " `truncation_penalty`. 0 follows from the paper's format rule, and the author confirms it (issue #29)."
    )
    truncation_penalty: float = Field(default=0.5, ge=0, description="For `truncation: penalty`. Not stated.")
    max_clipped_share: float = Field(
        default=0.95,
        gt=0,
        le=1,
        description="A stage stops after its first step if more of its completions than this were cut: nearly nothing"
        " can earn reward then. Ours.",
    )
    evaluate_every: int = Field(
        gt=0,
        description="Steps between the checkpoints that Figure 1 E evaluates. Paper: every 25 (Vision-R1) or 50 steps"
        " (v1 Fig. 1 E).",
    )
    share_prefix: bool = Field(
        description="Forward equal prompts with their pictures once for all of their completions: exact, and faster the"
        " longer the prompt and the larger the group. Ours."
    )
    pack: bool = Field(default=False, description="Forward completions without their padding: exact. Ours.")
    packed_attention: Literal["sdpa", "flash"] = Field(
        default="sdpa",
        description="With `share_prefix` or `pack`: attention of the packed row by torch's SDPA under a mask, or by"
        " flash kernels merged by log-sum-exp (on a GPU refused until results/reference/gpu has a record). Ours.",
    )
    freeze_vision: bool = Field(description="Freeze the vision tower in RL. Not stated; EasyR1's default is false.")
    generation: Generation = Field(description="Sampling.")
    launch: Launch = Field(description="Devices.")

    @model_validator(mode="after")
    def _transformers_samples_groups_unsharded(self) -> Self:
        if self.generation.by_groups and self.generation.engine != "transformers":
            raise ValueError("generation.by_groups: vLLM shares prompts itself; set it to false")
        if self.generation.by_groups and (self.launch.fsdp or self.launch.zero_stage == 3):
            # Every forward of a sharded model is a collective, and processes would do different numbers of them.
            raise ValueError("generation.by_groups: not with weights sharded over processes; set it to false")
        return self
