"""Features equal a plain Python reading of the history; trees and regression know what their settings say."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ritornello.contracts import Candidates, History, Spaces
from ritornello.data.features import TrackStats, build, fit_track_stats, in_scene
from ritornello.data.sequence import encode, from_events
from ritornello.rank.trees import spread_inside
from ritornello.schema import ONE_DAY_MS, ONE_HOUR_MS

NOW = 200 * ONE_DAY_MS
TRACKS = 4
EVENTS = st.lists(
    st.tuples(
        st.integers(1, 3),  # user
        st.integers(1, 100).map(lambda days: NOW - days * ONE_DAY_MS),
        st.integers(1, TRACKS),
        st.sampled_from([2, 2, 2, 3, 5]),  # plays, a like, a dislike
        st.sampled_from([math.nan, 0.1, 0.5, 1.0]),
    ),
    min_size=1,
    max_size=30,
)


def sequences_of(rows):
    user_E, at_E, track_E, action_E, ratio_E = zip(*rows, strict=True)
    return from_events(
        np.array(user_E, np.int32),
        np.array(track_E, np.int32),
        np.array(at_E, np.int64),
        np.array(action_E, np.int8),
        np.array(ratio_E, np.float32),
        num_users=3,
        num_tracks=TRACKS,
    )


def all_tracks(num_rows: int) -> Candidates:
    """Return every track as a candidate of one channel, one slot of padding behind."""
    track_BN = np.tile(np.r_[np.arange(1, TRACKS + 1), 0].astype(np.int32), (num_rows, 1))
    score_BN = np.where(track_BN > 0, 1.0 / (1 + track_BN), -np.inf).astype(np.float32)
    return Candidates(
        channels=("given",),
        track_BN=track_BN,
        score_BN=score_BN,
        channel_score_BNC=np.where(track_BN > 0, score_BN, 0)[:, :, None],
        channel_rank_BNC=track_BN[:, :, None],
    )


def plain_stats() -> TrackStats:
    artist_T = np.array([0, 1, 1, 2, 0], np.int32)
    return TrackStats(names=(), value_TF=np.zeros((TRACKS + 1, 0), np.float32), artist_T=artist_T, clock=True)


def is_listen(action: int, ratio: float) -> bool:
    return action == 3 or (action == 2 and not ratio < 0.4)


def described(history: History, stats: TrackStats) -> list[list[dict[str, float]]]:
    """Return features by name, row and candidate."""
    batch = build(history, all_tracks(len(history)), stats, Spaces())
    assert np.isnan(batch.feature_BNF[:, -1]).all(), "padding is described by nothing"
    return [
        [dict(zip(batch.feature_names, feature_F.tolist(), strict=True)) for feature_F in feature_NF[:-1]]
        for feature_NF in batch.feature_BNF
    ]


@given(rows=EVENTS)
def test_what_a_user_did_with_a_track_and_its_artist(rows):
    users, stats = np.array([1, 2, 3]), plain_stats()
    history = encode(sequences_of(rows), users, np.full(3, NOW))
    for user, candidates in zip(users.tolist(), described(history, stats), strict=True):
        mine = [row for row in rows if row[0] == user]
        for track, found in enumerate(candidates, start=1):
            for prefix, key in (("own", lambda row: row[2]), ("artist", lambda row: int(stats.artist_T[row[2]]))):
                wanted = key((0, 0, track))
                same = [row for row in mine if key(row) == wanted != 0]
                ages = [(NOW - row[1]) / ONE_HOUR_MS for row in same if is_listen(row[3], row[4])]
                assert found[f"{prefix}_listens"] == len(ages)
                assert found[f"{prefix}_listens_7d"] == sum(age <= 7 * 24 for age in ages)
                assert found[f"{prefix}_newest_hours"] == (min(ages) if ages else 1e5)
                assert found[f"{prefix}_skips"] == sum(row[4] < 0.4 for row in same)
                assert found[f"{prefix}_finishes"] == sum(row[4] >= 0.9 for row in same)
                assert found[f"{prefix}_sessions"] == len({row[1] for row in same})
                if ages:
                    activation = math.log(sum(age**-0.5 for age in ages))
                    assert math.isclose(found[f"{prefix}_activation_0.5"], activation, rel_tol=1e-5, abs_tol=1e-5)
                else:
                    assert found[f"{prefix}_activation_0.5"] < -20


@given(rows=EVENTS)
def test_what_everybody_did_with_a_track(rows):
    stats = fit_track_stats(sequences_of(rows), NOW, np.zeros(TRACKS + 1, np.int32))
    for track in range(1, TRACKS + 1):
        found = dict(zip(stats.names, stats.value_TF[track].tolist(), strict=True))
        listens = [row for row in rows if row[2] == track and is_listen(row[3], row[4])]
        listeners = {row[0] for row in listens}
        returning = sum(sum(row[0] == user for row in listens) > 1 for user in listeners)
        assert math.isclose(found["track_listens"], math.log1p(len(listens)), rel_tol=1e-6)
        assert math.isclose(found["track_listeners"], math.log1p(len(listeners)), rel_tol=1e-6)
        assert math.isclose(found["track_relisten_rate"], (returning + 1) / (len(listeners) + 5), rel_tol=1e-6)
        decayed = sum(2 ** (-(NOW - row[1]) / ONE_DAY_MS / 14) for row in listens)
        assert math.isclose(found["track_decayed_14d"], math.log1p(decayed), rel_tol=1e-5, abs_tol=1e-6)


def test_the_user_the_moment_and_the_channel():
    rows = [
        (1, NOW - 30 * ONE_DAY_MS, 1, 2, math.nan),
        (1, NOW - 600_000, 1, 2, math.nan),
        (1, NOW - 300_000, 2, 2, math.nan),
    ]
    history = encode(sequences_of(rows), np.array([1, 0]), np.full(2, NOW + 5 * ONE_HOUR_MS // 60))
    somebody, nobody = described(history, plain_stats())
    assert math.isclose(somebody[0]["user_listens"], math.log(4), rel_tol=1e-6)
    assert somebody[0]["user_listens_7d"] == 2
    assert somebody[0]["session_listens"] == 2
    assert somebody[0]["user_sessions"] == np.float32(math.log(3))
    assert somebody[0]["hour"] == 0
    assert somebody[0]["weekday"] == (200 + 4) % 7, "1970-01-01 was a Thursday: Sunday is 0"
    assert (somebody[2]["given_rank"], somebody[2]["given_score"]) == (3, 0.25)
    assert somebody[2]["given_share"] == 0.5
    assert nobody[0]["user_listens"] == nobody[0]["session_listens"] == nobody[0]["user_sessions"] == 0
    assert nobody[0]["own_newest_hours"] == nobody[0]["user_idle_hours"] == np.float32(1e5)


def test_the_spread_of_scores_is_measured_inside_each_request():
    assert spread_inside(np.array([1.0, 3.0, 101.0, 103.0]), np.array([0, 0, 1, 1])) == 1.0


def test_a_scene_is_a_column_of_its_own_and_an_unknown_one_is_none():
    sequences = sequences_of([(1, NOW - ONE_DAY_MS, 1, 2, 1.0)])
    history = encode(sequences, np.array([1, 1, 2], np.int32), np.full(3, NOW))
    plain = build(history, all_tracks(3), plain_stats(), Spaces())
    told = in_scene(plain, np.array([2, 0, 1]), ("home", "radio"))
    assert told.feature_names == (*plain.feature_names, "scene_home", "scene_radio")
    np.testing.assert_array_equal(told.feature_BNF[..., :-2], plain.feature_BNF)
    for row, expected in enumerate([(0, 1), (0, 0), (1, 0)]):
        np.testing.assert_array_equal(told.feature_BNF[row, :TRACKS, -2:], [expected] * TRACKS)
        assert np.isnan(told.feature_BNF[row, TRACKS]).all(), "the padding is described by nothing"
    assert in_scene(plain, np.zeros(3, int), ()).feature_names == plain.feature_names
