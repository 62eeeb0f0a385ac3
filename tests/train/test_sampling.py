"""Which candidates become examples: stated shares, and weights that make up for them."""

from dataclasses import replace

import numpy as np
import pytest

from ritornello.config import Config, RankConfig, RecallConfig
from ritornello.data.outcomes import OUTCOMES, PLAY
from ritornello.schema import ONE_DAY_MS
from ritornello.train.candidates import HARD_PLACES, Judged, Sampling
from ritornello.train.fit import learn_from

LISTENED, SKIPPED = 3, HARD_PLACES + 7


@pytest.fixture
def judged() -> Judged:
    """One row in which one candidate was listened to and one further down was played and skipped."""
    outcome_BNT = np.full((1, HARD_PLACES + 50, len(OUTCOMES)), np.nan, np.float32)
    outcome_BNT[..., PLAY] = 0.0
    outcome_BNT[0, [LISTENED, SKIPPED], PLAY] = 1.0
    label_BN = np.zeros(outcome_BNT.shape[:2], bool)
    label_BN[0, LISTENED] = True
    return Judged.elsewhere(label_BN, np.concatenate([outcome_BNT, outcome_BNT[..., :1]], axis=2))


def test_shares_go_by_the_place_in_recall_and_by_what_became_of_it(judged):
    share_N = Sampling(negatives=0.4, easy_negatives=0.1, skip_negatives=0.7, seed=1).shares(judged)[0]
    assert share_N[LISTENED] == 1.0
    assert share_N[SKIPPED] == 0.7
    others_N = np.setdiff1d(np.arange(len(share_N)), [LISTENED, SKIPPED])
    np.testing.assert_array_equal(share_N[others_N], np.where(others_N < HARD_PLACES, 0.4, 0.1))


def test_without_a_share_of_their_own_easy_ones_are_kept_as_hard_ones_and_all_skips(judged):
    share_N = Sampling(negatives=0.4, seed=1).shares(judged)[0]
    assert (np.delete(share_N, [LISTENED, SKIPPED]) == 0.4).all()
    assert share_N[SKIPPED] == 1.0


@pytest.mark.parametrize("setting", ["negatives", "easy_negatives", "skip_negatives"])
def test_every_share_changes_what_is_learned_from_and_weights_make_up_for_it(world, monkeypatch, setting):
    monkeypatch.setattr("ritornello.train.candidates.HARD_PLACES", 5)  # a small world has no hundred candidates

    log = world.sequences
    is_skipped_E = (log.at_E > world.now - 14 * ONE_DAY_MS) & (log.track_E % 3 == 0)  # whatever was played there
    skipped = replace(log, play_ratio_E=np.where(is_skipped_E, 0.1, log.play_ratio_E).astype(np.float32))

    def learned(share: float):
        shares = {"negatives": 1.0, "easy_negatives": 1.0, "skip_negatives": 1.0} | {setting: share}
        config = Config(recall=RecallConfig(channels=("popular", "relisten")), rank=RankConfig(cuts=1, **shares))
        [examples] = learn_from(skipped, world.now, config, world.knowledge, tasks=("window",)).examples["window"]
        return examples

    every, some = learned(1.0), learned(0.5)
    assert len(some.label_S) < len(every.label_S)
    assert some.label_S.sum() == every.label_S.sum()
    assert set(np.unique(some.weight_S)) == {1.0, 2.0}
    assert some.weight_S.sum() == pytest.approx(every.weight_S.sum(), rel=0.2)
