"""Histories that go on: one more event for everybody, just before the moment of a request."""

from dataclasses import replace

import numpy as np

from ritornello.contracts import History
from ritornello.data.sessions import SESSION_GAP_MS
from ritornello.schema import ONE_MINUTE_MS, Action


def after(history: History, track_B: object, *, action: Action = Action.PLAY, ratio: float = np.nan) -> History:
    """Return what everybody's history is a minute later, when they have done something with a track."""
    at_B = history.as_of_B
    newest_B, session_B = history.at_BL[:, -1], history.session_BL[:, -1]
    session_B = session_B + (at_B - newest_B >= SESSION_GAP_MS)
    size = len(history)

    def wider(array_BL: np.ndarray, new_B: object) -> np.ndarray:
        column_B1 = np.broadcast_to(np.asarray(new_B, array_BL.dtype), (size,))[:, None]
        return np.concatenate([array_BL, column_B1], axis=1)

    return replace(
        history,
        as_of_B=at_B + ONE_MINUTE_MS,
        track_BL=wider(history.track_BL, track_B),
        action_BL=wider(history.action_BL, int(action)),
        at_BL=wider(history.at_BL, at_B),
        play_ratio_BL=wider(history.play_ratio_BL, ratio),
        session_BL=wider(history.session_BL, session_B),
    )
