"""What would another policy have earned? Its value, estimated from what this policy showed and how it was taken.

With w = target probability / propensity, both of the item that was shown:
- inverse propensity score (Horvitz and Thompson 1952): mean(w * reward); unbiased, and noisy where w is large;
- self-normalised (Swaminathan and Joachims 2015): sum(w * reward) / sum(w); a small bias that fades with the number of
  rows, never outside the range of the rewards;
- doubly robust (Dudik, Langford and Li 2011): mean(expected + w * (reward - predicted)); unbiased if the propensities or
  the reward model are right, less noisy the better the model.

A clip caps w: less noise, for a bias towards 0 (inverse propensity, rewards of 0 or more), towards the rewards of the
rows with small weights (self-normalised) or towards the reward model (doubly robust).

The standard error is that of a sum over users (cluster-robust, Liang and Zeger 1986): a user's rows stand together. It
is itself too small when the effective sample size is a handful of rows, and it cannot see what was never shown: where
the target policy chooses items of propensity 0, the mean weight falls short of 1 and inverse propensity misses their
part. A mean weight far from 1 says that, or that the propensities are wrong.

N rows (one shown item each), U users.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """The value of the target policy, and how far the log can carry it.

    mean_weight (near 1 if all is well) and largest_weight are before the clip, effective_sample_size after it.
    """

    value: float
    standard_error: float
    effective_sample_size: float  # (sum of w)^2 / (sum of w^2), Kish (1965): this many rows of the target's own
    mean_weight: float
    largest_weight: float
    clipped_share: float
    zero_target_share: float


def inverse_propensity(
    reward_N: NDArray[np.floating],
    propensity_N: NDArray[np.floating],
    *,
    target_N: NDArray[np.floating],
    user_N: NDArray[np.integer],
    clip: float | None = None,
) -> Estimate:
    """Return the mean reward, each weighted by how much more often the target policy shows the item.

    The weights are 2, 0.5, 0.5 and 0, the weighted rewards 2, 0, 0.5 and 0; the users deviate by +0.75 and -0.75 in
    sum, so the standard error is sqrt(2 / 1 * 2 * 0.75^2) / 4.

    >>> reward_N, propensity_N, user_N = np.array([1.0, 0.0, 1.0, 0.0]), np.full(4, 0.5), np.array([1, 1, 2, 2])
    >>> target_N = np.array([1.0, 0.25, 0.25, 0.0])
    >>> estimate = inverse_propensity(reward_N, propensity_N, target_N=target_N, user_N=user_N)
    >>> estimate.value, estimate.standard_error, estimate.effective_sample_size, estimate.zero_target_share
    (0.625, 0.375, 2.0, 0.25)
    """
    _check_log(propensity_N, target_N, user_N, {"reward_N": reward_N})
    ratio_N = np.divide(target_N, propensity_N, dtype=np.float64)
    weight_N = _clip(ratio_N, clip)
    gain_N = weight_N * reward_N
    value = float(gain_N.mean())
    error = _clustered_error(gain_N - value, user_N) / len(reward_N)
    return _estimate(value, error, weight_N, ratio_N)


def self_normalised(
    reward_N: NDArray[np.floating],
    propensity_N: NDArray[np.floating],
    *,
    target_N: NDArray[np.floating],
    user_N: NDArray[np.integer],
    clip: float | None = None,
) -> Estimate:
    """Return the weighted mean of the rewards.

    >>> reward_N, propensity_N, user_N = np.array([1.0, 0.0, 1.0, 0.0]), np.full(4, 0.5), np.array([1, 1, 2, 2])
    >>> target_N = np.array([1.0, 0.25, 0.25, 0.0])
    >>> estimate = self_normalised(reward_N, propensity_N, target_N=target_N, user_N=user_N)
    >>> round(estimate.value, 4), round(estimate.standard_error, 4)  # 2.5 / 3, and 2 * (1 / 12) / 3
    (0.8333, 0.0556)
    """
    _check_log(propensity_N, target_N, user_N, {"reward_N": reward_N})
    ratio_N = np.divide(target_N, propensity_N, dtype=np.float64)
    weight_N = _clip(ratio_N, clip)
    total = float(weight_N.sum())
    if total == 0.0:
        raise ValueError(
            f"the target policy gives probability 0 to all {len(target_N)} rows: there is nothing to weight"
        )
    value = float(weight_N @ reward_N) / total
    error = _clustered_error(weight_N * (reward_N - value), user_N) / total
    return _estimate(value, error, weight_N, ratio_N)


def doubly_robust(
    reward_N: NDArray[np.floating],
    propensity_N: NDArray[np.floating],
    *,
    target_N: NDArray[np.floating],
    user_N: NDArray[np.integer],
    predicted_N: NDArray[np.floating],
    expected_N: NDArray[np.floating],
    clip: float | None = None,
) -> Estimate:
    """Return the reward model's value of the target policy, corrected by the weighted errors of the model.

    `predicted_N` is the model at the shown item, `expected_N` its mean over the target policy's choice in that context.
    The model must not have been fitted on these rows: its errors on them would be too small.

    >>> reward_N, propensity_N, user_N = np.array([1.0, 0.0, 1.0, 0.0]), np.full(4, 0.5), np.array([1, 1, 2, 2])
    >>> target_N, half_N = np.array([1.0, 0.25, 0.25, 0.0]), np.full(4, 0.5)
    >>> log = {"target_N": target_N, "user_N": user_N, "predicted_N": half_N, "expected_N": half_N}
    >>> estimate = doubly_robust(reward_N, propensity_N, **log)
    >>> estimate.value, estimate.standard_error  # 0.5 + (1 - 0.25 + 0.25 - 0) / 4, and 2 * 0.25 / 4
    (0.75, 0.125)
    """
    others = {"reward_N": reward_N, "predicted_N": predicted_N, "expected_N": expected_N}
    _check_log(propensity_N, target_N, user_N, others)
    ratio_N = np.divide(target_N, propensity_N, dtype=np.float64)
    weight_N = _clip(ratio_N, clip)
    gain_N = expected_N + weight_N * (reward_N - predicted_N)
    value = float(gain_N.mean())
    error = _clustered_error(gain_N - value, user_N) / len(reward_N)
    return _estimate(value, error, weight_N, ratio_N)


def _clip(ratio_N: NDArray[np.float64], clip: float | None) -> NDArray[np.float64]:
    """Return the weights: the ratios, none above `clip`."""
    if clip is not None and not clip > 0.0:
        raise ValueError(f"clip must be above 0, found {clip}")
    return ratio_N if clip is None else np.minimum(ratio_N, clip)


def _clustered_error(deviation_N: NDArray[np.floating], user_N: NDArray[np.integer]) -> float:
    """Return the standard error of the sum of the deviations, drawn user by user."""
    _, index_N = np.unique(user_N, return_inverse=True)
    sum_U = np.bincount(index_N, weights=deviation_N)
    return float(np.sqrt(len(sum_U) / (len(sum_U) - 1) * (sum_U @ sum_U)))


def _estimate(
    value: float, standard_error: float, weight_N: NDArray[np.float64], ratio_N: NDArray[np.float64]
) -> Estimate:
    """Add what the weights say about the log."""
    squares = float(weight_N @ weight_N)
    return Estimate(
        value=value,
        standard_error=standard_error,
        effective_sample_size=float(weight_N.sum()) ** 2 / squares if squares else 0.0,
        mean_weight=float(ratio_N.mean()),
        largest_weight=float(ratio_N.max()),
        clipped_share=float((weight_N < ratio_N).mean()),
        zero_target_share=float((ratio_N == 0.0).mean()),
    )


def _check_log(
    propensity_N: NDArray[np.floating],
    target_N: NDArray[np.floating],
    user_N: NDArray[np.integer],
    others: dict[str, NDArray[np.floating]],
) -> None:
    columns = {"propensity_N": propensity_N, "target_N": target_N, "user_N": user_N, **others}
    shapes = {name: array_N.shape for name, array_N in columns.items()}
    if len(set(shapes.values())) > 1 or propensity_N.ndim != 1:
        raise ValueError(f"the arrays must be rows of one length, found {shapes}")
    if len(np.unique(user_N)) < 2:
        raise ValueError(f"a standard error over users needs 2 users or more, found {len(np.unique(user_N))}")
    for name, array_N in others.items():
        _refuse(~np.isfinite(array_N), f"{name} must be finite")
    _refuse(~((propensity_N > 0.0) & (propensity_N <= 1.0)), "propensity_N must lie in (0, 1]")
    _refuse(~((target_N >= 0.0) & (target_N <= 1.0)), "target_N must lie in [0, 1]")


def _refuse(is_bad_N: NDArray[np.bool_], rule: str) -> None:
    num_bad = int(np.count_nonzero(is_bad_N))
    if num_bad:
        raise ValueError(f"{rule}: {num_bad} of {len(is_bad_N)} rows break this")
