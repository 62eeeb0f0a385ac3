"""Inverse propensity: an offer that the logging policy seldom made stands for many that it did not make. S offers."""

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Float32


def inverse_propensity(propensity_S: Float32, clip: float) -> Float32:
    """Return what offers weigh [S]: one over the chance of each, with a mean of 1; 1 where the chance is unknown.

    Against the median offer none weighs more than `clip` times as much or as little: few rare offers must not decide alone.
    The chances .1, .2, .4 and .001 have the median .15: 1.5, .75, .5 (not .375) and 2 (not 150), over their mean of 1.1875:

    >>> inverse_propensity(np.array([0.1, 0.2, 0.4, 0.001, np.nan], np.float32), 2.0).astype(float).round(3).tolist()
    [1.263, 0.632, 0.421, 1.684, 1.0]
    """
    weight_S = np.ones(len(propensity_S))
    is_told_S = propensity_S > 0
    if is_told_S.any():
        told_C: NDArray[np.float64] = propensity_S[is_told_S].astype(np.float64)  # C: offers whose chance is told
        weight_C = np.clip(np.median(told_C) / told_C, 1.0 / clip, clip)
        weight_S[is_told_S] = weight_C / weight_C.mean()
    return weight_S.astype(np.float32)
