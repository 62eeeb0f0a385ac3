"""Relisten: the user's own tracks by how strongly memory would bring them back.

Base-level activation of ACT-R (Anderson and Schooler 1991; for music, Reiter-Haas et al. 2021): a track heard at ages t_j has
the activation ln(sum_j t_j^-d). Several decays d are averaged: a small one remembers what was heard often, a large one
what was heard last. The score is the exponential, so it is positive and orders the same.
"""

from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ritornello.contracts import History
from ritornello.data.knowledge import Knowledge
from ritornello.data.sequence import Sequences
from ritornello.recall.query import query
from ritornello.recall.scores import SparseScores

ONE_MINUTE_HOURS = 1.0 / 60.0


class RelistenConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the base-level activation."""

    decays: tuple[float, ...] = (0.3, 0.6, 1.0)


class Relisten:
    """Propose the user's own tracks, most active first."""

    Config = RelistenConfig

    def __init__(self, config: RelistenConfig) -> None:
        self.config = config
        self.num_tracks = 0

    def fit(self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        self.num_tracks = sequences.num_tracks
        return self

    def refresh(self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        """Return one that knows the tracks that have been played since."""
        return type(self)(self.config).fit(sequences, at, knowledge)

    def score(self, history: History) -> SparseScores:
        return SparseScores(activation(history, self.config.decays, self.num_tracks))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        return {"num_tracks": np.array([self.num_tracks])}

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        self.num_tracks = int(arrays["num_tracks"].item())
        return self


def activation(history: History, decays: tuple[float, ...], num_tracks: int) -> csr_array:
    """Return the exponential of the base-level activation, averaged over decays, of each row's own tracks [B, T]."""
    age_BL = np.maximum(history.age_BL, ONE_MINUTE_HOURS).astype(np.float64)
    matrices = [query(history, age_BL**-decay, num_tracks) for decay in decays]
    strength_BT = matrices[0]
    log_sum_P = np.sum([np.log(np.maximum(matrix.data, 1e-30)) for matrix in matrices], axis=0)
    strength_BT.data = np.exp(log_sum_P / len(matrices)).astype(np.float32)
    return strength_BT
