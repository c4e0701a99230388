"""The packed forward against stock TRL's, in fp32, at random shapes."""

import random
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vr1repro.config.arms import Stage
from vr1repro.core.problem_files import ProblemFile

pytestmark = pytest.mark.slow


FORWARDS: list[dict[str, Any]] = [
    {}, {"share_prefix": False}, {"pack": False}
]  # fmt: skip


@pytest.fixture(scope="module")
def trainers(lab: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Stock TRL's trainer, ours by forward, all around models of equal weights; processor and rows."""
    from trl import GRPOTrainer

    from vr1repro.training import checkpoints
    from vr1repro.training.data import PictureLimits, rl_rows
    from vr1repro.training.forward import PackedForward
    from vr1repro.training.grpo import StageJob, arguments
    from vr1repro.training.phases import PhaseClock
    from vr1repro.training.trainer import TrainerOptions, VisionGRPOTrainer

    job = StageJob(
        arm="a", number=1, stage=Stage(max_tokens=6, group=4, steps=1), first_step=0, kept_steps=[1], skip_prompts=0,
        system_prompt=None, seed=1,
    )  # fmt: skip
    problems = ProblemFile(lab.problems)
    rows = rl_rows(problems, range(len(problems)), None, PictureLimits())
    _, processor = checkpoints.load(lab.model, lab.config.rl.launch)

    def make(kind: Any, **ours: Any) -> Any:
        model, _ = checkpoints.load(lab.model, lab.config.rl.launch)
        args = arguments(lab.config.rl, job, tmp_path_factory.mktemp("trl"), [])
        return kind(model=model, reward_funcs=lambda **_: [0.0], args=args, train_dataset=rows,
                    processing_class=processor, **ours)  # fmt: skip

    packed = [
        make(
            VisionGRPOTrainer,
            options=TrainerOptions(forward=PackedForward(**changes), tokens_per_forward=10_000, average="dapo"),
            clock=PhaseClock(),
        )
        for changes in FORWARDS
    ]
    return SimpleNamespace(stock=make(GRPOTrainer), packed=packed, processor=processor, rows=list(rows))


@given(
    prompts=st.lists(st.integers(1, 50), min_size=1, max_size=5),
    completions=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 200)), min_size=1, max_size=30),
)
def test_every_token_has_one_place(prompts: list[int], completions: list[tuple[int, int]]) -> None:
    from vr1repro.training.forward.packing import lay_out

    owners = [owner % len(prompts) for owner, _ in completions]
    lengths = [length for _, length in completions]
    layout = lay_out(prompts, owners, lengths)
    assert layout.tokens == sum(prompts) + sum(lengths)
    taken = [place for segment in layout.segments for place in range(segment.start, segment.start + segment.length)]
    for row, start in zip(layout.order, layout.starts, strict=True):
        segment = layout.segments[owners[row]]
        assert segment.start + segment.length <= start < segment.end
        taken += range(start, start + lengths[row])
    assert sorted(taken) == list(range(layout.tokens))
    assert sorted(layout.order) == [row for row, length in enumerate(lengths) if length]
    for segment in layout.segments:
        for bucket in segment.buckets:
            assert list(bucket) == sorted(bucket, reverse=True)


def batch(
    processor: Any,
    rows: list[Any],
    counts: list[int],
    longest: int,
    rng: random.Random,
    sizes: Sequence[tuple[int, int]] = (),
) -> Any:
    """Left-padded prompts, right-padded completions of random tokens."""
    from vr1repro.training.forward import Rows

    if sizes:
        rows = [
            {**row, "images": [image.resize(rng.choice(sizes)) for image in row["images"]]} for row in rows
        ]  # fmt: skip
    chosen = [row for row, n in zip(rng.sample(rows, len(counts)), counts, strict=True) for _ in range(n)]
    texts = [processor.apply_chat_template(row["prompt"], add_generation_prompt=True, tokenize=False) for row in chosen]
    images = [row["images"] for row in chosen]
    encoded = processor(text=texts, images=images, padding=True, return_tensors="pt")
    lengths = [rng.randint(1, longest) for _ in chosen]
    lengths[0] = longest
    mask = torch.zeros(len(chosen), longest, dtype=torch.long)
    completions = torch.full((len(chosen), longest), processor.tokenizer.pad_token_id)
    for row, length in enumerate(lengths):
        mask[row, :length] = 1
        completions[row, :length] = torch.tensor([rng.randrange(4, 250) for _ in range(length)])
    padding = torch.zeros_like(mask)
    return Rows(
        input_ids=torch.cat([encoded["input_ids"], completions], 1),
        attention_mask=torch.cat([encoded["attention_mask"], mask], 1),
        completion_length=longest,
        pictures={
            "pixel_values": encoded["pixel_values"],
            "image_grid_thw": encoded["image_grid_thw"],
            "num_images": [len(part) for part in images],
            "mm_token_type_ids": torch.cat([encoded["mm_token_type_ids"], padding], 1),
        },
    )


def loss_inputs(rows: Any, beta: float, rng: random.Random) -> dict[str, Any]:
    """A batch in the words of TRL's loss: advantages, an older policy's log-probabilities, a reference's."""
    p = rows.input_ids.shape[1] - rows.completion_length
    mask = rows.attention_mask[:, p:].clone()
    if mask.shape[0] > 1 and rng.random() < 0.5:
        mask[rng.randrange(mask.shape[0])] = 0  # a truncated completion that is masked
    older, reference = (torch.tensor([[-5 + rng.random() for _ in row] for row in mask]) for _ in range(2))
    return {
        "prompt_ids": rows.input_ids[:, :p],
        "prompt_mask": rows.attention_mask[:, :p],
        "completion_ids": rows.input_ids[:, p:],
        "completion_mask": mask,
        "advantages": torch.tensor([rng.uniform(-1, 1) for _ in mask]),
        "old_per_token_logps": older,
        "ref_per_token_logps": reference if beta else None,
        "num_items_in_batch": mask.sum(),
        **rows.pictures,
    }


@settings(max_examples=15)
@given(
    counts=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    longest=st.integers(1, 40),
    sizes=st.lists(st.sampled_from([(56, 56), (84, 56), (56, 112), (84, 84)]), min_size=4, max_size=4),
    forward=st.sampled_from(range(len(FORWARDS))),
    beta=st.sampled_from([0.0, 0.01]),
    tokens=st.sampled_from([10_000, 60]),
    loss_type=st.sampled_from(["grpo", "dr_grpo", "dapo"]),
    seed=st.integers(0, 2**32),
)
def test_log_probs_losses_and_gradients_are_stock_trl_s(
    trainers: SimpleNamespace, counts: list[int], longest: int, sizes: list[tuple[int, int]], forward: int, beta: float,
    tokens: int, loss_type: str, seed: int,
) -> None:  # fmt: skip
    stock, ours = trainers.stock, trainers.packed[forward]
    rng = random.Random(seed)
    rows = batch(trainers.processor, trainers.rows, counts, longest, rng, sizes)
    inputs = loss_inputs(rows, beta, rng)
    mask = rows.attention_mask[:, -longest:]
    with torch.no_grad():
        log_probs = [compute(ours.model, rows, entropy=True)[:2] for compute in (ours.stock_log_probs, ours.log_probs)]
    pairs = [(theirs * mask, mine * mask) for theirs, mine in zip(*log_probs, strict=True)]
    ours.options = replace(ours.options, average=loss_type, tokens_per_forward=tokens)
    losses, gradients = [], []
    for trainer in (stock, ours):
        trainer.beta, trainer.loss_type = beta, loss_type
        trainer.current_gradient_accumulation_steps = 1
        trainer.model.zero_grad()
        loss = trainer.compute_loss(trainer.model, inputs)
        loss.backward()
        losses.append(loss.detach() + getattr(trainer, "_earlier_losses", 0.0))
        gradients.append(torch.cat([p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None]))
    for theirs, mine in (*pairs, losses, gradients):
        assert (mine - theirs).norm() <= 1e-5 * theirs.norm().clamp(min=1e-6)


def test_equal_words_under_different_pictures_are_different_prompts() -> None:
    from vr1repro.training.forward.prompts import distinct_prompts

    ids = torch.tensor([[1, 2], [1, 2], [1, 2], [3, 2]])
    prompts = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    patches = torch.tensor([[1.0], [1.0], [2.0], [2.0]])
    grids = torch.ones(4, 3, dtype=torch.long)
    distinct, owners = distinct_prompts(prompts, patches, grids, [1, 1, 1, 1])
    assert owners == [0, 0, 1, 2]
    assert distinct["pixel_values"].flatten().tolist() == [1.0, 2.0, 2.0]
    assert distinct["input_ids"].tolist() == [[1, 2], [1, 2], [3, 2]]


def test_a_padded_batch_counts_no_padding(trainers: SimpleNamespace) -> None:
    rows = batch(trainers.processor, trainers.rows, [2], 9, random.Random(0))
    ours = trainers.packed[0]
    log_probs, entropies, _ = ours.log_probs(ours.model, rows)
    padding = rows.attention_mask[:, -9:] == 0
    assert padding.any()
    assert not log_probs[padding].any()
    assert not entropies[padding].any()


def test_a_batch_whose_completions_are_all_masked_has_a_graph_and_no_gradient(trainers: SimpleNamespace) -> None:
    rows = batch(trainers.processor, trainers.rows, [2], 5, random.Random(0))
    rows.attention_mask[:, -5:] = 0
    ours = trainers.packed[0]
    ours.model.zero_grad()
    log_probs, _, _ = ours.log_probs(ours.model, rows)
    log_probs.sum().backward()
    assert not log_probs.any()
    assert not any(p.grad.any() for p in ours.model.parameters() if p.grad is not None)
