"""What follows what, held to a count by hand."""

import numpy as np
from scipy.sparse import csr_array

from ritornello.data.sequence import from_events
from ritornello.data.transitions import LAGS, chances, follow, follows
from ritornello.schema import ONE_MINUTE_MS, Action


def test_chances_are_the_lag_weighted_shares_of_what_followed_within_a_session():
    track_E = np.array([1, 2, 3, 1, 2, 4], np.int32)
    at_E = 1_600_000_000_000 + np.array([0, 1, 2, 100, 101, 102]) * ONE_MINUTE_MS  # two sessions
    log = from_events(
        np.ones(6, np.int32),
        track_E,
        at_E,
        np.full(6, Action.PLAY, np.int8),
        np.ones(6, np.float32),
        num_users=1,
        num_tracks=4,
    )
    found = chances(log, 5, lags=2, keep=10).toarray()
    np.testing.assert_allclose(found[1], [0, 0, 2 / 3, 0.5 / 3, 0.5 / 3], rtol=1e-6)
    np.testing.assert_allclose(found[2], [0, 0, 0, 0.5, 0.5], rtol=1e-6)
    assert not found[3].any()
    assert not found[4].any()
    assert chances(log, 5, lags=2, keep=1).toarray()[1].tolist() == [*found[1].tolist()[:3], 0, 0]


def test_following_is_the_mean_vector_of_what_follows_each_of_the_newest_events():
    track_TD = np.arange(10, dtype=np.float32).reshape(5, 2)
    links_TT = np.zeros((5, 5), np.float32)
    links_TT[1, 2], links_TT[1, 3] = 0.25, 0.75
    found = follow(csr_array(links_TT), track_TD, np.array([[1, 4, 1]]), np.array([[True, True, False]]))
    assert found.shape == (1, LAGS, 2)
    np.testing.assert_allclose(found[0, -3], 0.25 * track_TD[2] + 0.75 * track_TD[3])
    assert not found[0, :-3].any()
    assert not found[0, -2:].any()


def test_what_follows_the_newest_events_is_weighted_and_summed():
    links_TT = np.zeros((5, 5), np.float32)
    links_TT[1, 2], links_TT[1, 3], links_TT[4, 2] = 0.25, 0.75, 0.5
    weight_BJ = np.array([[10.0, 4.0], [10.0, 4.0]], np.float32)
    track_BL, is_key_BL = np.array([[1, 4, 1], [4, 1, 4]]), np.array([[True, True, True], [True, True, False]])
    found = follows(csr_array(links_TT), weight_BJ, track_BL, is_key_BL).toarray()
    np.testing.assert_allclose(found, [[0, 0, 2.5 + 2.0, 7.5, 0], [0, 0, 1.0, 3.0, 0]])
    assert not follows(csr_array(links_TT), weight_BJ, np.zeros((2, 1), np.int32), np.ones((2, 1), bool)).nnz
