"""Exact: the product of the query with every vector, in blocks; the twin that the approximate index is tested against.

Q queries, K found tracks, D dimensions, N tracks, F tracks that a filter leaves, P (query, track) pairs, B rows of interests.
"""

from pathlib import Path
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from ritornello.artifacts import replace_folder
from ritornello.contracts import Float32, Int32
from ritornello.index.checks import checked_k, checked_pairs, checked_tracks, checked_vectors
from ritornello.index.facts import Facts, read_facts, refuse_mapped, write_facts
from ritornello.index.filter import Filter
from ritornello.index.found import Found, best_of, best_of_interests, nothing


class ExactConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """There is nothing to set: what is exact has no better or worse."""


class Exact:
    """Search all vectors."""

    Config = ExactConfig
    version = ""
    is_mapped = False
    block = 4_000_000  # scores held at a time: 16 MB

    def __init__(self, config: ExactConfig) -> None:
        self.config = config
        self.track_N: Int32 = np.zeros(0, np.int32)
        self.vector_ND: Float32 = np.zeros((0, 0), np.float32)

    def __len__(self) -> int:
        return len(self.track_N)

    @property
    def dimension(self) -> int | None:
        """Length of the vectors; None before there are any."""
        return self.vector_ND.shape[1] or None

    def build(self, track_N: Int32, vector_ND: Float32) -> Self:
        track_N, vector_ND = checked_pairs(track_N, vector_ND, None)
        order_N = np.argsort(track_N)
        self.track_N, self.vector_ND = track_N[order_N], vector_ND[order_N]
        self.is_mapped = False
        return self

    def search(self, query_QD: Float32, k: int, allowed: Filter | None = None) -> Found:
        k = checked_k(k)
        query_QD = checked_vectors(query_QD, axes=2, dimension=self.dimension, what="queries")
        row_F = None if allowed is None else self._rows(allowed)
        width = max(1, min(64, len(query_QD)))
        parts = [self._best(query_QD[start : start + width], k, row_F) for start in range(0, len(query_QD), width)]
        return Found(
            track_QK=np.concatenate([nothing(0, k).track_QK, *(part.track_QK for part in parts)]),
            score_QK=np.concatenate([nothing(0, k).score_QK, *(part.score_QK for part in parts)]),
        )

    def search_many(self, query_BKD: Float32, k: int, allowed: Filter | None = None) -> Found:
        query_BKD = checked_vectors(query_BKD, axes=3, dimension=self.dimension, what="queries")
        is_present_BK = np.asarray(query_BKD.any(axis=2))
        return best_of_interests(self.search(query_BKD[is_present_BK], k, allowed), is_present_BK, k)

    def _rows(self, allowed: Filter) -> NDArray[np.intp]:
        if not allowed.is_allowed:
            return np.flatnonzero(allowed.keeps(self.track_N))
        place_F = np.searchsorted(self.track_N, allowed.track_F)
        is_known_F = place_F < len(self.track_N)
        is_known_F[is_known_F] = self.track_N[place_F[is_known_F]] == allowed.track_F[is_known_F]
        return np.asarray(place_F[is_known_F])

    def _best(self, query_QD: Float32, k: int, row_F: NDArray[np.intp] | None) -> Found:
        best = nothing(len(query_QD), k)
        num_rows = len(self.track_N) if row_F is None else len(row_F)
        step = self.block // max(1, len(query_QD))
        for start in range(0, num_rows if k else 0, step):
            rows = slice(start, start + step) if row_F is None else row_F[start : start + step]
            found = _best_of_block(query_QD @ self.vector_ND[rows].T, self.track_N[rows], k)
            track_QC = np.concatenate([best.track_QK, found.track_QK], axis=1)
            best = best_of(track_QC, np.concatenate([best.score_QK, found.score_QK], axis=1), k)
        return best

    def add(self, track_N: Int32, vector_ND: Float32) -> None:
        refuse_mapped(is_mapped=self.is_mapped)
        track_N, vector_ND = checked_pairs(track_N, vector_ND, self.dimension)
        is_kept_N = ~np.isin(self.track_N, track_N)
        old_ND = self.vector_ND[is_kept_N].reshape(-1, vector_ND.shape[1])
        self.build(np.concatenate([self.track_N[is_kept_N], track_N]), np.concatenate([old_ND, vector_ND]))

    def remove(self, track_N: Int32) -> None:
        refuse_mapped(is_mapped=self.is_mapped)
        is_kept_N = ~np.isin(self.track_N, checked_tracks(track_N))
        self.track_N, self.vector_ND = self.track_N[is_kept_N], self.vector_ND[is_kept_N]

    def save(self, folder: Path) -> None:
        with replace_folder(folder) as fresh:
            write_facts(fresh, Facts(index="exact", version=self.version))
            np.save(fresh / "track.npy", self.track_N)
            np.save(fresh / "vector.npy", self.vector_ND)

    def load(self, folder: Path, *, mmap: bool = True) -> Self:
        self.version = read_facts(folder, "exact").version
        self.track_N = np.load(folder / "track.npy", mmap_mode="r" if mmap else None, allow_pickle=False)
        self.vector_ND = np.load(folder / "vector.npy", mmap_mode="r" if mmap else None, allow_pickle=False)
        self.is_mapped = mmap
        return self


def _best_of_block(score_QN: Float32, track_N: Int32, k: int) -> Found:
    k = min(k, len(track_N))
    floor_Q1 = np.partition(score_QN, -k, axis=1)[:, -k, None]
    row_P, column_P = np.nonzero(score_QN >= floor_Q1)  # tracks are in order, so that equal scores are cut by track
    order_P = np.lexsort((column_P, -score_QN[row_P, column_P], row_P))
    row_P, column_P = row_P[order_P], column_P[order_P]
    column_QK = column_P[np.arange(len(row_P)) - np.searchsorted(row_P, row_P) < k].reshape(len(score_QN), k)
    return Found(track_QK=track_N[column_QK], score_QK=np.take_along_axis(score_QN, column_QK, axis=1))
