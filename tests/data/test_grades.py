"""What plays are worth: grades of a log made by hand."""

import numpy as np
import pytest

from ritornello.data.grades import PASSIVE_WORTH, QUIET_MS, TAKEN, grades_of_plays, is_passive
from ritornello.data.sequence import Sequences, from_events
from ritornello.schema import ONE_HOUR_MS, ONE_MINUTE_MS, Action

NAN = np.nan
START = 50 * 24 * ONE_HOUR_MS
SHORT, LONG, UNKNOWN, TOO_NEW = 1, 2, 3, 9
TRACK_MS = np.array([NAN, 100_000, 600_000, NAN], np.float32)
QUIET = QUIET_MS // ONE_MINUTE_MS


def sequences_of(*rows: tuple[int, int, int, float]) -> Sequences:
    """Return the log of one user, of (minute, track, action, listened share)."""
    minute_E, track_E, action_E, ratio_E = (np.array(column) for column in zip(*rows, strict=True))
    return from_events(
        np.ones(len(rows), np.int32),
        track_E.astype(np.int32),
        START + minute_E.astype(np.int64) * ONE_MINUTE_MS,
        action_E.astype(np.int8),
        ratio_E.astype(np.float32),
        num_users=1,
        num_tracks=TOO_NEW,
    )


def plays(minutes: range, ratio: float = 1.0) -> list[tuple[int, int, int, float]]:
    return [(minute, SHORT, Action.PLAY, ratio) for minute in minutes]


def test_seconds_count_where_a_length_is_known_and_acts_count_in_full():
    log = sequences_of(
        (0, SHORT, Action.PLAY, 0.3),  # 30 seconds: before the chorus
        (1, LONG, Action.PLAY, 0.3),  # three minutes of ten
        (5, LONG, Action.PLAY, 0.1),  # a minute of ten
        (6, UNKNOWN, Action.PLAY, 0.3),
        (7, TOO_NEW, Action.PLAY, 0.6),
        (8, TOO_NEW, Action.PLAYLIST_ADD, NAN),  # of the play before
        (9, SHORT, Action.PLAY, NAN),
        (10, SHORT, Action.SEARCH, NAN),
    )
    expected = [0, 0.75, TAKEN, 0, 1, NAN, 1, NAN]
    assert grades_of_plays(log, TRACK_MS) == pytest.approx(expected, nan_ok=True)


def test_what_runs_on_for_long_is_worth_less_from_its_first_play_on():
    log = sequences_of(*plays(range(0, QUIET + 1, 5)))
    assert is_passive(log).all()
    assert grades_of_plays(log, TRACK_MS) == pytest.approx([PASSIVE_WORTH] * len(log))


@pytest.mark.parametrize(
    "between",
    [
        (QUIET // 2, SHORT, Action.SEARCH, NAN),
        (QUIET // 2, SHORT, Action.LIKE, NAN),
        (QUIET // 2, LONG, Action.PLAY, 0.7),
        (QUIET // 2, LONG, Action.PLAY, NAN),
    ],
)
def test_any_act_ends_a_stretch(between):
    whole = plays(range(0, QUIET + 1, 5))
    assert not is_passive(sequences_of(*whole, between)).any()


def test_a_pause_that_ends_the_session_ends_the_stretch_and_a_like_is_worth_all_of_it():
    whole = plays(range(0, QUIET + 1, 5))
    apart = [(minute + QUIET + 31, *rest) for minute, *rest in whole[:-1]]
    assert is_passive(sequences_of(*whole, *apart)).tolist() == [True] * len(whole) + [False] * len(apart)
    grade_E = grades_of_plays(sequences_of(*whole, (QUIET + 1, SHORT, Action.LIKE, NAN)), TRACK_MS)
    assert grade_E == pytest.approx([PASSIVE_WORTH] * (len(whole) - 1) + [1, NAN], nan_ok=True)
