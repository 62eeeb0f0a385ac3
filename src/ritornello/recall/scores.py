"""What a channel thinks of every track for every row, in the form that is cheapest to hold and to search.

Two forms, one interface: a sparse matrix where a channel has something to say about few tracks, vectors where it has about all.
The users are encoded once; the best tracks and the scores of other channels' candidates both come from that.
B batch, T tracks (with PADDING), D dimensions, P (row, track) pairs, K kept pairs.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ritornello.contracts import Bool, Float32, Int32, Only
from ritornello.data.sparse import SMALL, best_of_rows, values_at
from ritornello.schema import PADDING

STRETCH = 256  # neighbouring tracks of which the best one is looked at first


@dataclass(frozen=True, slots=True)
class Best:
    """The best tracks of each row: flat arrays of row, track and rank (from 1), a row's best first."""

    row_K: NDArray[np.intp]
    track_K: Int32
    rank_K: Int32


class Scores(Protocol):
    """Scores of a batch."""

    @property
    def num_columns(self) -> int:
        """Number of tracks the channel knows, PADDING included."""
        ...

    def best(self, k: int, heard_BT: csr_array, only: Only) -> Best:
        """Return each row's best `k` tracks among all, those heard, or those not heard."""
        ...

    def at(self, row_P: NDArray[np.integer], track_P: NDArray[np.integer]) -> Float32:
        """Return the scores of single pairs, 0 for tracks that the channel does not know or score."""
        ...


class SparseScores:
    """Scores as a sparse matrix [B, T], positive where the channel proposes a track."""

    def __init__(self, matrix: csr_array) -> None:
        self.matrix = matrix

    @property
    def num_columns(self) -> int:
        return int(self.matrix.shape[1])

    def best(self, k: int, heard_BT: csr_array, only: Only) -> Best:
        matrix = self.matrix
        if only != "any":
            row_P = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
            is_heard_P = values_at(heard_BT, row_P, matrix.indices) > 0
            value_P = np.where(is_heard_P == (only == "heard"), matrix.data, np.float32(0))
            matrix = csr_array((value_P, matrix.indices, matrix.indptr), shape=matrix.shape)
        return Best(*best_of_rows(matrix, k))

    def at(self, row_P: NDArray[np.integer], track_P: NDArray[np.integer]) -> Float32:
        is_known_P = track_P < self.matrix.shape[1]
        score_P = np.zeros(len(row_P), np.float32)
        score_P[is_known_P] = values_at(self.matrix, row_P[is_known_P], track_P[is_known_P])
        return score_P


def known_tracks(track_TD: Float32) -> Bool:
    """Tell which tracks have a vector; PADDING and tracks nobody has played have zeros. A channel finds them once."""
    return np.asarray(track_TD.any(axis=1))


def keep_by_heard(score_BT: Float32, heard_BT: csr_array, only: Only) -> None:
    """Leave the scores of what each row has heard, or of all else."""
    heard = np.repeat(np.arange(len(score_BT)), np.diff(heard_BT.indptr)), heard_BT.indices
    if only == "heard":
        kept_H = score_BT[heard]
        score_BT[:] = -np.inf
        score_BT[heard] = kept_H
    else:
        score_BT[heard] = -np.inf


def kth_largest(score_BT: Float32, k: int) -> Float32:
    """Return the k-th largest entry of every row.

    The k-th largest of the maxima of many stretches is a floor that `k` entries reach; only what reaches it is sorted.
    """
    num_stretches = score_BT.shape[1] // STRETCH
    if num_stretches < 4 * k:
        return np.asarray(np.partition(score_BT, -k, axis=1)[:, -k])
    largest_BS = score_BT[:, : num_stretches * STRETCH].reshape(len(score_BT), num_stretches, STRETCH).max(axis=2)
    floor_B = np.partition(largest_BS, -k, axis=1)[:, -k]
    rows = [score_T[score_T >= floor] for score_T, floor in zip(score_BT, floor_B, strict=True)]
    return np.array([np.partition(score_P, -k)[-k] for score_P in rows], np.float32)


class VectorScores:
    """Scores as the products of a vector per row and a vector per track; a row of zeros proposes nothing.

    `own_BT` holds what single tracks of a row, those of its own history, are raised or lowered by; `is_known_T` is what
    `known_tracks` says of the tracks.
    """

    def __init__(self, user_BD: Float32, track_TD: Float32, is_known_T: Bool, own_BT: csr_array | None = None) -> None:
        self.own_BT = own_BT
        self.user_BD = user_BD
        self.track_TD = track_TD
        self.is_known_T = is_known_T
        is_small = len(user_BD) * len(track_TD) <= SMALL
        self.score_BT = self._block(slice(None)) if is_small else None

    @property
    def num_columns(self) -> int:
        return len(self.track_TD)

    def _products(self, rows: slice) -> Float32:
        return np.asarray(self.user_BD[rows] @ self.track_TD.T)

    def _pairs(self, row_P: NDArray[np.integer], track_P: NDArray[np.integer]) -> Float32:
        return np.asarray(np.einsum("pd,pd->p", self.user_BD[row_P], self.track_TD[track_P]))

    def _block(self, rows: slice) -> Float32:
        score_BT = self._products(rows)
        if self.own_BT is not None:
            own_BT = self.own_BT[rows]
            score_BT[np.repeat(np.arange(len(score_BT)), np.diff(own_BT.indptr)), own_BT.indices] += own_BT.data
        return np.asarray(score_BT, dtype=np.float32)

    def best(self, k: int, heard_BT: csr_array, only: Only) -> Best:
        block = max(1, SMALL // len(self.track_TD))
        if k == 0 or len(self.user_BD) == 0:
            return Best(np.zeros(0, np.intp), np.zeros(0, np.int32), np.zeros(0, np.int32))
        parts = [
            self._best_of_block(slice(start, start + block), k, heard_BT, only)
            for start in range(0, len(self.user_BD), block)
        ]
        return Best(
            np.concatenate([part.row_K for part in parts]),
            np.concatenate([part.track_K for part in parts]),
            np.concatenate([part.rank_K for part in parts]),
        )

    def _best_of_block(self, rows: slice, k: int, heard_BT: csr_array, only: Only) -> Best:
        score_BT = self._block(rows) if self.score_BT is None else self.score_BT[rows]
        score_BT = np.where(self.is_known_T, score_BT, np.float32(-np.inf))
        score_BT[~self.user_BD[rows].any(axis=1)] = -np.inf
        if only != "any":
            keep_by_heard(score_BT, heard_BT[rows, : len(self.track_TD)], only)
        k = min(k, score_BT.shape[1])
        floor_B1 = np.maximum(kth_largest(score_BT, k), np.finfo(np.float32).min)[:, None]
        row_P, track_P = np.divmod(np.flatnonzero(score_BT >= floor_B1), score_BT.shape[1])
        order_P = np.lexsort((track_P, -score_BT[row_P, track_P], row_P))  # equal scores go by track
        row_P, track_P = row_P[order_P], track_P[order_P]
        slot_P = np.arange(len(row_P)) - np.searchsorted(row_P, row_P)
        is_kept_P = slot_P < k
        return Best(
            row_P[is_kept_P] + rows.start,
            track_P[is_kept_P].astype(np.int32),
            (slot_P[is_kept_P] + 1).astype(np.int32),
        )

    def at(self, row_P: NDArray[np.integer], track_P: NDArray[np.integer]) -> Float32:
        is_known_P = track_P < len(self.track_TD)
        known_P = np.where(is_known_P, track_P, PADDING)
        if self.score_BT is not None:
            score_P = self.score_BT[row_P, known_P]
        else:
            score_P = self._pairs(row_P, known_P)
            if self.own_BT is not None:
                score_P += values_at(self.own_BT, row_P, known_P)
        return np.where(is_known_P, score_P, 0.0).astype(np.float32)


class InterestScores(VectorScores):
    """Scores by the best of several vectors a row: zeros are idle, and where the first is, the row proposes nothing."""

    def __init__(self, user_BKD: Float32, track_TD: Float32, is_known_T: Bool, own_BT: csr_array | None = None) -> None:
        self.user_BKD = user_BKD
        self.is_idle_BK: Bool = np.asarray(~np.asarray(user_BKD.any(axis=2)))
        self.is_idle_BK[:, 0] = False
        super().__init__(user_BKD[:, 0], track_TD, is_known_T, own_BT)

    def _products(self, rows: slice) -> Float32:
        best_BT = np.asarray(self.user_BKD[rows, 0] @ self.track_TD.T)
        for interest in range(1, self.user_BKD.shape[1]):
            live_R = np.flatnonzero(~self.is_idle_BK[rows, interest])
            best_BT[live_R] = np.maximum(best_BT[live_R], self.user_BKD[rows, interest][live_R] @ self.track_TD.T)
        return best_BT

    def _pairs(self, row_P: NDArray[np.integer], track_P: NDArray[np.integer]) -> Float32:
        product_PK = np.einsum("pkd,pd->pk", self.user_BKD[row_P], self.track_TD[track_P])
        return np.asarray(np.where(self.is_idle_BK[row_P], -np.inf, product_PK).max(axis=1))
