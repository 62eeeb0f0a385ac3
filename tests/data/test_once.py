"""What is remembered of a history goes with it."""

import gc
from weakref import ref

import numpy as np

from ritornello.contracts import History
from ritornello.data.once import once


def some_history() -> History:
    return History(
        user_B=np.array([1], np.int32),
        as_of_B=np.array([10]),
        track_BL=np.array([[3]], np.int32),
        action_BL=np.array([[2]], np.int8),
        at_BL=np.array([[1]]),
        play_ratio_BL=np.array([[1.0]], np.float32),
        session_BL=np.array([[0]], np.int32),
    )


def test_each_history_is_read_once_and_for_itself():
    asked = []

    @once
    def read(history: History) -> list[int]:
        asked.append(history)
        return history.track_BL[0].tolist()

    first, same = some_history(), some_history()
    assert [read(history) for history in (first, same, first)] == [[3]] * 3
    assert len(asked) == 2


def test_nothing_is_kept_of_a_history_that_is_gone():
    class Answer:
        pass

    read = once(lambda history: Answer())
    history = some_history()
    answer = ref(read(history))
    assert answer() is not None
    del history
    gc.collect()
    assert answer() is None
