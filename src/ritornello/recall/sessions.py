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
from ritornello.data.sparse import empty, inverse, keep_best, pack, product, scale_rows, unpack
from ritornello.recall.item2item import in_sessions
from ritornello.recall.query import newest, query
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
        return self._index(in_sessions(sequences, listens(sequences))[0])

    def _index(self, heard_ST: csr_array) -> Self:
        length_S = np.diff(heard_ST.indptr).astype(np.float32)
        self.heard_ST = heard_ST
        self.norm_TS = csr_array(scale_rows(heard_ST, inverse(np.sqrt(length_S))).T)
        return self

    def score(self, history: History) -> SparseScores:
        is_current_BL = (history.session_BL == history.session_BL[:, -1:]) & (history.track_BL != PADDING)
        weight_BL = newest(history, self.config.max_events, decay=self.config.decay) * is_current_BL
        similarity_BS = product(query(history, weight_BL, self.heard_ST.shape[1] - 1), self.norm_TS)
        return SparseScores(product(keep_best(similarity_BS, self.config.k), self.heard_ST))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        return pack(self.heard_ST, "heard")

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        return self._index(unpack(arrays, "heard"))
