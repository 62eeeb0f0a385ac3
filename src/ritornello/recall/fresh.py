"""Fresh releases: tracks that came out lately, by how fast listeners take to them."""

from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Float32, History
from ritornello.data.knowledge import Knowledge
from ritornello.data.sequence import Sequences
from ritornello.recall.popular import best_first, broadcast_best, decayed_listens
from ritornello.recall.scores import SparseScores
from ritornello.schema import ONE_DAY_MS


class FreshConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of fresh releases."""

    max_age_days: float = 30.0
    half_life_days: float = 5.0
    depth: int = 300


class Fresh:
    """Propose tracks first heard by anybody within the last weeks, by decayed listens."""

    Config = FreshConfig

    def __init__(self, config: FreshConfig) -> None:
        self.config = config
        self._index(np.zeros(1, np.float32))

    def fit(self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        first_at_T = np.full(sequences.num_tracks + 1, np.iinfo(np.int64).max)
        np.minimum.at(first_at_T, sequences.track_E, sequences.at_E)
        is_fresh_T = first_at_T > at - self.config.max_age_days * ONE_DAY_MS
        listens_T = decayed_listens(sequences, at, self.config.half_life_days)
        return self._index(np.where(is_fresh_T, listens_T, 0.0).astype(np.float32))

    def refresh(self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        """Return one that has counted anew; it takes moments."""
        return type(self)(self.config).fit(sequences, at, knowledge)

    def _index(self, score_T: Float32) -> Self:
        self.score_T, self.best_K = score_T, best_first(score_T)
        return self

    def score(self, history: History) -> SparseScores:
        return SparseScores(broadcast_best(self.score_T, self.best_K, history, self.config.depth))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        return {"score_T": self.score_T}

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        return self._index(arrays["score_T"].astype(np.float32))
