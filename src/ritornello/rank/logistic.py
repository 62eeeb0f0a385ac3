"""Logistic regression over as-of features: the first rung of the ladder, and the yardstick for every other.

Features on one scale (data/scaling.py); fitted by L-BFGS with an L2 penalty. S examples, F features.
"""

from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import fmin_l_bfgs_b
from scipy.special import expit

from ritornello.contracts import Float32, RankBatch
from ritornello.data.scaling import Scaling
from ritornello.rank import Contributions, Examples, spread_out
from ritornello.schema import PADDING


class LogisticConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the regression."""

    l2: float = 1.0
    max_iterations: int = 200


class Logistic:
    """Score candidates by a weighted sum of features."""

    Config = LogisticConfig

    def __init__(self, config: LogisticConfig) -> None:
        self.config = config
        self.scaling: Scaling | None = None
        self.weight_F: NDArray[np.float64] = np.zeros(0)

    def fit(self, examples: Examples) -> Self:
        self.scaling = Scaling.fit(examples.feature_SF)
        scaled_SF = self.scaling(examples.feature_SF)
        label_S = examples.label_S.astype(np.float64)

        def loss(parameter: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            logit_S = scaled_SF @ parameter[1:] + parameter[0]
            error_S = examples.weight_S * (expit(logit_S) - label_S)
            value = np.sum(examples.weight_S * (np.logaddexp(0.0, logit_S) - label_S * logit_S))
            penalty = 0.5 * self.config.l2 * np.sum(parameter[1:] ** 2)
            gradient = np.r_[error_S.sum(), scaled_SF.T @ error_S + self.config.l2 * parameter[1:]]
            return float(value + penalty), gradient

        start = np.zeros(scaled_SF.shape[1] + 1)
        found, _, _ = fmin_l_bfgs_b(loss, start, maxiter=self.config.max_iterations)
        self.weight_F = np.asarray(found[1:], dtype=np.float64)
        return self

    def contributions(self, batch: RankBatch) -> Contributions:
        """Return how much each feature moved each score; they sum to it."""
        return spread_out(batch, self.terms)

    def terms(self, feature_PF: Float32) -> Float32:
        """Return the terms of the sum [P, F]."""
        assert self.scaling is not None, "fitted before it is asked"
        return (self.scaling(feature_PF) * self.weight_F).astype(np.float32)

    def score(self, batch: RankBatch) -> Float32:
        is_candidate_BN = batch.track_BN != PADDING
        score_BN = np.full(batch.track_BN.shape, -np.inf, np.float32)
        score_BN[is_candidate_BN] = self.terms(batch.feature_BNF[is_candidate_BN]).sum(axis=1)
        return score_BN

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        assert self.scaling is not None, "fitted before it is saved"
        return {"weight_F": self.weight_F, **self.scaling.arrays()}

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        self.scaling = Scaling.restore(arrays)
        self.weight_F = arrays["weight_F"].astype(np.float64)
        return self
