"""Neighbours: users like you, after TIFU-KNN (Hu et al. 2020).

A user is the decayed frequency of the tracks heard. Users are compared by cosine, rare tracks counting more (inverse user
frequency) and repeats less (square root); the nearest vote for what they listened to lately. The prediction blends
the user's own vector with the votes, so it brings back and discovers at once.
"""

from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ritornello.contracts import Float32, History
from ritornello.data.knowledge import Knowledge
from ritornello.data.sequence import Sequences, listens
from ritornello.data.sparse import empty, inverse, keep_best, pack, product, scale_rows, sum_pairs, unpack
from ritornello.recall.item2item import recency
from ritornello.recall.query import query
from ritornello.recall.scores import SparseScores
from ritornello.schema import ONE_DAY_MS


class NeighboursConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the user neighbourhood: `own` is the weight of the user's own vector.

    The half-lives: of the own vector, of the taste by which users are compared, of a neighbour's votes.
    """

    half_life_days: float = 60.0
    taste_half_life_days: float = 150.0
    vote_half_life_days: float = 90.0
    k: int = 600
    own: float = 0.8


class Neighbours:
    """Propose what the user and the users most like them listen to."""

    Config = NeighboursConfig

    def __init__(self, config: NeighboursConfig) -> None:
        self.config = config
        self.taste_UT = empty()
        self.vote_UT = empty()
        self.rarity_T: Float32 = np.zeros(1, np.float32)
        self.unit_TU = empty()

    def fit(self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        is_used_E = listens(sequences)
        user_E, track_E = sequences.user_E[is_used_E], sequences.track_E[is_used_E]
        at_E = sequences.at_E[is_used_E]
        newest_U = np.zeros(sequences.num_users + 1, np.int64)
        np.maximum.at(newest_U, user_E, at_E)
        shape = (sequences.num_users + 1, sequences.num_tracks + 1)
        taste_E = halve((newest_U[user_E] - at_E) / ONE_DAY_MS, self.config.taste_half_life_days)
        vote_E = halve((at - at_E) / ONE_DAY_MS, self.config.vote_half_life_days)
        taste_UT = sum_pairs(user_E, track_E, taste_E, shape)
        listeners_T = np.bincount(taste_UT.indices, minlength=shape[1])
        rarity_T = np.log(np.maximum(shape[0] / np.maximum(listeners_T, 1), 1.1)).astype(np.float32)
        return self._index(taste_UT, sum_pairs(user_E, track_E, vote_E, shape), rarity_T)

    def _index(self, taste_UT: csr_array, vote_UT: csr_array, rarity_T: Float32) -> Self:
        self.taste_UT, self.vote_UT, self.rarity_T = taste_UT, vote_UT, rarity_T
        self.unit_TU = csr_array(self._unit(taste_UT).T)
        return self

    def _unit(self, taste: csr_array) -> csr_array:
        """Return tastes as vectors of length 1, repeats damped, rare tracks raised."""
        damped_P = np.sqrt(taste.data) * self.rarity_T[taste.indices]
        return unit_rows(csr_array((damped_P, taste.indices, taste.indptr), shape=taste.shape))

    def score(self, history: History) -> SparseScores:
        num_users, num_tracks = self.taste_UT.shape[0] - 1, self.taste_UT.shape[1] - 1
        taste_BT = query(history, recency(history, self.config.taste_half_life_days), num_tracks)
        similarity_BU = product(self._unit(taste_BT), self.unit_TU)
        known_B = np.where(history.user_B <= num_users, history.user_B, 0)
        row_P = np.repeat(np.arange(len(history)), np.diff(similarity_BU.indptr))
        similarity_BU.data[similarity_BU.indices == known_B[row_P]] = 0.0
        near_BU = keep_best(similarity_BU, self.config.k)
        weight_B = (1.0 - self.config.own) * inverse(np.asarray(near_BU.sum(axis=1), dtype=np.float64).ravel())
        own_BT = peak_one(query(history, recency(history, self.config.half_life_days), num_tracks))
        return SparseScores(product(scale_rows(near_BU, weight_B), self.vote_UT, plus=self.config.own * own_BT))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        return pack(self.taste_UT, "taste") | pack(self.vote_UT, "vote") | {"rarity_T": self.rarity_T}

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        return self._index(unpack(arrays, "taste"), unpack(arrays, "vote"), arrays["rarity_T"].astype(np.float32))


def halve(age_days_E: NDArray[np.float64], half_life_days: float) -> NDArray[np.float64]:
    """Return weights that halve with age; nothing fades below 2^-100, where sums would lose it."""
    return np.asarray(np.exp2(-np.minimum(age_days_E / half_life_days, 100.0)), dtype=np.float64)


def peak_one(matrix: csr_array) -> csr_array:
    """Scale every row to a largest entry of 1."""
    return scale_rows(matrix, inverse(matrix.max(axis=1).toarray().ravel()))


def unit_rows(matrix: csr_array) -> csr_array:
    """Scale every row to length 1."""
    return scale_rows(matrix, inverse(np.sqrt(np.asarray(matrix.power(2).sum(axis=1)).ravel())))
