"""What became of plays: links of the chain on sequences made by hand."""

import numpy as np
import pytest

from ritornello.data.outcomes import OUTCOMES, merge_outcomes, outcomes_of_plays, plays_acted_on
from ritornello.data.sequence import Sequences, from_events
from ritornello.schema import ONE_HOUR_MS, ONE_MINUTE_MS, Action

NAN = np.nan
START = 50 * 24 * ONE_HOUR_MS


def sequences_of(*rows: tuple[int, int, int, int, float]) -> Sequences:
    """Return a log of (user, minute, track, action, listened share)."""
    user_E, minute_E, track_E, action_E, ratio_E = (np.array(column) for column in zip(*rows, strict=True))
    return from_events(
        user_E.astype(np.int32),
        track_E.astype(np.int32),
        START + minute_E.astype(np.int64) * ONE_MINUTE_MS,
        action_E.astype(np.int8),
        ratio_E.astype(np.float32),
        num_users=3,
        num_tracks=9,
    )


ACTED = sequences_of(
    (1, 0, 5, Action.PLAY, 1.0),  # 0
    (1, 4, 6, Action.PLAY, 0.2),  # 1
    (1, 5, 5, Action.LIKE, NAN),  # 2: of the play at 0
    (1, 6, 5, Action.PLAY, 0.5),  # 3
    (1, 7, 5, Action.PLAYLIST_ADD, NAN),  # 4: of the play at 6
    (1, 8, 7, Action.LIKE, NAN),  # 5: of no play
    (1, 90, 6, Action.LIKE, NAN),  # 6: of a play, but in another session
    (2, 7, 5, Action.LIKE, NAN),  # 7: of another's play
    (2, 8, 5, Action.PLAY, NAN),  # 8
)


def test_an_act_belongs_to_the_latest_play_of_its_track_in_its_session():
    assert plays_acted_on(ACTED).tolist() == [0, 1, 0, 3, 3, -1, -1, -1, 8]


def test_the_outcomes_of_every_play():
    play, finish, like, add, skip, share = outcomes_of_plays(ACTED).T.tolist()
    assert play == pytest.approx([1, 1, NAN, 1, NAN, NAN, NAN, NAN, 1], nan_ok=True)
    assert finish == pytest.approx([1, 0, NAN, 0, NAN, NAN, NAN, NAN, NAN], nan_ok=True)
    assert like == pytest.approx([1, 0, NAN, 0, NAN, NAN, NAN, NAN, 0], nan_ok=True)
    assert add == pytest.approx([0, 0, NAN, 1, NAN, NAN, NAN, NAN, 0], nan_ok=True)
    assert skip == pytest.approx([0, 1, NAN, 0, NAN, NAN, NAN, NAN, NAN], nan_ok=True)
    assert share == pytest.approx([1, 0.2, NAN, 0.5, NAN, NAN, NAN, NAN, NAN], nan_ok=True)


def test_a_log_without_likes_says_nothing_of_likes():
    outcome_ET = outcomes_of_plays(sequences_of((1, 0, 5, Action.PLAY, 1.0), (1, 1, 5, Action.PLAYLIST_ADD, NAN)))
    assert np.isnan(outcome_ET[:, OUTCOMES.index("like")]).all()
    assert outcome_ET[0, OUTCOMES.index("add")] == 1


def test_several_plays_of_a_track_count_by_the_best_and_a_skip_only_if_all_were():
    outcome_ET = np.array(
        [  # play, finish, like, add, skip, share
            [1, 0, 0, NAN, 1, 0.1],
            [1, 1, NAN, NAN, 0, 0.9],
            [1, 0, 1, NAN, 1, 0.3],
            [1, 0, 0, NAN, 1, 0.2],
            [NAN, NAN, NAN, NAN, NAN, NAN],
        ],
        np.float32,
    )
    merged = merge_outcomes(outcome_ET, np.array([0, 0, 2, 2, 3]), 4)
    expected = [[1, 1, 0, NAN, 0, 0.9], [NAN] * 6, [1, 0, 1, NAN, 1, 0.3], [NAN] * 6]
    np.testing.assert_allclose(merged, expected, rtol=1e-6)
