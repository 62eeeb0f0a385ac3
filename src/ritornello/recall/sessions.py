"""Session neighbours: sessions like the running one, and what else was heard in them.

V-SKNN (Ludewig and Jannach 2018): the newest tracks of the session weigh most, the `k` most similar past sessions vote.
"""

from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ritornello.contracts import History
from ritornello.data.knowledge import Knowledge
from ritornello.data.sequence import Sequences, listens
from ritornello.data.sparse import empty, inverse, keep_best, pack, product, scale_rows, sum_pairs, unpack
from ritornello.recall.item2item import session_keys
from ritornello.recall.query import query
from ritornello.recall.scores import SparseScores
from ritornello.schema import PADDING


class SessionNeighboursConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of V-SKNN."""

    k: int = 200
    decay: float = 0.9
    max_events: int = 20


class SessionNeighbours:
    """Propose tracks of past sessions that resemble the user's newest session."""

    Config = SessionNeighboursConfig

    def __init__(self, config: SessionNeighboursConfig) -> None:
        self.config = config
        self.heard_ST = empty()
        self.norm_TS = empty()

    def fit(self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        is_used_E = listens(sequences)
        _, session_E = np.unique(session_keys(sequences)[is_used_E], return_inverse=True)
        shape = (int(session_E.max(initial=0)) + 1, sequences.num_tracks + 1)
        heard_ST = sum_pairs(session_E, sequences.track_E[is_used_E], np.ones(len(session_E)), shape)
        heard_ST.data[:] = 1.0
        return self._index(heard_ST)

    def _index(self, heard_ST: csr_array) -> Self:
        length_S = np.diff(heard_ST.indptr).astype(np.float32)
        self.heard_ST = heard_ST
        self.norm_TS = csr_array(scale_rows(heard_ST, inverse(np.sqrt(length_S))).T)
        return self

    def score(self, history: History) -> SparseScores:
        back_BL = np.arange(history.track_BL.shape[1])[::-1]
        is_current_BL = (history.session_BL == history.session_BL[:, -1:]) & (history.track_BL != PADDING)
        is_used_BL = is_current_BL & (back_BL < self.config.max_events)
        weight_BL = np.where(is_used_BL, self.config.decay**back_BL, 0.0)
        similarity_BS = product(query(history, weight_BL, self.heard_ST.shape[1] - 1), self.norm_TS)
        return SparseScores(product(keep_best(similarity_BS, self.config.k), self.heard_ST))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        return pack(self.heard_ST, "heard")

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        return self._index(unpack(arrays, "heard"))
