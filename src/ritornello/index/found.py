"""What a search found, and how lists of candidates become it: best first, equal scores by track, padded.

Q queries, C candidates of a query, K found tracks, P (query, track) pairs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Float32, Int32
from ritornello.schema import PADDING


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Tracks of each query, best first, PADDING with a score of -inf at the end."""

    track_QK: Int32
    score_QK: Float32

    def __len__(self) -> int:
        return len(self.track_QK)


def nothing(num_queries: int, k: int) -> Found:
    """Return what a search finds that may find no track."""
    return Found(
        track_QK=np.full((num_queries, k), PADDING, np.int32), score_QK=np.full((num_queries, k), -np.inf, np.float32)
    )


def best_of(track_QC: NDArray[np.integer], score_QC: Float32, k: int) -> Found:
    """Return each row's best `k` candidates; a row's tracks are distinct, PADDING is none."""
    found = nothing(len(track_QC), k)
    score_QC = np.where(track_QC == PADDING, np.float32(-np.inf), score_QC)
    order_QC = np.lexsort((track_QC, -score_QC), axis=1)[:, :k]
    width = order_QC.shape[1]
    found.track_QK[:, :width] = np.take_along_axis(track_QC, order_QC, axis=1)
    found.score_QK[:, :width] = np.take_along_axis(score_QC, order_QC, axis=1)
    return found


def best_of_interests(found: Found, is_present_BI: Bool, k: int) -> Found:
    """Merge the searches of the present interests, row after row, into one: a track's score is its best.

    The best `k` by the best score are all among some interest's best `k`, so merging loses nothing.
    """
    row_P = np.repeat(np.nonzero(is_present_BI)[0], found.track_QK.shape[1])
    track_P, score_P = found.track_QK.ravel(), found.score_QK.ravel()
    order_P = np.lexsort((-score_P, track_P, row_P))
    row_P, track_P, score_P = row_P[order_P], track_P[order_P], score_P[order_P]
    is_first_P = np.ones(len(row_P), np.bool_)
    is_first_P[1:] = (row_P[1:] != row_P[:-1]) | (track_P[1:] != track_P[:-1])
    row_P, track_P, score_P = (values_P[is_first_P & (track_P != PADDING)] for values_P in (row_P, track_P, score_P))
    order_P = np.lexsort((track_P, -score_P, row_P))
    row_P, track_P, score_P = row_P[order_P], track_P[order_P], score_P[order_P]
    slot_P = np.arange(len(row_P)) - np.searchsorted(row_P, row_P)
    merged = nothing(len(is_present_BI), k)
    is_kept_P = slot_P < k
    merged.track_QK[row_P[is_kept_P], slot_P[is_kept_P]] = track_P[is_kept_P]
    merged.score_QK[row_P[is_kept_P], slot_P[is_kept_P]] = score_P[is_kept_P]
    return merged
