"""Decayed popularity: what everybody listens to now, each listen halved in weight every few days."""

from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ritornello.contracts import Float32, History
from ritornello.data.labels import is_listen
from ritornello.data.sequence import Sequences
from ritornello.recall.matrix import query
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
        self.score_T: Float32 = np.zeros(1, np.float32)

    def fit(self, sequences: Sequences, at: int) -> Self:
        self.score_T = decayed_listens(sequences, at, self.config.half_life_days)
        return self

    def score(self, history: History) -> SparseScores:
        return SparseScores(broadcast_best(self.score_T, history, self.config.depth))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        return {"score_T": self.score_T}

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        self.score_T = arrays["score_T"].astype(np.float32)
        return self


def decayed_listens(sequences: Sequences, at: int, half_life_days: float) -> Float32:
    """Return each track's listens [T], halved in weight every `half_life_days`."""
    age_days_E = (at - sequences.at_E) / ONE_DAY_MS
    weight_E = np.exp2(-age_days_E / half_life_days) * is_listen(sequences.action_E, sequences.play_ratio_E)
    return np.bincount(sequences.track_E, weights=weight_E, minlength=sequences.num_tracks + 1).astype(np.float32)


def broadcast_best(score_T: Float32, history: History, depth: int) -> csr_array:
    """Give every row the `depth` best tracks, and as many more as it has heard, so that filters leave enough."""
    num_tracks = len(score_T) - 1
    heard_most = int(np.diff(query(history, np.ones(history.track_BL.shape), num_tracks).indptr).max(initial=0))
    order_T = np.lexsort((np.arange(len(score_T)), -score_T))[: depth + heard_most]
    best_K = np.sort(order_T[score_T[order_T] > 0])
    num_rows = len(history)
    return csr_array(
        (np.tile(score_T[best_K], num_rows), np.tile(best_K, num_rows), np.arange(num_rows + 1) * len(best_K)),
        shape=(num_rows, len(score_T)),
    )
