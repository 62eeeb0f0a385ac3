"""Channels against their formula, worked in plain Python on a log of a few plays."""

import math

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_array, csr_matrix

from ritornello import recall
from ritornello.contracts import History
from ritornello.data.knowledge import Knowledge
from ritornello.data.sequence import Sequences, encode, from_events
from ritornello.schema import ONE_DAY_MS, ONE_HOUR_MS, ONE_MINUTE_MS

NOW = 100 * ONE_DAY_MS
# user, minutes before now, track; a session each day.
DAY = 24 * 60
PLAYS = [
    (1, 3 * DAY, 1), (1, 3 * DAY - 4, 2), (1, 3 * DAY - 8, 3), (1, DAY, 1), (1, DAY - 4, 2),
    (2, 2 * DAY, 1), (2, 2 * DAY - 4, 2), (2, DAY, 4),
    (3, 10, 1),
]  # fmt: skip


def unknown_tracks(log: Sequences) -> Knowledge:
    nothing_T = np.zeros(log.num_tracks + 1, np.int32)
    return Knowledge(
        artist_T=nothing_T,
        album_T=nothing_T,
        genre_T=nothing_T,
        appeared_at_T=nothing_T.astype(np.int64),
        given_TV=np.zeros((log.num_tracks + 1, 0), np.float32),
    )


@pytest.fixture(scope="module")
def log() -> Sequences:
    user_E, minutes_E, track_E = np.array(PLAYS).T
    return from_events(
        user_E.astype(np.int32),
        track_E.astype(np.int32),
        NOW - minutes_E * ONE_MINUTE_MS,
        np.full(len(PLAYS), 2, np.int8),
        np.full(len(PLAYS), np.nan, np.float32),
        num_users=3,
        num_tracks=4,
    )


@pytest.fixture(scope="module")
def history(log) -> History:
    return encode(log, np.array([1, 2, 3]), np.full(3, NOW))


def scores(name: str, log: Sequences, history: History, **settings: object) -> np.ndarray:
    given = recall.make(name, settings).fit(log, NOW, unknown_tracks(log)).score(history)
    row_P, track_P = np.divmod(np.arange(len(history) * 5), 5)
    return given.at(row_P, track_P).reshape(len(history), 5)


def test_popular_halves_every_listen_with_its_age(log, history):
    found = scores("popular", log, history, half_life_days=2.0)
    for track in range(1, 5):
        expected = sum(2 ** (-minutes / DAY / 2) for _, minutes, played in PLAYS if played == track)
        assert found[0, track] == pytest.approx(expected, rel=1e-5)


def test_fresh_takes_tracks_whose_first_listen_is_recent(log, history):
    found = scores("fresh", log, history, max_age_days=2.5, half_life_days=2.0)
    assert np.flatnonzero(found[0]).tolist() == [4]


def test_relisten_is_the_mean_activation_over_the_decays(log, history):
    found = scores("relisten", log, history, decays=[0.5, 1.0])
    for user in (1, 2, 3):
        for track in range(1, 5):
            ages = [
                minutes * ONE_MINUTE_MS / ONE_HOUR_MS
                for who, minutes, played in PLAYS
                if (who, played) == (user, track)
            ]
            logs = [math.log(sum(age**-decay for age in ages)) for decay in (0.5, 1.0) if ages]
            expected = math.exp(sum(logs) / 2) if ages else 0.0
            assert found[user - 1, track] == pytest.approx(expected, rel=1e-5)


def test_transitions_count_pairs_within_sessions_by_distance(log, history):
    found = scores("transitions", log, history, lags=2, decay=0.5, max_events=1)
    # After track 1: three times 2 right behind, once 3 at distance 2 (counts 1/2): 3.5 in all. User 3 has just played 1.
    assert found[2].tolist() == pytest.approx([0, 0, 3 / 3.5, 0.5 / 3.5, 0])
    # After track 2: once 3. User 1 has just played 2.
    assert found[0].tolist() == pytest.approx([0, 0, 0, 1, 0])


def test_session_neighbours_vote_with_their_cosine(log, history):
    found = scores("sessions", log, history, k=10, decay=1.0)
    # User 3's session {1} meets {1,2,3}, {1,2}, {1,2} and itself: a session of n tracks votes 1/sqrt(n) for each of them.
    three, two = 1 / math.sqrt(3), 1 / math.sqrt(2)
    assert found[2].tolist() == pytest.approx([0, 1 + 2 * two + three, 2 * two + three, three, 0], rel=1e-5)


def test_item_to_item_is_the_cosine_over_sessions(log, history):
    found = scores("item2item", log, history, shrink=0.0, half_life_days=1e9, max_events=1)
    # Sessions with track 1: four; with 2: three; both: three. With 3: one, together with 1. User 3 has just played 1.
    assert found[2].tolist() == pytest.approx([0, 0, 3 / math.sqrt(4 * 3), 1 / math.sqrt(4 * 1), 0], rel=1e-4)


def test_colisten_is_the_cosine_over_listeners(log, history):
    found = scores("colisten", log, history, shrink=0.0, half_life_days=1e9)
    listens = np.array([[2, 2, 1, 0], [1, 1, 0, 1], [1, 0, 0, 0]])
    weight_UT = np.log1p(listens)
    norm_T = np.linalg.norm(weight_UT, axis=0)
    cosine_TT = weight_UT.T @ weight_UT / np.outer(norm_T, norm_T)
    np.fill_diagonal(cosine_TT, 0)
    np.testing.assert_allclose(found[:, 1:], weight_UT @ cosine_TT, rtol=1e-4)


def test_neighbours_without_own_taste_are_votes_of_others_only(log, history):
    found = scores("neighbours", log, history, own=0.0, vote_half_life_days=1e9)
    # Who is most like user 3 (track 1 only)? Both others vote, for what they have played, in shares that sum to 1.
    share = found[2, 4]
    assert 0 < share < 1
    assert found[2].tolist() == pytest.approx([0, 2 - share, 2 - share, 1 - share, share], rel=1e-4)


def test_factors_solve_a_user_as_training_does(log, history):
    channel = recall.make("factors", {"factors": 3, "regularization": 0.1, "alpha": 2.0}).fit(
        log, NOW, unknown_tracks(log)
    )
    listens = csr_matrix(np.array([[0, 1.0, 0.5, 0, 2.0]], np.float32))
    judge = AlternatingLeastSquares(factors=3, regularization=0.1, alpha=2.0, num_threads=1)
    judge.item_factors, judge.user_factors = channel.track_TD, np.zeros((1, 3), np.float32)
    expected = judge.recalculate_user(np.array([0]), listens)
    np.testing.assert_allclose(channel.solve(csr_array(listens)), np.atleast_2d(expected), rtol=1e-3, atol=1e-4)
