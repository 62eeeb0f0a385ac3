"""What a user's own plays of a track say about its coming back, for the learned channels: how many events and how long ago the
last one was, how many there were, and how soon it came the last time after the track that was just played.

The vector of a user lies near all that they play; which of it returns now is a matter of memory. In doublings, so that
windows in training and whole histories in service look alike. B batch, L history length, P (row, track) pairs.
"""

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, History, Int32, Int64
from ritornello.data.tokens import NUM_GAPS, gaps, is_key

NUM_BACK, NUM_COUNTS, LEAD = 8, 6, 5
OWN_SIZES = (NUM_BACK, NUM_GAPS, NUM_COUNTS, LEAD + 1)


def describe(
    back: NDArray[np.integer],
    at: Int64,
    request_at: Int64,
    count: NDArray[np.integer],
    after: NDArray[np.integer],
) -> NDArray[np.uint8]:
    """Return the features of last plays, `back` events before the request (0: the newest one), `after` as `LEAD` counts."""
    parts = (
        np.minimum(np.log2(1.0 + back).astype(np.int64), NUM_BACK - 1),
        gaps(at, request_at),
        np.minimum(np.log2(np.maximum(count, 1)).astype(np.int64), NUM_COUNTS - 1),
        after,
    )
    return np.stack(parts, axis=-1).astype(np.uint8)


def of_positions(
    track_BL: Int32, is_key_BL: Bool, at_BL: Int64, request_at_BL: Int64
) -> tuple[NDArray[np.uint8], Bool]:
    """Describe, for every position, each place up to it: features [B, L, L, 4], and which are the last play of their track."""
    length = track_BL.shape[1]
    place_L = np.arange(length)
    key_BL = np.where(is_key_BL, track_BL.astype(np.int64), -1 - place_L)  # what is no key repeats nothing
    order_BL = np.argsort(key_BL, axis=1, kind="stable")
    sorted_BL = np.take_along_axis(key_BL, order_BL, axis=1)
    is_same_BL = np.concatenate([sorted_BL[:, 1:] == sorted_BL[:, :-1], np.zeros((len(key_BL), 1), bool)], axis=1)
    later_BL = np.where(is_same_BL, np.concatenate([order_BL[:, 1:], order_BL[:, :1]], axis=1), length)
    began_BL = np.maximum.accumulate(
        np.where(np.concatenate([np.zeros((len(key_BL), 1), bool), is_same_BL[:, :-1]], axis=1), 0, place_L), axis=1
    )
    earlier_BL = np.where(began_BL < place_L, np.concatenate([order_BL[:, :1], order_BL[:, :-1]], axis=1), -1)
    next_BL, count_BL, previous_BL = (np.empty_like(order_BL) for _ in range(3))
    np.put_along_axis(next_BL, order_BL, later_BL, axis=1)
    np.put_along_axis(previous_BL, order_BL, earlier_BL, axis=1)
    np.put_along_axis(count_BL, order_BL, place_L - began_BL + 1, axis=1)
    is_last_BLL = (place_L <= place_L[:, None]) & (next_BL[:, None, :] > place_L[:, None]) & is_key_BL[:, None, :]
    feature_BLLF = describe(
        np.broadcast_to(np.maximum(place_L[:, None] - place_L, 0), is_last_BLL.shape),
        np.broadcast_to(at_BL[:, None, :], is_last_BLL.shape),
        np.broadcast_to(request_at_BL[:, :, None], is_last_BLL.shape),
        np.broadcast_to(count_BL[:, None, :], is_last_BLL.shape),
        after_positions(key_BL, previous_BL),
    )
    return feature_BLLF, is_last_BLL


def after_positions(key_BL: Int64, previous_BL: NDArray[np.integer]) -> NDArray[np.int8]:
    """Return for every position how many events after the earlier play of its track each place's track came [B, L, L].

    Up to LEAD; 0 where it did not, or where there is no earlier play.
    """
    place_L = np.arange(key_BL.shape[1])
    after_BLL = np.zeros((*key_BL.shape, key_BL.shape[1]), np.int8)
    for step in range(LEAD, 0, -1):
        there_BL = previous_BL + step
        is_there_BL = (previous_BL >= 0) & (there_BL <= place_L)
        led_BL = np.take_along_axis(key_BL, np.where(is_there_BL, there_BL, 0), axis=1)
        after_BLL[(led_BL[:, :, None] == key_BL[:, None, :]) & is_there_BL[:, :, None]] = step
    return after_BLL


def of_history(history: History, source: str) -> tuple[NDArray[np.intp], Int32, NDArray[np.uint8]]:
    """Describe each track of each row's history at its moment: row, track and features of every pair, by row and track."""
    is_key_BL = is_key(history, source)
    row_E, slot_E = np.nonzero(is_key_BL)
    size = np.int64(history.track_BL.max(initial=0) + 1)
    pair_E = row_E * size + history.track_BL[row_E, slot_E]
    pair_P, first_P, count_P = np.unique(pair_E[::-1], return_index=True, return_counts=True)
    last_P = len(pair_E) - 1 - first_P  # events are in order of time within a row: the first from behind is the last
    row_P = pair_P // size
    slot_P = slot_E[last_P]
    feature_PF = describe(
        history.track_BL.shape[1] - 1 - slot_P,
        history.at_BL[row_P, slot_P],
        history.as_of_B[row_P],
        count_P,
        after_newest(history, is_key_BL, pair_P),
    )
    return row_P, (pair_P % size).astype(np.int32), feature_PF


def after_newest(history: History, is_key_BL: Bool, pair_P: Int64) -> NDArray[np.int8]:
    """Return what `after_positions` says of the newest event, for pairs of row and track in order."""
    length = history.track_BL.shape[1]
    size = np.int64(history.track_BL.max(initial=0) + 1)
    is_earlier_BL = is_key_BL & is_key_BL[:, -1:] & (history.track_BL == history.track_BL[:, -1:])
    is_earlier_BL[:, -1] = False
    row_R = np.flatnonzero(is_earlier_BL.any(axis=1))
    previous_R = length - 1 - is_earlier_BL[row_R, ::-1].argmax(axis=1)
    after_P = np.zeros(len(pair_P), np.int8)
    for step in range(LEAD, 0, -1):
        is_there_R = previous_R + step < length
        its_R, there_R = row_R[is_there_R], previous_R[is_there_R] + step
        is_key_R = is_key_BL[its_R, there_R]
        pair_R = its_R[is_key_R] * size + history.track_BL[its_R[is_key_R], there_R[is_key_R]]
        after_P[np.searchsorted(pair_P, pair_R)] = step
    return after_P
