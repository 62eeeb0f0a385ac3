"""Decayed popularity: what everybody listens to now, each listen halved in weight every few days."""

from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ritornello.contracts import Float32, History, Int32
from ritornello.data.knowledge import Knowledge
from ritornello.data.sequence import Sequences, listens
from ritornello.recall.query import num_listened
from ritornello.recall.scores import SparseScores
from ritornello.schema import ONE_DAY_MS


class PopularConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of decayed popularity."""

    half_life_days: float = 7.0
    depth: int = 1000


class Popular:
    """Propose the tracks with the most decayed listens, the same for everybody."""

    Config = PopularConfig

    def __init__(self, config: PopularConfig) -> None:
        self.config = config
        self._index(np.zeros(1, np.float32))

    def fit(self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        return self._index(decayed_listens(sequences, at, self.config.half_life_days))

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


def decayed_listens(sequences: Sequences, at: int, half_life_days: float) -> Float32:
    """Return each track's listens [T], halved in weight every `half_life_days`."""
    age_days_E = (at - sequences.at_E) / ONE_DAY_MS
    weight_E = np.exp2(-age_days_E / half_life_days) * listens(sequences)
    return np.bincount(sequences.track_E, weights=weight_E, minlength=sequences.num_tracks + 1).astype(np.float32)


def best_first(score_T: Float32) -> Int32:
    """Return the tracks with a score above 0, best first, equal ones by track; a channel sorts them once."""
    order_T = np.argsort(-score_T, kind="stable")
    return order_T[: np.count_nonzero(score_T > 0)].astype(np.int32)


def broadcast_best(score_T: Float32, best_K: Int32, history: History, depth: int) -> csr_array:
    """Give every row the `depth` best tracks, and as many more as it has heard itself, so that filters leave enough."""
    length_B = np.minimum(depth + num_listened(history, len(score_T) - 1), len(best_K))
    end_B = np.cumsum(length_B)
    track_P = best_K[np.arange(length_B.sum()) - np.repeat(end_B - length_B, length_B)]
    return csr_array((score_T[track_P], track_P, np.r_[0, end_B].astype(np.int32)), shape=(len(history), len(score_T)))
