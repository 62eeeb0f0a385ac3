"""Transitions: what follows in a session, a Markov chain over the last few tracks (lag-weighted, row-normalised)."""

from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import History
from ritornello.data.knowledge import Knowledge
from ritornello.data.sequence import Sequences
from ritornello.data.sparse import empty, pack, product, unpack
from ritornello.data.transitions import chances
from ritornello.recall.query import newest, query
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
        size = sequences.num_tracks + 1
        self.links_TT = chances(sequences, size, lags=self.config.lags, keep=self.config.keep)
        return self

    def score(self, history: History) -> SparseScores:
        weight_BL = newest(history, self.config.max_events, decay=self.config.decay)
        return SparseScores(product(query(history, weight_BL, self.links_TT.shape[0] - 1), self.links_TT))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        return pack(self.links_TT, "links")

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        self.links_TT = unpack(arrays, "links")
        return self
