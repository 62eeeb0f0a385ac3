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
from ritornello.recall.track_vectors import TrackVectors
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

    `own_BT` holds what single tracks of a row, those of its own history, are raised or lowered by. Where the tracks have an
    index, a row's own tracks are scored beside what it finds, so that it need not know of them.
    """

    def __init__(self, user_BD: Float32, tracks: TrackVectors, own_BT: csr_array | None = None) -> None:
        self.own_BT = own_BT
        self.user_BD = user_BD
        self.tracks = tracks
        is_small = tracks.searched is None and len(user_BD) * len(tracks) <= SMALL
        self.score_BT = self._block(slice(None)) if is_small else None

    @property
    def num_columns(self) -> int:
        return len(self.tracks)

    def _products(self, rows: slice) -> Float32:
        return np.asarray(self.user_BD[rows] @ self.tracks.vector_TD.T)

    def _pairs(self, row_P: NDArray[np.integer], track_P: NDArray[np.integer]) -> Float32:
        return np.asarray(np.einsum("pd,pd->p", self.user_BD[row_P], self.tracks.vector_TD[track_P]))

    def _queries(self, row: int) -> Float32:
        """Return the vectors [K, D] of one row; zeros count for nothing."""
        return self.user_BD[row : row + 1]

    def _block(self, rows: slice) -> Float32:
        score_BT = self._products(rows)
        if self.own_BT is not None:
            own_BT = self.own_BT[rows]
            score_BT[np.repeat(np.arange(len(score_BT)), np.diff(own_BT.indptr)), own_BT.indices] += own_BT.data
        return np.asarray(score_BT, dtype=np.float32)

    def best(self, k: int, heard_BT: csr_array, only: Only) -> Best:
        if k == 0:
            return joined([])
        if self.tracks.searched is not None:
            parts = [self._found(row, k, heard_BT, only) for row in np.flatnonzero(self.user_BD.any(axis=1)).tolist()]
        else:
            size = max(1, SMALL // len(self.tracks))
            blocks = [slice(start, start + size) for start in range(0, len(self.user_BD), size)]
            parts = [self._best_of_block(rows, k, heard_BT, only) for rows in blocks]
        return joined(parts)

    def _found(self, row: int, k: int, heard_BT: csr_array, only: Only) -> Best:
        """Return the best tracks of one row, by the index."""
        heard_P = columns_of(heard_BT, row)
        heard_P = heard_P[heard_P < len(self.tracks)]
        track_P = heard_P
        if only != "heard":
            own_P = columns_of(self.own_BT, row)
            apart_P = np.union1d(own_P, heard_P) if only == "unheard" else own_P
            own_P = np.setdiff1d(own_P, heard_P) if only == "unheard" else np.unique(own_P)
            track_P = np.concatenate([self.tracks.near(self._queries(row), k, apart_P), own_P])
        track_P = track_P[self.tracks.knows(track_P)].astype(np.int32)
        row_P = np.full(len(track_P), row)
        order_K = np.lexsort((track_P, -self.at(row_P, track_P)))[:k]
        return Best(row_P[order_K], track_P[order_K], np.arange(1, len(order_K) + 1, dtype=np.int32))

    def _best_of_block(self, rows: slice, k: int, heard_BT: csr_array, only: Only) -> Best:
        score_BT = self._block(rows) if self.score_BT is None else self.score_BT[rows]
        score_BT = np.where(self.tracks.is_known_T, score_BT, np.float32(-np.inf))
        score_BT[~self.user_BD[rows].any(axis=1)] = -np.inf
        if only != "any":
            keep_by_heard(score_BT, heard_BT[rows, : len(self.tracks)], only)
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
        is_known_P = track_P < len(self.tracks)
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

    def __init__(self, user_BKD: Float32, tracks: TrackVectors, own_BT: csr_array | None = None) -> None:
        self.user_BKD = user_BKD
        self.is_idle_BK: Bool = np.asarray(~np.asarray(user_BKD.any(axis=2)))
        self.is_idle_BK[:, 0] = False
        super().__init__(user_BKD[:, 0], tracks, own_BT)

    def _products(self, rows: slice) -> Float32:
        best_BT = np.asarray(self.user_BKD[rows, 0] @ self.tracks.vector_TD.T)
        for interest in range(1, self.user_BKD.shape[1]):
            live_R = np.flatnonzero(~self.is_idle_BK[rows, interest])
            best_BT[live_R] = np.maximum(
                best_BT[live_R], self.user_BKD[rows, interest][live_R] @ self.tracks.vector_TD.T
            )
        return best_BT

    def _pairs(self, row_P: NDArray[np.integer], track_P: NDArray[np.integer]) -> Float32:
        product_PK = np.einsum("pkd,pd->pk", self.user_BKD[row_P], self.tracks.vector_TD[track_P])
        return np.asarray(np.where(self.is_idle_BK[row_P], -np.inf, product_PK).max(axis=1))

    def _queries(self, row: int) -> Float32:
        return np.asarray(self.user_BKD[row])


def columns_of(matrix: csr_array | None, row: int) -> Int32:
    """Return the columns that a row holds; nothing holds none."""
    return np.zeros(0, np.int32) if matrix is None else matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]


def joined(parts: list[Best]) -> Best:
    """Put the best of some rows behind those of others."""
    none = Best(np.zeros(0, np.intp), np.zeros(0, np.int32), np.zeros(0, np.int32))
    return Best(*(np.concatenate([getattr(part, name) for part in (none, *parts)]) for name in Best.__slots__))
