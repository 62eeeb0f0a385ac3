"""Histories as sparse rows."""

import numpy as np
import pytest

from ritornello.contracts import History
from ritornello.recall.query import heard, listened, query


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
