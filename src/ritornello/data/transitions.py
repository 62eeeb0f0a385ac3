"""What follows what within a session: the counts behind a Markov chain over tracks. T tracks, E events."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ritornello.contracts import Bool, Float32, Int32
from ritornello.data.sequence import Sequences, listens
from ritornello.data.sparse import inverse, keep_best, product, scale_rows, sum_pairs
from ritornello.schema import PADDING

LAGS = 5  # events of a session that lead on to the next; a pair so far apart still counts


def chances(sequences: Sequences, size: int, *, lags: int, keep: int) -> csr_array:
    """Return how likely tracks follow a track [T, T], a pair at distance n within a session counting 1 / n.

    The `keep` likeliest of each track; a track that was followed less than once has chances that sum to less than 1.
    """
    is_used_E = listens(sequences)
    key_E = ((sequences.user_E.astype(np.int64) << 32) | sequences.session_E)[is_used_E]
    track_E = sequences.track_E[is_used_E]
    before: list[NDArray[np.int32]] = []
    after: list[NDArray[np.int32]] = []
    weight: list[NDArray[np.float64]] = []
    for lag in range(1, lags + 1):
        is_pair_E = key_E[lag:] == key_E[:-lag]
        before.append(track_E[:-lag][is_pair_E])
        after.append(track_E[lag:][is_pair_E])
        weight.append(np.full(int(is_pair_E.sum()), 1.0 / lag))
    count_TT = sum_pairs(np.concatenate(before), np.concatenate(after), np.concatenate(weight), (size, size))
    total_T = np.asarray(count_TT.sum(axis=1)).ravel()
    return keep_best(scale_rows(count_TT, inverse(np.maximum(total_T, 1.0))), keep)


def follow(links_TT: csr_array, track_TD: Float32, track_BL: Int32, is_key_BL: Bool) -> Float32:
    """Return the mean vector [B, J, D] of what follows each of the newest J = LAGS events; zeros where there is none."""
    track_BJ = np.where(is_key_BL, track_BL, PADDING)[:, -LAGS:]
    track_BJ = np.pad(track_BJ, ((0, 0), (LAGS - track_BJ.shape[1], 0)))
    mean_ND = means(csr_array(links_TT[track_BJ.ravel()]), lambda track_M: track_TD[track_M])
    return np.asarray(mean_ND, dtype=np.float32).reshape(*track_BJ.shape, track_TD.shape[1])


def means(links_NT: csr_array, vectors: Callable[[NDArray[np.integer]], Float32]) -> Float32:
    """Return the vectors [N, D] that rows of chances mean; of all tracks' vectors only those that are led to are read."""
    track_M, place_E = np.unique(links_NT.indices, return_inverse=True)
    links_NM = csr_array((links_NT.data, place_E, links_NT.indptr), shape=(links_NT.shape[0], len(track_M)))
    return np.asarray(links_NM @ vectors(track_M), dtype=np.float32)


def follows(links_TT: csr_array, weight_BJ: Float32, track_BL: Int32, is_key_BL: Bool) -> csr_array:
    """Return what follows the newest event, the one before, ... [B, T], their chances weighted and summed."""
    lags = min(weight_BJ.shape[1], track_BL.shape[1])
    track_BJ = np.where(is_key_BL, track_BL, PADDING)[:, ::-1][:, :lags]
    row_E, lag_E = np.nonzero(track_BJ)
    shape = (len(track_BL), links_TT.shape[0])
    return product(sum_pairs(row_E, track_BJ[row_E, lag_E], weight_BJ[row_E, lag_E], shape), links_TT)
