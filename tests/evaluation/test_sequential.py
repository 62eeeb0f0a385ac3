"""The confidence sequence: the hand-worked boundary, the truth stays inside on the whole path, a shift is found."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from ritornello.evaluation.sequential import confidence_sequence, may_stop_after

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]
NUM_PATHS, LENGTH, FIRST_LOOK = 1000, 3000, 200
ALLOWANCE = 0.05 + 2.0 * np.sqrt(0.05 * 0.95 / NUM_PATHS)  # two standard errors of the simulation: 6.4 %


def normal(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    return rng.normal(0.0, 10.0, size)


def skewed(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    return rng.lognormal(0.0, 1.0, size) - float(np.exp(0.5))


def skewed_difference(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    return rng.lognormal(3.0, 1.5, size) - rng.lognormal(3.0, 1.5, size)


def zero_inflated(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    return np.where(rng.random(size) < 0.3, rng.lognormal(0.0, 0.5, size), 0.0) - 0.3 * float(np.exp(0.125))


def zero_inflated_difference(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    return np.where(rng.random(size) < 0.1, skewed_difference(rng, size), 0.0)


def share_that_stops(draw: Draw, *, at_least: int = FIRST_LOOK) -> float:
    """Return the share of paths with a mean of 0 on which some interval excludes 0."""
    rng = np.random.default_rng(17)
    stops = [may_stop_after(confidence_sequence(draw(rng, LENGTH), at_least=at_least)) for _ in range(NUM_PATHS)]
    return float(np.mean([stop is not None for stop in stops]))


def share_that_stops_naively(draw: Draw) -> float:
    """Return the same share for the interval of 1.96 standard errors, looked at after every observation."""
    rng = np.random.default_rng(17)
    count_N = np.arange(1, LENGTH + 1)
    stops: list[bool] = []
    for _ in range(NUM_PATHS):
        value_N = draw(rng, LENGTH)
        mean_N = np.cumsum(value_N) / count_N
        variance_N = np.cumsum(value_N**2) / count_N - mean_N**2
        is_out_N = mean_N**2 > 1.96**2 * variance_N / count_N
        stops.append(bool(is_out_N[FIRST_LOOK - 1 :].any()))
    return float(np.mean(stops))


@pytest.mark.parametrize("draw", [normal, skewed_difference, zero_inflated, zero_inflated_difference])
def test_the_truth_stays_inside_on_the_whole_path_where_a_repeated_z_interval_loses_it(draw: Draw) -> None:
    assert share_that_stops(draw) <= ALLOWANCE
    assert share_that_stops_naively(draw) > 0.2


def test_strongly_one_sided_values_need_a_later_first_look() -> None:
    assert share_that_stops(skewed, at_least=500) <= ALLOWANCE
    assert share_that_stops(skewed, at_least=10) > 2 * ALLOWANCE
    assert share_that_stops_naively(skewed) > 0.2


def test_the_margin_is_the_papers() -> None:
    # x = log((1 + x) / 0.05^2) has the root 8.2120, so r = 8.2120 / 500; 100 observations have x = 1.64239 and the
    # multiple sqrt(2 * 2.64239 / (100 * 1.64239) * log(sqrt(2.64239) / 0.05)) = 0.33471; -1 and 1 deviate by 1.00504
    after_100 = confidence_sequence(np.tile([-1.0, 1.0], 300), at_least=2).after(100)
    assert after_100.high == pytest.approx(0.33471 * 1.00504, abs=1e-5)
    assert after_100.low == pytest.approx(-after_100.high)
    assert after_100.observations == 100


def test_no_other_tuning_is_narrower_where_this_one_is_tightest() -> None:
    value_N = np.tile([-1.0, 1.0], 300)
    high_at_400 = {n: confidence_sequence(value_N, tightest_at=n).after(400).high for n in (100, 390, 400, 410, 1600)}
    assert min(high_at_400, key=high_at_400.__getitem__) == 400


def test_more_confidence_is_wider_and_more_observations_are_narrower() -> None:
    value_N = np.tile([-1.0, 1.0], 300)
    sure, unsure = (confidence_sequence(value_N, confidence=confidence) for confidence in (0.99, 0.8))
    assert (sure.high_N[FIRST_LOOK:] > unsure.high_N[FIRST_LOOK:]).all()
    assert (np.diff(sure.high_N[FIRST_LOOK - 1 :: 2]) < 0.0).all()


def test_the_interval_moves_with_the_values_and_never_looks_ahead() -> None:
    value_N = skewed_difference(np.random.default_rng(1), 600)
    whole, part = confidence_sequence(value_N), confidence_sequence(value_N[:300])
    assert part.after(300) == whole.after(300)
    moved = confidence_sequence(2.0 * value_N + 1e6)
    assert moved.low_N[300:] == pytest.approx(2.0 * whole.low_N[300:] + 1e6)
    assert moved.high_N[300:] - moved.low_N[300:] == pytest.approx(2.0 * (whole.high_N - whole.low_N)[300:])


def test_a_true_shift_is_found_with_its_sign_and_a_larger_one_sooner() -> None:
    value_N = normal(np.random.default_rng(2), LENGTH)
    small, large = (may_stop_after(confidence_sequence(value_N + shift)) for shift in (2.0, 3.0))
    assert small is not None
    assert large is not None
    assert FIRST_LOOK <= large < small < LENGTH
    assert confidence_sequence(value_N + 2.0).after(small).low > 0.0
    assert may_stop_after(confidence_sequence(-(value_N + 2.0))) == small


def test_nearly_every_path_with_a_shift_of_a_fifth_of_the_spread_stops() -> None:
    assert share_that_stops(lambda rng, size: normal(rng, size) + 2.0) > 0.99


def test_nothing_is_said_before_the_first_look_or_before_the_values_differ() -> None:
    sequence = confidence_sequence(np.tile([4.9, 5.0], 200), at_least=50)
    assert sequence.after(49).low == -np.inf
    assert sequence.after(49).high == np.inf
    assert may_stop_after(sequence) == 50
    assert may_stop_after(confidence_sequence(np.full(900, 0.1))) is None
    assert may_stop_after(confidence_sequence(np.append(np.zeros(300), [0.0, 1.0]))) is None


def test_what_cannot_be_judged_is_refused_in_one_line() -> None:
    value_N = np.arange(10.0)
    for short_N in (np.array([]), np.array([1.0]), np.ones((2, 2))):
        with pytest.raises(ValueError, match="a row of 2 observations or more, found shape"):
            confidence_sequence(short_N)
    with pytest.raises(ValueError, match="finite numbers: 2 of 3 are not"):
        confidence_sequence(np.array([1.0, np.nan, np.inf]))
    for confidence in (0.0, 1.0, 95.0, np.nan):
        with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
            confidence_sequence(value_N, confidence=confidence)
    with pytest.raises(ValueError, match="tightest_at must be 1 or more, found 0"):
        confidence_sequence(value_N, tightest_at=0)
    with pytest.raises(ValueError, match="at_least must be 2 or more, found 1"):
        confidence_sequence(value_N, at_least=1)
    for count in (0, 11):
        with pytest.raises(ValueError, match=f"between 1 and the 10 observations, found {count}"):
            confidence_sequence(value_N).after(count)
