"""Trees all at once, held to LightGBM's own walks."""

import lightgbm
import numpy as np
import pytest

from ritornello.rank.forest import Forest, below
from ritornello.rank.trees import Trees, TreesConfig

ROWS, FEATURES = 1200, 6


def grown(leaves: int, *, unknown: bool = False, trees: int = 12, seed: int = 0) -> tuple[lightgbm.Booster, np.ndarray]:
    """Return a booster over features of which some are whole numbers, so that many lie on a threshold's edge."""
    rng = np.random.default_rng(seed)
    feature_RF = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
    feature_RF[:, :3] = np.round(2 * feature_RF[:, :3])
    if unknown:
        feature_RF[rng.random(feature_RF.shape) < 0.2] = np.nan
    label_R = np.nan_to_num(feature_RF).sum(axis=1) + np.isnan(feature_RF[:, 4]) * 2.0 + rng.normal(size=ROWS)
    parameters = {"num_leaves": leaves, "min_data_in_leaf": 5, "verbose": -1, "objective": "l2", "seed": seed}
    return lightgbm.train(parameters, lightgbm.Dataset(feature_RF, label_R), trees), feature_RF


@pytest.mark.parametrize("leaves", [2, 8, 9, 17, 64])  # masks of 8, 8, 16, 32 and 64 bits
def test_it_says_what_lightgbm_says(leaves):
    booster, feature_RF = grown(leaves)
    assert max(tree["num_leaves"] for tree in booster.dump_model()["tree_info"]) == leaves
    np.testing.assert_allclose(
        Forest([booster], [1.0])(feature_RF), booster.predict(feature_RF), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("learned", [False, True])
def test_the_unknown_goes_where_lightgbm_sends_it(learned):
    booster, feature_RF = grown(8, unknown=learned)
    feature_RF = feature_RF.copy()
    feature_RF[::3, 1], feature_RF[::5, 4] = np.nan, np.nan
    np.testing.assert_allclose(
        Forest([booster], [1.0])(feature_RF), booster.predict(feature_RF), rtol=1e-12, atol=1e-12
    )


def test_boosters_of_different_sizes_are_weighed_and_added():
    (small, feature_RF), (large, _) = grown(3, trees=5), grown(20, trees=9, seed=1)
    expected_R = 0.5 * small.predict(feature_RF) + 3.0 * large.predict(feature_RF)
    np.testing.assert_allclose(Forest([small, large], [0.5, 3.0])(feature_RF), expected_R, rtol=1e-12, atol=1e-12)


def test_a_tree_that_has_learned_nothing_is_one_leaf():
    feature_RF = np.zeros((50, 2), np.float32)
    booster = lightgbm.train({"verbose": -1, "objective": "l2"}, lightgbm.Dataset(feature_RF, np.full(50, 3.0)), 2)
    assert Forest([booster], [2.0])(feature_RF[:3]).tolist() == pytest.approx([6.0] * 3)
    assert Forest([booster], [2.0])(feature_RF[:0]).shape == (0,)


def test_a_threshold_divides_numbers_of_single_precision_as_before():
    for threshold in (0.1, -0.1, 1.0, 1e300, 1.0000000180025095e-35):
        near = np.float32(min(threshold, 3e38))
        around = np.array([np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))])
        assert ((around > below(threshold)) == (around.astype(np.float64) > threshold)).all()


@pytest.mark.parametrize("leaves", [1, 65])
def test_a_tree_has_at_least_two_leaves_and_no_more_than_a_mask_has_bits(leaves):
    with pytest.raises(ValueError, match=f"num_leaves: found {leaves}; allowed are 2 to 64"):
        Trees(TreesConfig(num_leaves=leaves))
