"""Histories as sparse rows."""

from dataclasses import replace

import numpy as np
import pytest

from ritornello.contracts import History
from ritornello.recall.query import heard, listened, num_listened, query


@pytest.fixture
def history() -> History:
    """A skip, a finished play, a play of unknown length, a dislike, a like; two slots of padding before them."""
    return History(
        user_B=np.array([1], np.int32),
        as_of_B=np.array([10]),
        track_BL=np.array([[0, 0, 1, 2, 3, 4, 5]], np.int32),
        action_BL=np.array([[0, 0, 2, 2, 2, 5, 3]], np.int8),
        at_BL=np.array([[0, 0, 1, 2, 3, 4, 5]]),
        play_ratio_BL=np.array([[np.nan, np.nan, 0.1, 1.0, np.nan, np.nan, np.nan]], np.float32),
        session_BL=np.array([[-1, -1, 0, 0, 0, 0, 0]], np.int32),
    )


def test_a_skip_is_heard_but_is_no_listen_and_a_dislike_is_neither(history):
    assert history.track_BL[listened(history)].tolist() == [2, 3, 5]
    assert heard(history, 6).toarray().tolist() == [[0, 1, 1, 1, 0, 1]]


def test_a_query_leaves_out_what_the_model_does_not_know(history):
    weight_BL = np.arange(7.0)[None]
    assert query(history, weight_BL, 4).toarray().tolist() == [[0, 0, 3, 4, 0]]
    assert heard(history, 3).toarray().tolist() == [[0, 1, 1]]


def test_a_query_sums_the_weights_of_each_tracks_listens(history):
    again = replace(history, track_BL=np.array([[0, 0, 5, 2, 2, 4, 5]], np.int32))
    assert query(again, np.arange(7.0)[None], 5).toarray().tolist() == [[0, 0, 3 + 4, 0, 0, 6]]
    assert num_listened(again, 5).tolist() == [2]
    assert num_listened(again, 4).tolist() == [1]
    assert heard(again, 6).toarray().tolist() == [[0, 0, 2, 0, 0, 2]]


def test_what_weighs_nothing_is_left_out_and_nobody_at_all_is_answered(history):
    assert query(history, np.array([[0, 0, 1, 0, 2, 1, 0.0]]), 5).nnz == 1
    nobody = history.rows(slice(0, 0))
    assert query(nobody, np.zeros((0, 7)), 5).shape == (0, 6)
    assert num_listened(nobody, 5).shape == (0,)
