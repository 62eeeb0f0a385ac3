"""A mean and how sure it is, as the benchmarks of scenes tell it."""

import numpy as np
from numpy.typing import ArrayLike

from ritornello.metrics import standard_error


def spread(values: ArrayLike) -> tuple[float, float]:
    """Return mean and standard error of one value a row."""
    value_R = np.asarray(values, dtype=np.float64)
    return round(float(value_R.mean()), 4), round(standard_error(value_R), 4)
