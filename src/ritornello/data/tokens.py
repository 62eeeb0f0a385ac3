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

HALF_LIFE_DAYS = 120.0  # of an event's weight in the average of a history
SKIPPED = -20.0  # halvings: what was turned away from tells nothing of a taste

NUM_ACTIONS = max(Action) + 1
NUM_SHARES = 6  # unknown, and fifths of the track
NUM_GAPS = 24  # none, and doublings of a minute
EVENT_SIZES = (NUM_ACTIONS, NUM_SHARES, NUM_GAPS)
GAP = 2  # the place of the gap among an event's features
REQUEST_SIZES = (NUM_GAPS, 24, 7)
SOURCES = ("plays", "searches", "both")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """What was played, how much it weighs, which events tell about the user, and what happened.

    `strength_BL` is the log2 of an event's weight in an average; `event_BLF` and `request_BLF` are row numbers of small tables.
    """

    track_BL: Int32
    strength_BL: Float32
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
        strength_BL=strengths(history, source)[:, newest],
        is_key_BL=is_key(history, source)[:, newest],
        event_BLF=event_BLF[:, newest].astype(np.uint8),
        request_BLF=requests(history.at_BL, next_BL)[:, newest],
    )


def strengths(history: History, source: str) -> Float32:
    """Return the log2 of each event's weight: halved with age, less with every repeat, next to nothing for a skip.

    A track played n times weighs ln(1 + n) in all. Padding weighs what the oldest event does.
    """
    oldest_B1 = np.where(history.track_BL != PADDING, history.at_BL, history.as_of_B[:, None]).min(
        axis=1, keepdims=True
    )
    days_BL = (np.maximum(history.at_BL, oldest_B1) - history.as_of_B[:, None]) / ONE_DAY_MS
    is_key_BL = is_key(history, source)
    is_skip_BL = (history.action_BL == Action.PLAY) & ~is_listen(history.action_BL, history.play_ratio_BL)
    repeats_BL = np.log2(np.log1p(1.0 / occurrences(history.track_BL, is_key_BL & ~is_skip_BL)) / np.log(2.0))
    strength_BL = days_BL / HALF_LIFE_DAYS + np.where(is_key_BL, np.where(is_skip_BL, SKIPPED, repeats_BL), 0.0)
    return np.asarray(strength_BL, dtype=np.float32)


def occurrences(track_BL: Int32, is_counted_BL: Bool) -> NDArray[np.int64]:
    """Return the how manieth event of its track each one is, of those that count; 1 for the others.

    >>> occurrences(np.array([[4, 7, 4, 4]]), np.array([[True, True, True, False]])).tolist()
    [[1, 1, 2, 1]]
    """
    place_L = np.arange(track_BL.shape[1])
    key_BL = np.where(is_counted_BL, track_BL.astype(np.int64), -1 - place_L)  # what does not count repeats nothing
    order_BL = np.argsort(key_BL, axis=1, kind="stable")
    sorted_BL = np.take_along_axis(key_BL, order_BL, axis=1)
    is_first_BL = np.ones(key_BL.shape, bool)
    is_first_BL[:, 1:] = sorted_BL[:, 1:] != sorted_BL[:, :-1]
    began_BL = np.maximum.accumulate(np.where(is_first_BL, place_L, 0), axis=1)
    count_BL = np.empty(key_BL.shape, np.int64)
    np.put_along_axis(count_BL, order_BL, place_L - began_BL + 1, axis=1)
    return count_BL


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
