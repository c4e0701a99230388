"""Which completions of a prompt go through attention together: those of like length, so that little is padded."""

from collections.abc import Iterator, Sequence

_TOKENS, _SHARE = 32, 0.25


def buckets(lengths: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Cut lengths where one is more than 32 tokens and a quarter shorter than the longest of its bucket.

    Args:
        lengths: Tokens of each completion, the longest first.
    """
    bucket: list[int] = []
    for length in lengths:
        if bucket and bucket[0] - length > max(_TOKENS, _SHARE * bucket[0]):
            yield tuple(bucket)
            bucket = []
        bucket.append(length)
    if bucket:
        yield tuple(bucket)
