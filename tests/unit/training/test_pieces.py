"""Passes in pieces, prompts for an engine that expands placeholders, and weights of what it sampled."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vr1repro.core.errors import UserError

pieces = pytest.importorskip("vr1repro.training.forward.pieces")

from vr1repro.training import engine_prompts, sampler_weights  # noqa: E402
from vr1repro.training.forward import PackedForward, StockForward  # noqa: E402

FORWARDS = [PackedForward(), PackedForward(share_prefix=False), PackedForward(pack=False), StockForward()]


@given(
    rows=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 200)), min_size=1, max_size=40),
    prompts=st.lists(st.integers(1, 300), min_size=6, max_size=6),
    budget=st.integers(1, 2000),
    forward=st.sampled_from(FORWARDS),
)
def test_every_row_is_in_one_piece_and_no_piece_of_several_is_over_the_budget(
    rows: list[tuple[int, int]], prompts: list[int], budget: int, forward: Any
) -> None:
    owners = [owner for owner, _ in rows]
    completions = [length for _, length in rows]
    of_rows = [prompts[owner] for owner in owners]
    cut = pieces.cut_by_cost(forward, of_rows, owners, completions, budget)
    assert sorted(row for piece in cut for row in piece) == list(range(len(rows)))

    def cost(piece: list[int]) -> int:
        return forward.cost([of_rows[r] for r in piece], [owners[r] for r in piece], [completions[r] for r in piece])

    assert all(len(piece) == 1 or cost(piece) <= budget for piece in cut)
    # No two neighbours would fit together: the cut is not finer than it must be.
    assert all(cost([*one, other[0]]) > budget for one, other in pairwise(cut))


def test_a_shared_prompt_costs_once() -> None:
    assert PackedForward().cost([100] * 4, [0, 0, 0, 0], [10, 20, 30, 40]) == 100 + 100
    assert PackedForward(share_prefix=False).cost([100] * 4, [0, 0, 0, 0], [10, 20, 30, 40]) == 400 + 100
    assert PackedForward(pack=False).cost([100] * 4, [0, 0, 1, 1], [10, 20, 30, 40]) == 200 + 160
    assert StockForward().cost([100, 90], [0, 1], [10, 20]) == 2 * 120


IMAGE, START, END = 7, 8, 9


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([1, START, IMAGE, IMAGE, IMAGE, END, 2], [1, START, IMAGE, END, 2]),
        ([START, IMAGE, IMAGE, END, START, IMAGE, END], [START, IMAGE, END, START, IMAGE, END]),
        ([1, 1, 1, 2], [1, 1, 1, 2]),
        ([], []),
    ],
)
def test_a_run_of_placeholders_is_one(ids: list[int], expected: list[int]) -> None:
    assert engine_prompts.collapse(ids, IMAGE) == expected


def engine(width: int) -> Any:
    """An engine that makes `width` placeholders of each; pictures decide nothing here."""

    def generate(prompts: list[list[int]], images: list[Any] | None, **_: Any) -> tuple[Any, ...]:
        assert images is None or all(images) or None in images  # no empty list: TRL would look at its first picture
        read = [[token for t in ids for token in ([t] * width if t == IMAGE else [t])] for ids in prompts]
        return read, [[3]] * len(prompts), None, None

    return generate


def test_an_engine_that_reads_the_trainers_prompt_passes() -> None:
    generate = engine_prompts.checked(engine(3), IMAGE, expands=True)
    prompt = [1, START, IMAGE, IMAGE, IMAGE, END, 2]
    assert generate([prompt, [4, 5]], [["picture"], []], num_generations=1)[1] == [[3], [3]]


@pytest.mark.parametrize(("width", "expands"), [(4, True), (3, False)])
def test_an_engine_that_reads_another_prompt_is_named(width: int, expands: bool) -> None:
    """With expanded placeholders it makes 9 of 3: TRL 1.16 with vLLM 0.31 (huggingface/trl #6294)."""
    generate = engine_prompts.checked(engine(width), IMAGE, expands=expands)
    with pytest.raises(UserError, match=r"row 0: the sampling engine read \d+ prompt tokens, the trainer has 7"):
        generate([[1, START, IMAGE, IMAGE, IMAGE, END, 2]], [["picture"]], num_generations=1)


def test_weights_are_counted_by_length() -> None:
    differences = torch.tensor([0.0, 0.0, -0.5, 0.5, 9.0])
    lengths = torch.tensor([10, 1024, 1025, 2000, 0])
    short, long = sampler_weights.by_length(differences, lengths)
    assert (short.up_to, short.completions, short.mean, short.effective_share) == (1024, 2, 1.0, 1.0)
    weights = torch.tensor([-0.5, 0.5], dtype=torch.float64).exp()
    assert (long.up_to, long.completions) == (2048, 2)
    assert long.mean == pytest.approx(float(weights.mean()))
    assert long.effective_share == pytest.approx(float(weights.sum() ** 2 / (2 * (weights**2).sum())))
