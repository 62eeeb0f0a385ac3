"""Features on one scale: cut at the 1st and 99th percentile, on a log scale where they are skewed, standardised.

S examples, P (row, candidate) pairs, F features.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Float32

NUM_BINS = 32
WIDE = 10.0  # between the percentiles: a feature that spreads so far is read in doublings


@dataclass(frozen=True, kw_only=True, slots=True)
class Scaling:
    """What the features of the examples looked like."""

    low_F: NDArray[np.float64]
    high_F: NDArray[np.float64]
    mean_F: NDArray[np.float64]
    deviation_F: NDArray[np.float64]

    @classmethod
    def fit(cls, feature_SF: Float32) -> Self:
        """Measure the features of examples."""
        low_F, high_F = np.percentile(feature_SF, [1, 99], axis=0).astype(np.float64)
        squeezed_SF = squeeze(feature_SF, low_F, high_F)
        deviation_F = np.maximum(squeezed_SF.std(axis=0), 1e-6)
        return cls(low_F=low_F, high_F=high_F, mean_F=squeezed_SF.mean(axis=0), deviation_F=deviation_F)

    def __call__(self, feature_PF: Float32) -> NDArray[np.float64]:
        """Return the features of pairs on the scale of the examples."""
        scaled_PF = squeeze(feature_PF, self.low_F, self.high_F)
        scaled_PF -= self.mean_F
        scaled_PF /= self.deviation_F
        return scaled_PF

    def middle(self) -> Float32:
        """Return features that lie in the middle of the scale [F]."""
        is_wide_F = self.high_F - self.low_F > WIDE
        return np.asarray(self.low_F + np.where(is_wide_F, np.expm1(self.mean_F), self.mean_F), dtype=np.float32)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the state."""
        return {name: getattr(self, name) for name in Scaling.__slots__}

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[np.generic]]) -> Self:
        """Take over a state that `arrays` gave."""
        return cls(**{name: arrays[name].astype(np.float64) for name in Scaling.__slots__})


def squeeze(feature_PF: Float32, low_F: NDArray[np.float64], high_F: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut features at their percentiles, and take the logarithm of those that are far apart."""
    squeezed_PF = np.clip(feature_PF, low_F, high_F)
    squeezed_PF -= low_F
    return np.where(high_F - low_F > WIDE, np.log1p(squeezed_PF), squeezed_PF)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bins:
    """Quantiles of some features, for what has no slope: an hour, the minutes since the last play. C columns, K edges."""

    column_C: NDArray[np.int64]
    edge_CK: NDArray[np.float64]

    @classmethod
    def fit(cls, feature_SF: Float32, column_C: NDArray[np.integer]) -> Self:
        """Measure the features of examples."""
        shares = np.linspace(0, 1, NUM_BINS + 1)[1:-1]
        edge_CK = np.quantile(feature_SF[:, column_C].astype(np.float64), shares, axis=0).T
        return cls(column_C=column_C.astype(np.int64), edge_CK=edge_CK)

    def __call__(self, feature_BF: Float32) -> NDArray[np.int64]:
        """Return the bin of every column of every request [B, C]."""
        return np.asarray((feature_BF[:, self.column_C, None] > self.edge_CK).sum(axis=2), dtype=np.int64)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the state."""
        return {name: getattr(self, name) for name in Bins.__slots__}

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[np.generic]]) -> Self:
        """Take over a state that `arrays` gave."""
        return cls(column_C=arrays["column_C"].astype(np.int64), edge_CK=arrays["edge_CK"].astype(np.float64))
