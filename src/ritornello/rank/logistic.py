"""Logistic regression over as-of features: the first rung of the ladder, and the yardstick for every other.

Features are cut at their 1st and 99th percentile, put on a log scale where they are skewed, standardised; fitted by L-BFGS with
an L2 penalty. S examples, F features.
"""

from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import fmin_l_bfgs_b
from scipy.special import expit

from ritornello.contracts import Float32, RankBatch
from ritornello.rank import Examples
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
        self.low_F: NDArray[np.float64] = np.zeros(0)
        self.high_F: NDArray[np.float64] = np.zeros(0)
        self.mean_F: NDArray[np.float64] = np.zeros(0)
        self.deviation_F: NDArray[np.float64] = np.zeros(0)
        self.weight_F: NDArray[np.float64] = np.zeros(0)

    def fit(self, examples: Examples) -> Self:
        self.low_F, self.high_F = np.percentile(examples.feature_SF, [1, 99], axis=0).astype(np.float64)
        squeezed_SF = self._squeeze(examples.feature_SF)
        self.mean_F = squeezed_SF.mean(axis=0)
        self.deviation_F = np.maximum(squeezed_SF.std(axis=0), 1e-6)
        scaled_SF = (squeezed_SF - self.mean_F) / self.deviation_F
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

    def _squeeze(self, feature_SF: Float32) -> NDArray[np.float64]:
        clipped_SF = np.clip(feature_SF.astype(np.float64), self.low_F, self.high_F) - self.low_F
        is_wide_F = self.high_F - self.low_F > 10.0
        return np.where(is_wide_F, np.log1p(clipped_SF), clipped_SF)

    def contributions(self, feature_PF: Float32) -> Float32:
        scaled_PF = (self._squeeze(feature_PF) - self.mean_F) / self.deviation_F
        return (scaled_PF * self.weight_F).astype(np.float32)

    def score(self, batch: RankBatch) -> Float32:
        is_candidate_BN = batch.track_BN != PADDING
        score_BN = np.full(batch.track_BN.shape, -np.inf, np.float32)
        score_BN[is_candidate_BN] = self.contributions(batch.feature_BNF[is_candidate_BN]).sum(axis=1)
        return score_BN

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        return {
            "low_F": self.low_F,
            "high_F": self.high_F,
            "mean_F": self.mean_F,
            "deviation_F": self.deviation_F,
            "weight_F": self.weight_F,
        }

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        self.low_F, self.high_F = arrays["low_F"].astype(np.float64), arrays["high_F"].astype(np.float64)
        self.mean_F, self.deviation_F = arrays["mean_F"].astype(np.float64), arrays["deviation_F"].astype(np.float64)
        self.weight_F = arrays["weight_F"].astype(np.float64)
        return self
