"""The cascade of multipath: trees are asked about the best by the network alone, the others keep their order below."""

from dataclasses import replace

import numpy as np
import pytest

from ritornello.contracts import History, RankBatch, Spaces
from ritornello.rank.multipath import Multipath, MultipathConfig, above
from ritornello.schema import PADDING

NUM_CANDIDATES = 12


class Counting:
    """Trees that score by the second feature, and keep how many they were asked about."""

    boosters = (None, None)

    def __init__(self) -> None:
        self.asked = 0

    def score(self, batch: RankBatch) -> np.ndarray:
        self.asked = batch.track_BN.shape[1]
        return np.where(batch.track_BN != PADDING, 2 * batch.feature_BNF[:, :, 1], -np.inf).astype(np.float32)


class FirstFeature(Multipath):
    """A network whose order is the first feature."""

    def logits(self, batch, behaviour=None):
        return batch.feature_BNF[:, :, :1]


def ranker(cascade: int) -> FirstFeature:
    made = FirstFeature(MultipathConfig(cascade=cascade))
    made.trees = Counting()
    made.spread = 0.5
    return made


@pytest.fixture
def batch() -> RankBatch:
    """Return three requests: one full, one with fewer candidates than are asked about, one with none."""
    rng = np.random.default_rng(0)
    track_BN = np.stack([rng.permutation(50)[:NUM_CANDIDATES] + 1 for _ in range(3)]).astype(np.int32)
    track_BN[1, 3:], track_BN[2] = PADDING, PADDING
    nothing_BL = np.zeros((3, 1), np.int32)
    history = History(
        user_B=np.arange(3, dtype=np.int32),
        as_of_B=np.ones(3, np.int64),
        track_BL=nothing_BL,
        action_BL=nothing_BL.astype(np.int8),
        at_BL=nothing_BL.astype(np.int64),
        play_ratio_BL=nothing_BL.astype(np.float32),
        session_BL=nothing_BL - 1,
    )
    return RankBatch(
        track_BN=track_BN,
        feature_BNF=rng.normal(size=(3, NUM_CANDIDATES, 2)).astype(np.float32),
        feature_names=("first", "second"),
        history=history,
        spaces=Spaces(),
    )


@pytest.mark.parametrize("cascade", [NUM_CANDIDATES, NUM_CANDIDATES + 1, 0])
def test_a_cascade_of_all_candidates_is_the_full_pass(batch, cascade):
    full_BN = np.where(
        batch.track_BN != PADDING, batch.feature_BNF[:, :, 0] / 0.5 + batch.feature_BNF[:, :, 1], -np.inf
    )
    np.testing.assert_allclose(ranker(cascade).score(batch), full_BN, rtol=1e-6)


def test_trees_are_asked_about_the_best_alone_and_the_best_have_the_scores_of_the_full_pass(batch):
    cascaded, full_BN = ranker(5), ranker(0).score(batch)
    score_BN = cascaded.score(batch)
    assert cascaded.trees.asked == 5
    best_C = np.argsort(-batch.feature_BNF[0, :, 0])[:5]
    np.testing.assert_array_equal(score_BN[0, best_C], full_BN[0, best_C])
    assert set(np.argsort(-score_BN[0])[:5]) == set(best_C)


def test_the_rest_keeps_its_order_below_the_best(batch):
    order = np.argsort(-batch.feature_BNF[0, :, 0])
    score_N = ranker(5).score(batch)[0, order]
    assert score_N[5:].max() < score_N[:5].min()
    assert (np.diff(score_N[5:]) < 0).all()


def test_padding_stays_below_everything_and_short_rows_are_ranked_in_full(batch):
    score_BN = ranker(5).score(batch)
    np.testing.assert_array_equal(np.isneginf(score_BN), batch.track_BN == PADDING)
    np.testing.assert_array_equal(score_BN[1], ranker(0).score(batch)[1])


def test_the_order_of_candidates_does_not_matter(batch):
    order = np.random.default_rng(1).permutation(NUM_CANDIDATES)
    shuffled = replace(batch, track_BN=batch.track_BN[:, order], feature_BNF=batch.feature_BNF[:, order])
    np.testing.assert_array_equal(ranker(5).score(shuffled), ranker(5).score(batch)[:, order])


def test_places_worked_by_hand():
    first_BN = np.array([[3.0, 1.0, 2.0, -np.inf, 0.0]], np.float32)
    found_BN = above(first_BN, np.array([[0, 2]]), np.array([[5.0, 7.0]], np.float32))
    # the worst of the best has 5; the others lie as far below it as below the first of all, which had 3
    assert found_BN[0].tolist() == pytest.approx([5.0, 5.0 - 0.001 - 2.0, 7.0, -np.inf, 5.0 - 0.001 - 3.0])
