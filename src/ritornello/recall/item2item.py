"""Item to item: tracks heard together, by session (`ItemToItem`) or by listener over all time (`CoListen`).

Cosine between the columns of a listens matrix (Sarwar et al. 2001), queried with the user's listens weighted by recency.
Session co-listening says what goes together now, listener co-listening what tastes go together.
"""

from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ritornello.contracts import Bool, History
from ritornello.data.knowledge import Knowledge
from ritornello.data.sequence import Sequences, listens
from ritornello.data.sparse import cosine_items, empty, pack, product, scale_rows, sum_pairs, unpack
from ritornello.recall.query import newest, query
from ritornello.recall.scores import SparseScores
from ritornello.schema import ONE_DAY_MS


class ItemToItemConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of session co-listening: a session counts half as much every `half_life_days`.

    `decay` is the weight of each older slot of the query.
    """

    keep: int = 300
    shrink: float = 0.6
    half_life_days: float = 120.0
    decay: float = 0.95
    max_events: int = 100


class ItemToItem:
    """Propose tracks heard in the same sessions as the user's newest ones."""

    Config = ItemToItemConfig

    def __init__(self, config: ItemToItemConfig) -> None:
        self.config = config
        self.links_TT = empty()

    def fit(self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        is_used_E = listens(sequences)
        heard_ST, session_E = in_sessions(sequences, is_used_E)
        age_days_S = np.zeros(heard_ST.shape[0])
        age_days_S[session_E] = (at - sequences.at_E[is_used_E]) / ONE_DAY_MS
        heard_ST = scale_rows(heard_ST, np.exp2(-0.5 * age_days_S / self.config.half_life_days))
        self.links_TT = cosine_items(heard_ST, keep=self.config.keep, shrink=self.config.shrink)
        return self

    def score(self, history: History) -> SparseScores:
        weight_BL = newest(history, self.config.max_events, decay=self.config.decay)
        return SparseScores(product(query(history, weight_BL, self.links_TT.shape[0] - 1), self.links_TT))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        return pack(self.links_TT, "links")

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        self.links_TT = unpack(arrays, "links")
        return self


class CoListenConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of listener co-listening."""

    keep: int = 1000
    shrink: float = 10.0
    half_life_days: float = 60.0


class CoListen:
    """Propose tracks that listeners of the user's tracks listen to."""

    Config = CoListenConfig

    def __init__(self, config: CoListenConfig) -> None:
        self.config = config
        self.links_TT = empty()

    def fit(self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        is_used_E = listens(sequences)
        shape = (sequences.num_users + 1, sequences.num_tracks + 1)
        heard_UT = sum_pairs(
            sequences.user_E[is_used_E], sequences.track_E[is_used_E], np.ones(int(is_used_E.sum())), shape
        )
        heard_UT.data = np.log1p(heard_UT.data)
        self.links_TT = cosine_items(heard_UT, keep=self.config.keep, shrink=self.config.shrink)
        return self

    def score(self, history: History) -> SparseScores:
        listens = query(history, recency(history, self.config.half_life_days), self.links_TT.shape[0] - 1)
        listens.data = np.log1p(listens.data)
        return SparseScores(product(listens, self.links_TT))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        return pack(self.links_TT, "links")

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        self.links_TT = unpack(arrays, "links")
        return self


def in_sessions(sequences: Sequences, is_used_E: Bool) -> tuple[csr_array, NDArray[np.intp]]:
    """Return which tracks are in which session [S, T], 1 each, and the session of each event used."""
    key_E = (sequences.user_E.astype(np.int64) << 32) | sequences.session_E
    _, session_E = np.unique(key_E[is_used_E], return_inverse=True)
    shape = (int(session_E.max(initial=0)) + 1, sequences.num_tracks + 1)
    heard_ST = sum_pairs(session_E, sequences.track_E[is_used_E], np.ones(len(session_E)), shape)
    heard_ST.data[:] = 1.0
    return heard_ST, session_E


def recency(history: History, half_life_days: float) -> NDArray[np.float64]:
    """Return a weight per slot [B, L] that halves with age, 1 for the newest event of each row.

    Measured from the user's own newest event: a pause of months then leaves the shape of the taste as it was.
    """
    newest_B1 = history.at_BL.max(axis=1, keepdims=True, initial=0)
    age_days_BL = np.maximum(newest_B1 - history.at_BL, 0) / ONE_DAY_MS
    return np.asarray(np.exp2(-np.minimum(age_days_BL / half_life_days, 100.0)), dtype=np.float64)
