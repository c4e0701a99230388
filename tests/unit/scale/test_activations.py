"""The activation model beside FakeTensorMode through the project's own packed forward, on shapes it was not written on.

It was written on 3B and 7B with (prompts, group, tokens) of (4 x 800, 8, 2000), (2 x 4000, 16, 300), (4000, 64, 64),
(1000, 1, 30000) and (800, 4, 500).
"""

import dataclasses
import random

import pytest
import torch
from fake_memory import Peak, dense_peak, packed_peak, peak_of_layers, real_model

from vr1repro.scale.activations import Group, dense_pass, packed_pass, row_within
from vr1repro.scale.shapes import QWEN_3B, QWEN_7B, QWEN_32B, QWEN_72B, SHAPES, ModelShape
from vr1repro.training.forward import PackedForward

WITHIN = 0.10


def groups(*given: tuple[int, list[int]]) -> list[Group]:
    return [Group(prompt=prompt, completions=tuple(completions)) for prompt, completions in given]


def assert_within(shape: ModelShape, row: list[Group], *, grad: bool, checkpointing: bool = True) -> None:
    measured = peak_of_layers(shape, packed_peak, row, grad=grad, checkpointing=checkpointing)
    model = packed_pass(shape, row, grad=grad, checkpointing=checkpointing, kernel="torch")
    assert model == pytest.approx(measured, rel=WITHIN)


def test_an_update_of_uneven_completions() -> None:
    assert_within(QWEN_32B, groups((500, [700, 650, 300, 280, 90, 20]), (100, [1500, 1000, 5])), grad=True)


def test_a_pass_without_gradients() -> None:
    assert_within(QWEN_72B, groups((900, [600] * 4), (900, [200])), grad=False)


UNSEEN = [
    (QWEN_72B, groups(*[(900, [1000] * 8)] * 4), True),
    (QWEN_72B, groups((4096, [8192, 100])), False),
    (QWEN_32B, groups((3000, [8192] * 2)), True),
    (QWEN_32B, groups(*[(500, [700, 650, 300, 280, 90, 20])] * 3), False),
    (QWEN_7B, groups((4096, [16384])), True),
    (QWEN_7B, groups(*[(2000, [33] * 12)] * 2), False),
    (QWEN_3B, groups((4096, [4096] * 6)), True),
    (QWEN_3B, groups(*[(300, [200] * 16)] * 8), True),
]


@pytest.mark.verify
@pytest.mark.parametrize(("shape", "row", "grad"), UNSEEN)
def test_unseen_shapes(shape: ModelShape, row: list[Group], grad: bool) -> None:
    assert_within(shape, row, grad=grad)


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(8))
def test_random_shapes(seed: int) -> None:
    rng = random.Random(seed)
    row = groups(
        *(
            (rng.randint(60, 4096), [rng.randint(1, 4096) for _ in range(rng.randint(1, 9))])
            for _ in range(rng.randint(1, 5))
        )
    )
    assert_within(SHAPES[seed % 4], row, grad=seed % 3 > 0, checkpointing=seed % 3 < 2)


@pytest.mark.verify
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
@pytest.mark.parametrize(("tokens", "group"), [(4096, 16), (6144, 12), (8192, 8), (8192, 16), (16384, 4), (16384, 16)])
@pytest.mark.parametrize("grad", [True, False])
def test_every_stage_of_the_paper(shape: ModelShape, tokens: int, group: int, grad: bool) -> None:
    assert_within(shape, row_within(32768, 4096, tokens, group), grad=grad)


@pytest.mark.verify
@pytest.mark.parametrize(("rows", "length"), [(1, 16384), (2, 3000)])
def test_sft(rows: int, length: int) -> None:
    measured = peak_of_layers(QWEN_7B, dense_peak, rows, length)
    assert dense_pass(QWEN_7B, rows, length, kernel="torch") == pytest.approx(measured, rel=WITHIN)


@pytest.mark.parametrize(
    ("tokens", "group", "expected"),
    # A prompt of 4096 and seven completions of 4096 fill 32768; a row over the budget goes alone.
    [(4096, 16, [7]), (4096, 3, [3, 3]), (16384, 16, [1]), (40000, 4, [1])],
)
def test_the_largest_piece_keeps_the_budget(tokens: int, group: int, expected: list[int]) -> None:
    row = row_within(32768, 4096, tokens, group)
    assert [len(part.completions) for part in row] == expected
    lengths = [tokens for part in row for _ in part.completions]
    owners = [number for number, part in enumerate(row) for _ in part.completions]
    cost = PackedForward().cost([4096] * len(lengths), owners, lengths)
    assert cost == sum(part.tokens for part in row)
    assert cost <= 32768 or len(lengths) == 1


def test_the_counter_follows_what_lives() -> None:
    with Peak([]) as peak:
        a = torch.zeros(1000)
        b = a + 1
        del a
        b = b + 1  # a new tensor while the old one lives
    assert (peak.peak, peak.live) == (8000, 4000)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("grad", [True, False])
def test_a_gpus_peak(grad: bool) -> None:
    row = groups((800, [2000] * 4), (300, [1500, 700]))
    run = real_model(QWEN_7B, row, layers=2, grad=grad)
    run()  # what libraries keep
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    run()
    measured = torch.cuda.max_memory_allocated() - before
    two = dataclasses.replace(QWEN_7B, layers=2)
    assert packed_pass(two, row, grad=grad) == pytest.approx(measured, rel=WITHIN)
