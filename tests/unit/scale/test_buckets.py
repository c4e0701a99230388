"""Completions of like length go through attention together."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vr1repro.scale.buckets import buckets


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([], []),
        ([7], [(7,)]),
        ([40, 8, 7], [(40, 8), (7,)]),  # 32 tokens
        ([400, 300, 299, 225], [(400, 300), (299, 225)]),  # a quarter of the longest
    ],
)
def test_cuts(lengths: Sequence[int], expected: Sequence[Sequence[int]]) -> None:
    assert list(buckets(lengths)) == expected


@given(st.lists(st.integers(1, 500), max_size=20))
def test_none_is_lost_and_little_is_padded(lengths: list[int]) -> None:
    longest_first = sorted(lengths, reverse=True)
    cut = list(buckets(longest_first))
    assert [length for bucket in cut for length in bucket] == longest_first
    assert all(bucket[0] - bucket[-1] <= max(32, bucket[0] / 4) for bucket in cut)
