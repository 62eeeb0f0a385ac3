"""Transitions: what follows in a session, a Markov chain over the last few tracks (lag-weighted, row-normalised)."""

from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ritornello.contracts import History
from ritornello.data.knowledge import Knowledge
from ritornello.data.labels import is_listen
from ritornello.data.sequence import Sequences
from ritornello.recall.item2item import session_keys
from ritornello.recall.matrix import empty, inverse, keep_best, pack, query, scale_rows, sum_pairs, unpack
from ritornello.recall.scores import SparseScores


class TransitionsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings: pairs up to `lags` apart count 1 / lag; the query weighs its `max_events` newest by `decay`."""

    lags: int = 5
    keep: int = 300
    decay: float = 0.6
    max_events: int = 5


class Transitions:
    """Propose the tracks that followed the user's newest ones in other sessions."""

    Config = TransitionsConfig

    def __init__(self, config: TransitionsConfig) -> None:
        self.config = config
        self.links_TT = empty()

    def fit(self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        is_used_E = is_listen(sequences.action_E, sequences.play_ratio_E)
        key_E, track_E = session_keys(sequences)[is_used_E], sequences.track_E[is_used_E]
        size = sequences.num_tracks + 1
        before: list[NDArray[np.int32]] = []
        after: list[NDArray[np.int32]] = []
        weight: list[NDArray[np.float64]] = []
        for lag in range(1, self.config.lags + 1):
            is_pair_E = key_E[lag:] == key_E[:-lag]
            before.append(track_E[:-lag][is_pair_E])
            after.append(track_E[lag:][is_pair_E])
            weight.append(np.full(int(is_pair_E.sum()), 1.0 / lag))
        counts = sum_pairs(np.concatenate(before), np.concatenate(after), np.concatenate(weight), (size, size))
        total_T = np.asarray(counts.sum(axis=1)).ravel()
        self.links_TT = keep_best(scale_rows(counts, inverse(np.maximum(total_T, 1.0))), self.config.keep)
        return self

    def score(self, history: History) -> SparseScores:
        back_L = np.arange(history.track_BL.shape[1])[::-1]
        weight_L = np.where(back_L < self.config.max_events, self.config.decay**back_L, 0.0)
        weight_BL = np.broadcast_to(weight_L, history.track_BL.shape)
        return SparseScores(csr_array(query(history, weight_BL, self.links_TT.shape[0] - 1) @ self.links_TT))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        return pack(self.links_TT, "links")

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        self.links_TT = unpack(arrays, "links")
        return self
