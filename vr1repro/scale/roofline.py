"""Time of each phase, from operations and bytes moved, what a GPU can do of either, and the share that is reached.

Shares that are reached are ranges with their sources (`SOURCES`). Decoding reads weights and keys and values for each
token; forward and backward passes multiply. Weights that are sharded travel while a pass computes: the longer counts.
"""

from dataclasses import dataclass

from vr1repro.config.arms import Stage
from vr1repro.config.samplers import VllmSampler
from vr1repro.config.training import Launch, RlSettings, SftSettings
from vr1repro.scale import memory
from vr1repro.scale.gpus import H100, RESERVE, Gpu
from vr1repro.scale.ranges import NOTHING, Range, Tag
from vr1repro.scale.shapes import ModelShape

# Operations without recomputation as a share of the card's dense bf16 rate.
_TRAINING, _SMALL_TRAINING = Range(0.16, 0.26), Range(0.08, 0.16)
_SCORING = Range(0.25, 0.40)
_BANDWIDTH = Range(0.50, 0.70)
_NETWORK = 50e9  # bytes a second of a GPU's link to other nodes: 400 Gb/s
_HOST_LINK = 50e9  # bytes a second between a GPU and its host, of 63 GB/s of PCIe 5.0 x16
_HOST_BANDWIDTH = 100e9  # of the host's memory, where AdamW steps on offloaded states
_SYNC = Range(5.0, 15.0)  # seconds in which new weights reach the engine and are compared
_SEQUENCES = 1024  # vLLM's max_num_seqs of an offline engine on such a card
_LARGE = 5e9  # parameters

PROMPT = Range(600, 1000)  # tokens, picture included
SFT_ROWS = Range(200_000, 261_000)
SFT_CHAIN = Range(1000, 1800)

SOURCES: tuple[tuple[Tag, str], ...] = (
    ("assumed", "updates reach 16-26 % of a card's dense bf16 rate, recomputation not counted: EasyR1's table"
                " (assets/baselines.md, 8 H100) has 16-23 % at 7B and 26 % at 32B; 8-16 % at 3B (8 % there)"),
    ("assumed", "passes without gradients reach 25-40 %, decoding 50-70 % of a card's bandwidth; no run has shown it"),
    ("v1", "completions of 1400-1700 tokens in a first stage of 4K, 1700-2050 in 8K, 2450-3000 in 16K after them,"
           " 3000-3700 in 16K alone, 550-750 from a base model: means over the steps of Fig. 1 D"),
    ("assumed", "prompts of 600-1000 tokens with their picture; 50 GB/s of network a GPU; offloaded states travel at"
                " 50 GB/s and are stepped at 100 GB/s of the host's memory"),
)  # fmt: skip


def completion_tokens(stage: Stage, *, number: int, tuned: bool) -> Range:
    """Mean completion of a stage, as the paper's Figure 1 D has it; between its limits where it has none.

    Args:
        stage: Limits.
        number: Which stage of its arm, from 1.
        tuned: Whether the arm starts from fine-tuning on chains.
    """
    if not tuned:
        length = Range(550, 750)
    elif stage.max_tokens <= 4096:
        length = Range(1400, 1700)
    elif stage.max_tokens <= 8192:
        length = Range(1700, 2050)
    else:
        length = Range(3000, 3700) if number == 1 else Range(2450, 3000)
    return Range(min(length.low, stage.max_tokens), min(length.high, stage.max_tokens))


def answer_tokens(limit: int, *, tuned: bool, stages: int) -> Range:
    """Mean answer of a checkpoint, from the ends of Figure 1 D's curves and v1's Table 4."""
    if stages:
        length = Range(1900, 3100) if tuned else Range(690, 1290)
    else:
        length = Range(3300, 3600) if tuned else Range(300, 500)
    return Range(min(length.low, limit), min(length.high, limit))


@dataclass(frozen=True, kw_only=True)
class Step:
    """Seconds of one step of a stage, which is a rollout and its updates.

    Attributes:
        rollout: Sampling, with the sync of weights.
        scoring: Passes without gradients.
        update: Forward and backward passes of all updates.
        bound: What bounds sampling and updates: `compute`, `bandwidth`, `network`, `host` or `longest row`.
    """

    rollout: Range
    scoring: Range
    update: Range
    bound: tuple[str, str]

    @property
    def total(self) -> Range:
        """All of it."""
        return sum((self.rollout, self.scoring, self.update), NOTHING)


def forward_operations(shape: ModelShape, tokens: float, *, scored: float, context: float, pictures: float) -> float:
    """Multiplications and additions of a forward pass.

    Args:
        shape: The model.
        tokens: Tokens of the language model.
        scored: How many of them go through the head.
        context: Tokens that one sees, a mean.
        pictures: Tokens of pictures, which the vision tower encodes.
    """
    layers = shape.layers * (2 * shape.layer_parameters + 4 * shape.hidden * context)
    seen = pictures * shape.vision.merge**2 * 2 * shape.vision_parameters
    return tokens * layers + scored * 2 * shape.head_parameters + seen


def rl_step(shape: ModelShape, rl: RlSettings, stage: Stage, completion: Range, *, gpu: Gpu = H100) -> Step:
    """Seconds of a step, every process with as much to do."""
    world = rl.launch.nodes * rl.launch.processes
    prompts, rows = rl.prompts_per_step / world, rl.prompts_per_step * stage.group / world
    lows, highs = (
        _rl_seconds(shape, rl, stage, prompts=prompts, rows=rows, completion=length, prompt=prompt, fast=fast, gpu=gpu)
        for length, prompt, fast in ((completion.low, PROMPT.low, True), (completion.high, PROMPT.high, False))
    )
    spans = [Range(low, high) for low, high in zip(lows[:3], highs[:3], strict=True)]
    return Step(rollout=spans[0], scoring=spans[1], update=spans[2], bound=(highs[3], highs[4]))


def sft_gpu_seconds(shape: ModelShape, sft: SftSettings, *, chains: bool, gpu: Gpu = H100) -> Range:
    """GPU-seconds of fine-tuning on the cold-start set."""
    ends = []
    for rows, chain, prompt, fast in (
        (SFT_ROWS.low, SFT_CHAIN.low, PROMPT.low, True),
        (SFT_ROWS.high, SFT_CHAIN.high, PROMPT.high, False),
    ):
        answer = chain if chains else 10.0
        tokens = prompt + answer
        forward = forward_operations(shape, tokens, scored=answer, context=tokens / 2, pictures=prompt * 0.8)
        compute = 3 * forward / (gpu.flops * _end(_training(shape), fast=fast))
        # A row travels with the others of its forward.
        travel = _travel(shape, sft.launch, gpu) / sft.device_batch
        pieces, updates = 1 / sft.device_batch, 1 / sft.batch
        offload = _offload(shape, sft.launch, pieces, updates, freeze_vision=sft.freeze_vision)
        ends.append(sft.epochs * rows * (max(compute, travel) + offload))
    return Range(*ends)


def decoding(
    shape: ModelShape, *, memory_left: float, split: int, context: float, rows: float, share: float, gpu: Gpu
) -> tuple[float, str]:
    """Tokens a second of one engine, and what bounds it.

    Args:
        shape: The model.
        memory_left: Bytes for keys and values, over all cards of the engine.
        split: Cards that share the model.
        context: Tokens before the next one, a mean.
        rows: Sequences that there are.
        share: Of the cards' bandwidth.
        gpu: The card.
    """
    cache = memory.key_value_bytes(shape)
    batch = max(1.0, min(rows, _SEQUENCES, memory_left / (cache * context)))
    reads = (2 * shape.parameters + batch * context * cache) / (split * gpu.bandwidth * share)
    works = batch * forward_operations(shape, 1, scored=1, context=context, pictures=0) / (split * gpu.flops * share)
    return batch / max(reads, works), "compute" if works > reads else "bandwidth"


def evaluation_gpu_seconds(
    shape: ModelShape, sampler: VllmSampler, answers: float, length: Range, *, gpu: Gpu = H100
) -> Range:
    """GPU-seconds of a number of answers."""
    ends = []
    for tokens, prompt, fast in ((length.low, PROMPT.low, True), (length.high, PROMPT.high, False)):
        share = _end(_BANDWIDTH, fast=fast)
        split = sampler.tensor_parallel
        left = split * sampler.gpu_memory_utilization * gpu.memory - 2 * shape.parameters - split * RESERVE
        speed, _ = decoding(
            shape, memory_left=left, split=split, context=prompt + tokens / 2, rows=answers, share=share, gpu=gpu
        )
        prefill = forward_operations(shape, prompt, scored=1, context=prompt / 2, pictures=prompt * 0.8)
        ends.append(answers * (split * tokens / speed + prefill / (gpu.flops * _end(_SCORING, fast=fast))))
    return Range(*ends)


def _rl_seconds(
    shape: ModelShape,
    rl: RlSettings,
    stage: Stage,
    *,
    prompts: float,
    rows: float,
    completion: float,
    prompt: float,
    fast: bool,
    gpu: Gpu,
) -> tuple[float, float, float, str, str]:
    generation, launch = rl.generation, rl.launch
    split, share = generation.tensor_parallel, _end(_BANDWIDTH, fast=fast)
    left = split * (generation.gpu_memory_utilization * gpu.memory - RESERVE) - 2 * shape.parameters
    speed, bound = decoding(
        shape, memory_left=left, split=split, context=prompt + completion / 2, rows=rows * split, share=share, gpu=gpu
    )
    # Some completion is always cut at the limit, and takes its steps alone.
    last = stage.max_tokens * 2 * shape.parameters / (split * gpu.bandwidth * share)
    sampling = rows * split * completion / speed
    if last > sampling:
        sampling, bound = last, "longest row"
    copies = prompts if rl.share_prefix else rows
    forward = forward_operations(
        shape,
        copies * prompt + rows * completion,
        scored=rows * completion,
        context=prompt + completion / 2,
        pictures=copies * prompt * 0.8,
    )
    pieces = max(1.0, (copies * prompt + rows * completion) / rl.tokens_per_forward)
    models = 1 + (rl.beta > 0)
    travel = pieces * _travel(shape, launch, gpu)
    scoring = models * max(forward / (gpu.flops * _end(_SCORING, fast=fast)), travel / 3)
    compute = 3 * forward / (gpu.flops * _end(_training(shape), fast=fast))
    sync = _SYNC.low if fast else _SYNC.high
    offload = _offload(shape, launch, pieces, rl.updates_per_rollout, freeze_vision=rl.freeze_vision)
    limit = "network" if travel > compute else "host" if offload > compute else "compute"
    return sampling + sync, scoring, max(compute, travel) + offload, bound, limit


def _travel(shape: ModelShape, launch: Launch, gpu: Gpu) -> float:
    """Seconds in which a piece's weights are gathered twice and its gradients reduced once."""
    if not (launch.zero_stage == 3 or launch.fsdp) or launch.nodes * launch.processes == 1:
        return 0.0
    link = _NETWORK if launch.nodes > 1 else gpu.link
    return 3 * 2 * shape.parameters / link


def _offload(shape: ModelShape, launch: Launch, pieces: float, updates: float, *, freeze_vision: bool) -> float:
    """Seconds in which offloaded states travel and are stepped.

    DeepSpeed (runtime/zero/stage3.py, partition_grads) brings the sum of gradients to the GPU and back for each piece.
    AdamW reads weights, moments and gradients in fp32, and writes all but the gradients.
    """
    if not launch.offload:
        return 0.0
    trained = shape.trained(freeze_vision=freeze_vision)
    travels = 2 * 4 * trained / (launch.nodes * launch.processes) / _HOST_LINK
    return pieces * travels + updates * 7 * 4 * trained / launch.nodes / _HOST_BANDWIDTH


def _training(shape: ModelShape) -> Range:
    return _TRAINING if shape.parameters > _LARGE else _SMALL_TRAINING


def _end(share: Range, *, fast: bool) -> float:
    return share.high if fast else share.low
