"""Factors: implicit-feedback matrix factorisation by alternating least squares (Hu, Koren and Volinsky 2008).

Each listen weighs 1 + alpha * ln(1 + decayed listens). Tracks get their vectors in training; a user's vector is solved from the
history at request time against fixed tracks, so it moves with every listen. B batch, T tracks, D factors.
"""

from functools import cache
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from threadpoolctl import ThreadpoolController

from ritornello.contracts import Float32, History
from ritornello.data.factorisation import factorise
from ritornello.data.knowledge import Knowledge
from ritornello.data.sequence import Sequences
from ritornello.recall.item2item import recency
from ritornello.recall.query import query
from ritornello.recall.scores import VectorScores
from ritornello.recall.track_vectors import TrackVectors


class FactorsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the factorisation."""

    factors: int = 192
    regularization: float = 200.0
    alpha: float = 80.0
    iterations: int = 10
    half_life_days: float = 120.0
    seed: int = 0


@cache
def pools() -> ThreadpoolController:
    """Return the control of the thread pools; to look for them takes longer than a request should."""
    return ThreadpoolController()


class Factors:
    """Propose tracks whose vectors agree with the user's vector."""

    Config = FactorsConfig

    def __init__(self, config: FactorsConfig) -> None:
        self.config = config
        self.tracks = TrackVectors(np.zeros((1, config.factors), np.float32))
        self.inverse_DD: Float32 = np.zeros((config.factors, config.factors), np.float32)

    @property
    def track_TD(self) -> Float32:
        """The tracks' factors."""
        return self.tracks.vector_TD

    def fit(self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        config = self.config
        track_TD = factorise(
            sequences,
            sequences.num_tracks + 1,
            factors=config.factors,
            regularization=config.regularization,
            alpha=config.alpha,
            iterations=config.iterations,
            half_life_days=config.half_life_days,
            seed=config.seed,
        )
        self.tracks = TrackVectors.made(track_TD)
        regularization_DD = self.config.regularization * np.eye(track_TD.shape[1])
        self.inverse_DD = np.linalg.inv(track_TD.T.astype(np.float64) @ track_TD + regularization_DD).astype(np.float32)
        return self

    def score(self, history: History) -> VectorScores:
        listens = query(history, recency(history, self.config.half_life_days), len(self.track_TD) - 1)
        listens.data = np.log1p(listens.data)
        with pools().limit(limits=1, user_api="blas"):  # the systems are small: threads would only wait for each other
            return VectorScores(self.solve(listens), self.tracks)

    def solve(self, listens_BT: csr_array) -> Float32:
        """Return each row's vector [B, D]: one least-squares step with the tracks held fixed.

        With A = Y'Y + regularisation over all tracks, Y and C the vectors and weights of the H heard ones, the vector is
        (A + Y'(C - 1)Y)^-1 Y'C1. A short history makes that cheap: it equals A^-1 Y' (1 + (C - 1) Y A^-1 Y')^-1 C1, a system of
        size H.
        """
        user_BD = np.zeros((listens_BT.shape[0], self.track_TD.shape[1]), np.float32)
        for row, (start, stop) in enumerate(zip(listens_BT.indptr[:-1], listens_BT.indptr[1:], strict=True)):
            if start == stop:
                continue
            heard_HD = self.track_TD[listens_BT.indices[start:stop]]
            weight_H = self.config.alpha * listens_BT.data[start:stop]
            reach_HD = heard_HD @ self.inverse_DD
            if stop - start <= self.track_TD.shape[1]:
                system_HH = (weight_H - 1.0)[:, None] * (reach_HD @ heard_HD.T) + np.eye(stop - start, dtype=np.float32)
                user_BD[row] = np.linalg.solve(system_HH, weight_H) @ reach_HD
            else:
                system_DD = reach_HD.T @ ((weight_H - 1.0)[:, None] * heard_HD)
                system_DD += np.eye(self.track_TD.shape[1], dtype=np.float32)
                user_BD[row] = np.linalg.solve(system_DD, weight_H @ reach_HD)
        return user_BD

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        return {**self.tracks.arrays("track_TD"), "inverse_DD": self.inverse_DD}

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        self.tracks = TrackVectors.restore(arrays, "track_TD")
        self.inverse_DD = arrays["inverse_DD"].astype(np.float32)
        return self
