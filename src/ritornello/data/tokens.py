"""A history as the learned channels read it: one token an event, and the moment of the request after each.

The same function makes training windows and served requests. In training every position stands for the request that came with
the next event; what is served is the last position, whose request is the history's own moment. B batch, L length, F features.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Float32, History, Int32, Int64
from ritornello.data.labels import is_listen
from ritornello.schema import ONE_DAY_MS, ONE_HOUR_MS, ONE_MINUTE_MS, PADDING, Action

NUM_ACTIONS = max(Action) + 1
NUM_SHARES = 6  # unknown, and fifths of the track
NUM_GAPS = 24  # none, and doublings of a minute
EVENT_SIZES = (NUM_ACTIONS, NUM_SHARES, NUM_GAPS)
GAP = 2  # the place of the gap among an event's features
REQUEST_SIZES = (NUM_GAPS, 24, 7)
SOURCES = ("plays", "searches", "both")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """When each event was, in days before the request, as a number below 0; which events tell about the user; what happened.

    `event_BLF` and `request_BLF` are row numbers of small tables.
    """

    track_BL: Int32
    day_BL: Float32
    is_key_BL: Bool
    event_BLF: NDArray[np.uint8]
    request_BLF: NDArray[np.uint8]


def tokens(history: History, *, source: str, length: int | None = None) -> Tokens:
    """Read the newest `length` events of a history; times between events are taken before older ones are left out."""
    previous_BL = np.concatenate([np.zeros((len(history), 1), np.int64), history.at_BL[:, :-1]], axis=1)
    next_BL = np.concatenate([history.at_BL[:, 1:], history.as_of_B[:, None]], axis=1)
    event_BLF = np.stack(
        [
            np.where(history.track_BL != PADDING, history.action_BL, 0),
            shares(history.play_ratio_BL),
            gaps(previous_BL, history.at_BL),
        ],
        axis=2,
    )
    newest = slice(None if length is None else -length, None)
    return Tokens(
        track_BL=history.track_BL[:, newest],
        day_BL=days(history)[:, newest],
        is_key_BL=is_key(history, source)[:, newest],
        event_BLF=event_BLF[:, newest].astype(np.uint8),
        request_BLF=requests(history.at_BL, next_BL)[:, newest],
    )


def days(history: History) -> Float32:
    """Return when each event was, in days before the request, below 0; padding lies as far back as the oldest event."""
    oldest_B1 = np.where(history.track_BL != PADDING, history.at_BL, history.as_of_B[:, None]).min(
        axis=1, keepdims=True
    )
    at_BL = np.maximum(history.at_BL, oldest_B1)
    return np.asarray((at_BL - history.as_of_B[:, None]) / ONE_DAY_MS, dtype=np.float32)


def requests(at_BL: Int64, request_at_BL: Int64) -> NDArray[np.uint8]:
    """Describe requests that come at some moment after each event: the time between, the hour, the weekday."""
    parts = (gaps(at_BL, request_at_BL), request_at_BL // ONE_HOUR_MS % 24, (request_at_BL // ONE_DAY_MS + 4) % 7)
    return np.stack(parts, axis=2).astype(np.uint8)


def is_key(history: History, source: str) -> Bool:
    """Tell which events a history is read from: all but searches, searches alone, or both."""
    is_search_BL = history.action_BL == Action.SEARCH
    is_event_BL = history.track_BL != PADDING
    if source == "both":
        return np.asarray(is_event_BL)
    return np.asarray(is_event_BL & (is_search_BL if source == "searches" else ~is_search_BL))


def shares(play_ratio_BL: Float32) -> NDArray[np.int64]:
    """Return the fifth of the track that was listened to, from 1; 0 where it is not known."""
    fifth_BL = np.clip(np.nan_to_num(play_ratio_BL, nan=0.0) * 5, 0, NUM_SHARES - 2).astype(np.int64) + 1
    return np.where(np.isnan(play_ratio_BL), 0, fifth_BL)


def gaps(earlier_BL: Int64, later_BL: Int64) -> NDArray[np.int64]:
    """Return the doublings of a minute between two moments, from 1; 0 where the earlier one is none.

    >>> minute = 60_000
    >>> gaps(np.array([[0, minute, minute]]), np.array([[minute, minute, 5 * minute]])).tolist()
    [[0, 1, 3]]
    """
    minutes_BL = np.maximum(later_BL - earlier_BL, 0) / ONE_MINUTE_MS
    doublings_BL = np.floor(np.log2(1.0 + minutes_BL)).astype(np.int64) + 1
    return np.where(earlier_BL == 0, 0, np.minimum(doublings_BL, NUM_GAPS - 1))


def is_target(history: History) -> Bool:
    """Tell which events are worth predicting: plays that are no skips."""
    is_play_BL = history.action_BL == Action.PLAY
    return np.asarray(is_play_BL & is_listen(history.action_BL, history.play_ratio_BL) & (history.track_BL != PADDING))


def is_own_search(history: History) -> Bool:
    """Tell which events are searches for the very track of the next one: then nobody is left to ask what comes next.

    What is evaluated leaves them out too (see sequence.before_plays).
    """
    next_track_BL = np.concatenate([history.track_BL[:, 1:], np.full((len(history), 1), PADDING, np.int32)], axis=1)
    is_search_BL = history.action_BL == Action.SEARCH
    return np.asarray(is_search_BL & (history.track_BL == next_track_BL) & (history.track_BL != PADDING))
