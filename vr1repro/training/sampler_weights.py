"""How far the sampling engine's policy is from the trainer's: importance weights of completions, by their length.

An engine with other kernels or another number format samples from a slightly different policy. The weight of a
completion is the product of its tokens' ratios, so what one token's rounding explains grows with length: a correction
by whole completions fades long ones, in a study about length. So none is made unless the config says so, and what it
would have been is logged.
"""

from dataclasses import dataclass

import torch

_SHORTEST = 1024  # tokens; buckets double from here


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Completions of like length.

    Attributes:
        up_to: Longest length of the bucket, in tokens.
        completions: How many.
        mean: Mean of exp(log p_trainer - log p_engine); 1 where both agree.
        effective_share: Effective sample size (sum w)^2 / sum w^2, as a share of the completions.
    """

    up_to: int
    completions: int
    mean: float
    effective_share: float


def by_length(differences: torch.Tensor, lengths: torch.Tensor) -> list[Weights]:
    """Weights of completions in buckets of doubling length; empty buckets and completions are left out.

    Args:
        differences: Sum over a completion's tokens of trainer's minus engine's log-probability, [n].
        lengths: Tokens, [n].
    """
    rows = [(int(n), float(d)) for n, d in zip(lengths.tolist(), differences.tolist(), strict=True) if n]
    buckets: dict[int, list[float]] = {}
    for length, difference in rows:
        bound = _SHORTEST
        while length > bound:
            bound *= 2
        buckets.setdefault(bound, []).append(difference)
    result = []
    for bound, values in sorted(buckets.items()):
        weights = torch.tensor(values, dtype=torch.float64).exp()
        share = float(weights.sum().square() / (weights.square().sum() * len(weights)))
        result.append(Weights(up_to=bound, completions=len(weights), mean=float(weights.mean()), effective_share=share))
    return result
