"""Ranking metrics as pure functions over hit matrices.

B rows, N list length. `hit_BN` says whether the list's n-th track is a target, `num_targets_B` how many targets a row has.
"""

import numpy as np
from numpy.typing import NDArray

Bool = NDArray[np.bool_]
Int32 = NDArray[np.int32]

Float64 = NDArray[np.float64]


def recall_at(hit_BN: Bool, num_targets_B: NDArray[np.integer], k: int) -> Float64:
    """Return the share of a row's targets among the first `k`.

    >>> recall_at(np.array([[True, False, True]]), np.array([4]), 2).tolist()
    [0.25]
    """
    return np.asarray(hit_BN[:, :k].sum(axis=1) / num_targets_B, dtype=np.float64)


def ndcg_at(hit_BN: Bool, num_targets_B: NDArray[np.integer], k: int) -> Float64:
    """Return binary NDCG, the ideal list cut at min(k, targets).

    Worked by hand: a hit at rank 2 of one target gives (1 / log2(3)) / (1 / log2(2)) = 0.6309.

    >>> ndcg_at(np.array([[False, True, False]]), np.array([1]), 3).round(4).tolist()
    [0.6309]
    """
    discount_K = 1.0 / np.log2(np.arange(2, k + 2))
    ideal_K = np.concatenate([[0.0], np.cumsum(discount_K)])
    gain_B = hit_BN[:, :k] @ discount_K[: hit_BN.shape[1]]
    return np.asarray(gain_B / ideal_K[np.minimum(k, num_targets_B)], dtype=np.float64)


def mrr_at(hit_BN: Bool, k: int) -> Float64:
    """Return the reciprocal rank of the first hit among the first `k`, 0 without one.

    >>> mrr_at(np.array([[False, True], [False, False]]), 2).tolist()
    [0.5, 0.0]
    """
    first_B = hit_BN[:, :k].argmax(axis=1)
    return np.asarray(np.where(hit_BN[:, :k].any(axis=1), 1.0 / (first_B + 1), 0.0), dtype=np.float64)


def hit_at(hit_BN: Bool, k: int) -> Float64:
    """Return 1 where any of the first `k` is a target.

    >>> hit_at(np.array([[False, True], [False, False]]), 2).tolist()
    [1.0, 0.0]
    """
    return np.asarray(hit_BN[:, :k].any(axis=1), dtype=np.float64)


def coverage_at(track_BN: Int32, k: int, num_tracks: int) -> float:
    """Return the share of the catalogue that appears in anybody's first `k`; PADDING does not count.

    >>> coverage_at(np.array([[1, 2], [2, 0]], dtype=np.int32), 2, 8)
    0.25
    """
    shown = np.unique(track_BN[:, :k])
    return float(np.count_nonzero(shown) / num_tracks)


def standard_error(value_B: Float64) -> float:
    """Return the standard error of the mean over rows, 0 for fewer than two rows.

    >>> round(standard_error(np.array([0.0, 1.0, 0.0, 1.0])), 4)
    0.2887
    """
    return float(value_B.std(ddof=1) / np.sqrt(len(value_B))) if len(value_B) > 1 else 0.0


def clustered_standard_error(value_R: Float64, cluster_R: NDArray[np.integer]) -> float:
    """Return the standard error of the mean over rows that are dependent inside a cluster (a user's plays).

    >>> round(clustered_standard_error(np.array([1.0, 1.0, 0.0, 0.0]), np.array([0, 0, 1, 1])), 4)
    0.3536
    """
    _, index_R = np.unique(cluster_R, return_inverse=True)
    deviation_U = np.bincount(index_R, weights=value_R - value_R.mean())
    return float(np.sqrt(np.sum(deviation_U**2)) / len(value_R))
