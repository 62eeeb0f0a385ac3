"""The history encoder equals a plain Python construction, whatever the events."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ritornello.data.sequence import encode, from_events
from ritornello.data.sessions import SESSION_GAP_MS

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
