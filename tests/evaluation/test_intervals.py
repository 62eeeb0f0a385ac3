"""The paired bootstrap: seeded, keeps a user's rows together, covers the truth."""

import numpy as np
import pytest

from ritornello.evaluation.intervals import ratio_of_means

rng = np.random.default_rng(3)
OTHER_R = rng.random(300)
VALUE_R = OTHER_R * 1.2 + rng.normal(0, 0.05, 300)
USER_R = np.arange(300)


def test_the_same_seed_gives_the_same_interval() -> None:
    assert ratio_of_means(VALUE_R, OTHER_R, USER_R, seed=4) == ratio_of_means(VALUE_R, OTHER_R, USER_R, seed=4)
    assert ratio_of_means(VALUE_R, OTHER_R, USER_R, seed=4) != ratio_of_means(VALUE_R, OTHER_R, USER_R, seed=5)


def test_the_interval_holds_the_ratio_and_pairing_makes_it_narrow() -> None:
    paired = ratio_of_means(VALUE_R, OTHER_R, USER_R)
    unpaired = ratio_of_means(VALUE_R, rng.permutation(OTHER_R), USER_R)
    assert paired.low < paired.ratio < paired.high
    assert paired.low < 1.2 < paired.high
    assert paired.high - paired.low < (unpaired.high - unpaired.low) / 3


def test_repeating_every_row_adds_no_certainty() -> None:
    once = ratio_of_means(VALUE_R, OTHER_R, USER_R)
    repeated = ratio_of_means(*(np.tile(array, 4) for array in (VALUE_R, OTHER_R, USER_R)))
    assert repeated.low == pytest.approx(once.low)
    assert repeated.high == pytest.approx(once.high)


def test_a_system_that_scores_nothing_has_no_ratio() -> None:
    with pytest.raises(ValueError, match="scores 0 on every row"):
        ratio_of_means(VALUE_R, np.zeros(300), USER_R)
