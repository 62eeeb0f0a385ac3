"""Is one system better than another? Paired bootstrap over users (Efron 1979); a user's windows stay together.

R rows (one user in one window), U users.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Ratio:
    """A ratio of means with its percentile interval."""

    ratio: float
    low: float
    high: float


def ratio_of_means(
    value_R: NDArray[np.floating],
    other_R: NDArray[np.floating],
    user_R: NDArray[np.integer],
    *,
    draws: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Ratio:
    """Return mean(value) / mean(other) on the same rows; users are drawn with replacement, with all their rows.

    A draw in which the other system scores nothing has no ratio and is left out.

    >>> ratio_of_means(np.array([2.0, 4.0]), np.array([1.0, 2.0]), np.array([1, 2]), draws=50)
    Ratio(ratio=2.0, low=2.0, high=2.0)
    """
    _, index_R = np.unique(user_R, return_inverse=True)
    sum_U = np.bincount(index_R, weights=value_R)
    other_U = np.bincount(index_R, weights=other_R)
    if other_U.sum() == 0.0:
        raise ValueError("the ratio of means is undefined: the other system scores 0 on every row")
    generator = np.random.default_rng(seed)
    ratios: list[float] = []
    for _ in range(draws):
        drawn_U = generator.integers(len(sum_U), size=len(sum_U))
        below = other_U[drawn_U].sum()
        if below > 0.0:
            ratios.append(float(sum_U[drawn_U].sum() / below))
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(ratios, [tail, 1.0 - tail])
    return Ratio(ratio=float(sum_U.sum() / other_U.sum()), low=float(low), high=float(high))
