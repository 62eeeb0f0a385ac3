"""May a running comparison stop today? An interval for a mean that stays valid however often one looks.

The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (Annals of Statistics 2024):
after n observations with standard deviation s the mean lies within

    s * sqrt(2 (n r + 1) / (n^2 r) * log(sqrt(n r + 1) / alpha))

at all n at once, with probability 1 - alpha: the normal mixture boundary of Robbins (1970). Any r > 0 is valid; here no
other r is narrower at n = tightest_at. With x = n r that asks for x = log((1 + x) / alpha^2), solved by the Lambert W
function, and the margin there is s * sqrt((1 + x) / n): 3.04 standard errors at 95 %, where one single look needs 1.96.

It asks for independent observations with a finite variance, each entered once and for good, in an order that does not
depend on their values: one finished listener is one observation, a day of the same listener is not. The guarantee holds
in the limit of a late first look, so nothing is said before `at_least` observations. Paired differences, which are
symmetric around 0 when nothing differs, keep it from 200 on; strongly one-sided values take 500 to 1000.

N observations, in order of arrival.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import lambertw


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """The mean of the first observations with its interval; unbounded where nothing can be said yet."""

    mean: float
    low: float
    high: float
    observations: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfidenceSequence:
    """The interval after every observation: entry n - 1 uses the first n."""

    mean_N: NDArray[np.float64]
    low_N: NDArray[np.float64]
    high_N: NDArray[np.float64]

    def after(self, count: int) -> Interval:
        """Return the interval after the first `count` observations."""
        if not 1 <= count <= len(self.mean_N):
            raise ValueError(f"count must lie between 1 and the {len(self.mean_N)} observations, found {count}")
        mean, low, high = (float(array_N[count - 1]) for array_N in (self.mean_N, self.low_N, self.high_N))
        return Interval(mean=mean, low=low, high=high, observations=count)


def confidence_sequence(
    value_N: NDArray[np.floating], *, confidence: float = 0.95, tightest_at: int = 500, at_least: int = 200
) -> ConfidenceSequence:
    """Return the interval for the mean after every observation; the truth leaves none of them, with `confidence`.

    It is unbounded before `at_least` observations, and as long as all of them are equal: no spread has been seen yet.

    >>> after_500 = confidence_sequence(np.tile([1.0, 2.0, 3.0], 200)).after(500)
    >>> round(after_500.mean, 3), round(after_500.high - after_500.mean, 4)  # 0.8169 * 3.0351 / sqrt(500) = 0.1109
    (1.998, 0.1109)
    """
    _check_values(value_N)
    if at_least < 2:
        raise ValueError(f"at_least must be 2 or more, found {at_least}")
    count_N = np.arange(1, len(value_N) + 1)
    mean_N = np.cumsum(value_N, dtype=np.float64) / count_N
    # Welford (1962): each square is measured from the mean before it, so no large numbers cancel
    square_N = np.concatenate([[0.0], (value_N[1:] - mean_N[:-1]) ** 2 * (count_N[:-1] / count_N[1:])])
    deviation_N = np.sqrt(np.cumsum(square_N) / np.maximum(count_N - 1, 1))
    margin_N = deviation_N * _boundary(count_N, confidence=confidence, tightest_at=tightest_at)
    is_equal_N = np.maximum.accumulate(value_N) == np.minimum.accumulate(value_N)
    margin_N = np.where((count_N < at_least) | is_equal_N, np.inf, margin_N)
    return ConfidenceSequence(mean_N=mean_N, low_N=mean_N - margin_N, high_N=mean_N + margin_N)


def may_stop_after(sequence: ConfidenceSequence) -> int | None:
    """Return the first count at which the interval excludes 0, None if there is none.

    The verdict stands once it is reached, even where a later interval holds 0 again.

    >>> may_stop_after(confidence_sequence(np.tile([1.0, 2.0, 3.0], 50), at_least=10))
    10
    """
    excludes_N = (sequence.low_N > 0.0) | (sequence.high_N < 0.0)
    return int(np.argmax(excludes_N)) + 1 if excludes_N.any() else None


def _boundary(count_N: NDArray[np.integer], *, confidence: float, tightest_at: int) -> NDArray[np.float64]:
    """Return the margin around the mean after each count, in standard deviations."""
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie between 0 and 1, both excluded, found {confidence}")
    if tightest_at < 1:
        raise ValueError(f"tightest_at must be 1 or more, found {tightest_at}")
    alpha = 1.0 - confidence
    best_x = -1.0 - float(lambertw(-(alpha**2) / np.e, k=-1).real)
    x_N = count_N * (best_x / tightest_at)
    margin_N: NDArray[np.float64] = np.sqrt((x_N + 1.0) / (count_N * x_N) * (np.log1p(x_N) - 2.0 * np.log(alpha)))
    return margin_N


def _check_values(value_N: NDArray[np.floating]) -> None:
    if value_N.ndim != 1 or len(value_N) < 2:
        raise ValueError(f"a confidence sequence needs a row of 2 observations or more, found shape {value_N.shape}")
    num_bad = int(np.count_nonzero(~np.isfinite(value_N)))
    if num_bad:
        raise ValueError(f"observations must be finite numbers: {num_bad} of {len(value_N)} are not")
