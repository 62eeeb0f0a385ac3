"""The history encoder equals a plain Python construction, whatever the events."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ritornello.data.sequence import before_plays, encode, from_events
from ritornello.data.sessions import SESSION_GAP_MS
from ritornello.schema import Action

NUM_USERS = 4
MOMENTS = st.integers(0, 5).map(lambda step: step * SESSION_GAP_MS // 2)
EVENTS = st.lists(st.tuples(st.integers(1, NUM_USERS), MOMENTS, st.integers(1, 9)))
REQUESTS = st.lists(st.tuples(st.integers(0, NUM_USERS + 1), MOMENTS), min_size=1)


def plain_history(rows, user, as_of, max_events):
    """List (track, moment, session) of one user, by sorting and counting."""
    mine = sorted(
        ((at, place, track) for place, (who, at, track) in enumerate(rows) if who == user), key=lambda e: e[:2]
    )
    events, session = [], 0
    for index, (at, _, track) in enumerate(mine):
        session += index > 0 and at - mine[index - 1][0] >= SESSION_GAP_MS
        events.append((track, at, session))
    known = [event for event in events if event[1] < as_of]
    return known[-max_events:] if max_events else known


@given(rows=EVENTS, requests=REQUESTS, max_events=st.one_of(st.none(), st.integers(1, 4)))
def test_encode_equals_a_plain_construction(rows, requests, max_events):
    user_E, at_E, track_E = np.array(rows, np.int64).reshape(-1, 3).T
    sequences = from_events(
        user_E.astype(np.int32),
        track_E.astype(np.int32),
        at_E,
        np.full(len(rows), 2, np.int8),
        np.full(len(rows), np.nan, np.float32),
        num_users=NUM_USERS,
        num_tracks=9,
    )
    user_B, as_of_B = np.array(requests, np.int64).T
    history = encode(sequences, user_B, as_of_B, max_events=max_events)
    for row, (user, as_of) in enumerate(requests):
        is_event_L = history.track_BL[row] != 0
        found = zip(
            history.track_BL[row, is_event_L].tolist(),
            history.at_BL[row, is_event_L].tolist(),
            history.session_BL[row, is_event_L].tolist(),
            strict=True,
        )
        expected = plain_history(rows, user, as_of, max_events)
        assert list(found) == expected
        assert is_event_L.tolist() == [False] * (len(is_event_L) - len(expected)) + [True] * len(expected)
        assert (history.session_BL[row, ~is_event_L] == -1).all()
        assert np.isnan(history.play_ratio_BL[row]).all()


def test_a_searched_play_is_predicted_from_before_its_search():
    user_E, track_E = np.array([1, 1, 1, 1, 2, 2], np.int32), np.array([7, 8, 8, 9, 8, 8], np.int32)
    action_E = np.array([Action.PLAY, Action.SEARCH, Action.PLAY, Action.PLAY, Action.SEARCH, Action.PLAY], np.int8)
    at_E, ratio_E = np.arange(6, dtype=np.int64), np.ones(6, np.float32)
    sequences = from_events(user_E, track_E, at_E, action_E, ratio_E, num_users=2, num_tracks=9)
    assert before_plays(sequences, np.array([0, 2, 3, 5])).tolist() == [0, 1, 3, 4]


def test_the_search_of_another_user_or_track_hides_nothing():
    user_E, track_E = np.array([1, 2, 2, 2], np.int32), np.array([8, 8, 7, 8], np.int32)
    action_E = np.array([Action.SEARCH, Action.PLAY, Action.SEARCH, Action.PLAY], np.int8)
    at_E, ratio_E = np.arange(4, dtype=np.int64), np.ones(4, np.float32)
    sequences = from_events(user_E, track_E, at_E, action_E, ratio_E, num_users=2, num_tracks=9)
    assert before_plays(sequences, np.array([1, 3])).tolist() == [1, 3]
