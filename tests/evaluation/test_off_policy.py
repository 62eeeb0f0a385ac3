"""Off-policy estimates: a bandit of two contexts and three items whose value under any policy is known."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from ritornello.evaluation.off_policy import Estimate, doubly_robust, inverse_propensity, self_normalised

Array = NDArray[np.float64]
CONTEXT_C = np.array([0.6, 0.4])  # C contexts, I items
LOGGING_CI = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
TARGET_CI = np.array([[0.1, 0.2, 0.7], [0.6, 0.4, 0.0]])
REWARD_CI = np.array([[0.2, 0.5, 0.8], [0.9, 0.3, 0.1]])  # the chance of a reward of 1
VALUE = 0.6 * (0.02 + 0.10 + 0.56) + 0.4 * (0.54 + 0.12)  # 0.672
WRONG_CI = np.array([[0.9, 0.9, 0.1], [0.2, 0.9, 0.9]])
NUM_LOGS, NUM_ROWS = 400, 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Log:
    context_N: NDArray[np.int64]
    item_N: NDArray[np.int64]
    reward_N: Array
    user_N: NDArray[np.int64]

    def weigh(self, estimator: Callable[..., Estimate], *, logging_CI: Array = LOGGING_CI, **more: object) -> Estimate:
        propensity_N, target_N = logging_CI[self.context_N, self.item_N], TARGET_CI[self.context_N, self.item_N]
        return estimator(self.reward_N, propensity_N, target_N=target_N, user_N=self.user_N, **more)

    def correct(self, model_CI: Array, *, logging_CI: Array = LOGGING_CI, clip: float | None = None) -> Estimate:
        predicted_N = model_CI[self.context_N, self.item_N]
        expected_N = (TARGET_CI * model_CI).sum(axis=1)[self.context_N]
        more = {"predicted_N": predicted_N, "expected_N": expected_N, "clip": clip}
        return self.weigh(doubly_robust, logging_CI=logging_CI, **more)


def draw_log(rng: np.random.Generator) -> Log:
    context_N = rng.choice(2, size=NUM_ROWS, p=CONTEXT_C)
    item_N = (rng.random((NUM_ROWS, 1)) > LOGGING_CI.cumsum(axis=1)[context_N]).sum(axis=1)
    reward_N = (rng.random(NUM_ROWS) < REWARD_CI[context_N, item_N]).astype(np.float64)
    return Log(context_N=context_N, item_N=item_N, reward_N=reward_N, user_N=np.arange(NUM_ROWS) // 2)


def every_outcome() -> Log:
    """Return a log that holds each outcome (O) exactly as often as it is to be expected in 1,000 rows."""
    context_O, item_O = np.arange(2).repeat(6), np.tile(np.arange(3).repeat(2), 2)
    reward_O = np.tile([0.0, 1.0], 6)
    chance_O = np.where(reward_O == 1.0, REWARD_CI[context_O, item_O], 1.0 - REWARD_CI[context_O, item_O])
    times_O = np.rint(1000 * CONTEXT_C[context_O] * LOGGING_CI[context_O, item_O] * chance_O).astype(np.int64)
    assert times_O.sum() == 1000
    return Log(
        context_N=context_O.repeat(times_O),
        item_N=item_O.repeat(times_O),
        reward_N=reward_O.repeat(times_O),
        user_N=np.arange(1000),
    )


_rng = np.random.default_rng(5)
LOGS = [draw_log(_rng) for _ in range(NUM_LOGS)]
ESTIMATES: dict[str, Callable[[Log], Estimate]] = {
    "inverse propensity": lambda log: log.weigh(inverse_propensity),
    "self-normalised": lambda log: log.weigh(self_normalised),
    "doubly robust, exact model": lambda log: log.correct(REWARD_CI),
    "doubly robust, wrong model": lambda log: log.correct(WRONG_CI),
    "doubly robust, exact model, wrong propensities": lambda log: log.correct(
        REWARD_CI, logging_CI=np.full((2, 3), 1 / 3)
    ),
}


def values(estimate: Callable[[Log], Estimate]) -> Array:
    return np.array([estimate(log).value for log in LOGS])


@pytest.mark.parametrize("name", [name for name in ESTIMATES if name != "self-normalised"])
def test_over_many_logs_the_mean_estimate_is_the_truth(name: str) -> None:
    value_M = values(ESTIMATES[name])
    assert abs(value_M.mean() - VALUE) < 4.0 * value_M.std() / np.sqrt(NUM_LOGS)


def test_a_log_of_every_outcome_in_its_proportion_gives_the_truth_exactly() -> None:
    log = every_outcome()
    exact = [log.weigh(inverse_propensity), log.weigh(self_normalised), log.correct(REWARD_CI), log.correct(WRONG_CI)]
    assert [estimate.value for estimate in exact] == pytest.approx([VALUE] * 4)
    assert exact[0].mean_weight == pytest.approx(1.0)
    assert exact[0].largest_weight == pytest.approx(7.0)
    assert exact[0].zero_target_share == pytest.approx(0.24)  # 0.4 of the rows, of these 0.6 show the last item


@pytest.mark.parametrize("name", ["inverse propensity", "self-normalised", "doubly robust, exact model"])
def test_the_standard_error_is_the_spread_over_logs(name: str) -> None:
    estimates = [ESTIMATES[name](log) for log in LOGS]
    spread = np.std([estimate.value for estimate in estimates])
    assert np.mean([estimate.standard_error for estimate in estimates]) == pytest.approx(spread, rel=0.15)


def test_an_exact_model_is_worth_a_smaller_error() -> None:
    for log in LOGS[:20]:
        assert log.correct(REWARD_CI).standard_error < log.weigh(inverse_propensity).standard_error


def test_the_self_normalised_value_stays_within_the_rewards_where_inverse_propensity_leaves_them() -> None:
    reward_N, propensity_N, target_N = np.array([1.0, 0.5, 0.5]), np.array([0.01, 0.5, 0.5]), np.ones(3)
    user_N = np.arange(3)
    assert inverse_propensity(reward_N, propensity_N, target_N=target_N, user_N=user_N).value > 1.0
    assert 0.5 <= self_normalised(reward_N, propensity_N, target_N=target_N, user_N=user_N).value <= 1.0
    constant = self_normalised(np.full(3, 0.3), propensity_N, target_N=target_N, user_N=user_N)
    assert (constant.value, constant.standard_error) == pytest.approx((0.3, 0.0))


def test_a_clip_calms_the_estimate_and_moves_it_in_the_known_direction() -> None:
    clipped_M = values(lambda log: log.weigh(inverse_propensity, clip=3.0))
    assert clipped_M.std() < 0.8 * values(ESTIMATES["inverse propensity"]).std()
    # per row: 0.06 rows in context 0 with weight 7 and reward 0.8, 0.04 in context 1 with weight 6 and reward 0.9
    lost = 0.06 * (7 - 3) * 0.8 + 0.04 * (6 - 3) * 0.9
    assert every_outcome().weigh(inverse_propensity, clip=3.0).value == pytest.approx(VALUE - lost)
    assert clipped_M.mean() == pytest.approx(VALUE - lost, abs=4.0 * clipped_M.std() / np.sqrt(NUM_LOGS))


def test_a_clipped_correction_leans_on_the_model() -> None:
    log = every_outcome()
    assert log.correct(REWARD_CI, clip=3.0).value == pytest.approx(VALUE)
    flattering = log.correct(REWARD_CI + 0.1, clip=3.0)
    assert flattering.value == pytest.approx(VALUE + 0.1 * (0.06 * (7 - 3) + 0.04 * (6 - 3)))
    assert flattering.largest_weight == pytest.approx(7.0)
    assert flattering.clipped_share == pytest.approx(0.1)
    assert flattering.effective_sample_size > log.weigh(inverse_propensity).effective_sample_size


def test_a_clip_above_every_weight_changes_nothing() -> None:
    for estimator in (inverse_propensity, self_normalised):
        assert LOGS[0].weigh(estimator, clip=7.1) == LOGS[0].weigh(estimator)


def test_repeating_every_row_of_every_user_adds_no_certainty() -> None:
    log = LOGS[0]
    twice = Log(
        context_N=np.tile(log.context_N, 2),
        item_N=np.tile(log.item_N, 2),
        reward_N=np.tile(log.reward_N, 2),
        user_N=np.tile(log.user_N, 2),
    )
    for estimator in (inverse_propensity, self_normalised):
        assert twice.weigh(estimator).standard_error == pytest.approx(log.weigh(estimator).standard_error)
    assert twice.correct(WRONG_CI).standard_error == pytest.approx(log.correct(WRONG_CI).standard_error)


def test_the_logging_policy_itself_earns_the_plain_mean() -> None:
    reward_N, propensity_N = LOGS[0].reward_N, LOGS[0].reward_N * 0.5 + 0.25
    for estimator in (inverse_propensity, self_normalised):
        estimate = estimator(reward_N, propensity_N, target_N=propensity_N, user_N=np.arange(NUM_ROWS))
        assert estimate.value == pytest.approx(reward_N.mean())
        assert estimate.standard_error == pytest.approx(reward_N.std(ddof=1) / np.sqrt(NUM_ROWS))
        assert estimate.effective_sample_size == pytest.approx(NUM_ROWS)


def test_a_target_that_shares_nothing_with_the_log_is_seen() -> None:
    one_N, zero_N, user_N = np.ones(3), np.zeros(3), np.arange(3)
    estimate = inverse_propensity(one_N, one_N, target_N=zero_N, user_N=user_N)
    assert (estimate.effective_sample_size, estimate.mean_weight, estimate.zero_target_share) == (0.0, 0.0, 1.0)
    with pytest.raises(ValueError, match="probability 0 to all 3 rows"):
        self_normalised(one_N, one_N, target_N=zero_N, user_N=user_N)


def test_a_broken_log_is_refused_with_the_number_of_bad_rows() -> None:
    one_N, user_N = np.ones(4), np.arange(4)
    with pytest.raises(ValueError, match=r"propensity_N must lie in \(0, 1\]: 3 of 4 rows"):
        inverse_propensity(one_N, np.array([0.0, 1.1, np.nan, 0.5]), target_N=one_N, user_N=user_N)
    with pytest.raises(ValueError, match=r"target_N must lie in \[0, 1\]: 2 of 4 rows"):
        self_normalised(one_N, one_N, target_N=np.array([-0.1, np.nan, 0.0, 1.0]), user_N=user_N)
    with pytest.raises(ValueError, match="reward_N must be finite: 1 of 4 rows"):
        inverse_propensity(np.array([1.0, np.inf, 0.0, 0.0]), one_N, target_N=one_N, user_N=user_N)
    with pytest.raises(ValueError, match="expected_N must be finite: 4 of 4 rows"):
        doubly_robust(one_N, one_N, predicted_N=one_N, expected_N=np.full(4, np.nan), target_N=one_N, user_N=user_N)
    with pytest.raises(ValueError, match=r"rows of one length, found .*'reward_N': \(3,\)"):
        inverse_propensity(np.ones(3), one_N, target_N=one_N, user_N=user_N)
    for num_rows, num_users in ((0, 0), (4, 1)):
        row_N = np.ones(num_rows)
        with pytest.raises(ValueError, match=f"2 users or more, found {num_users}"):
            inverse_propensity(row_N, row_N, target_N=row_N, user_N=np.ones(num_rows, dtype=np.int64))
    for clip in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="clip must be above 0"):
            inverse_propensity(one_N, one_N, clip=clip, target_N=one_N, user_N=user_N)
