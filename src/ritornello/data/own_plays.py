"""What a user's own plays of a track say about its coming back, for the learned channels: how many events and how long ago the
last one was, and how many there were.

The vector of a user lies near all that they play; which of it returns now is a matter of memory. In doublings, so that
windows in training and whole histories in service look alike. B batch, L history length, P (row, track) pairs.
"""

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, History, Int32, Int64
from ritornello.data.tokens import NUM_GAPS, gaps, is_key

NUM_BACK, NUM_COUNTS = 8, 6
OWN_SIZES = (NUM_BACK, NUM_GAPS, NUM_COUNTS)


def describe(back: NDArray[np.integer], at: Int64, request_at: Int64, count: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return the three features of last plays, `back` events before the request (0: the newest one)."""
    parts = (
        np.minimum(np.log2(1.0 + back).astype(np.int64), NUM_BACK - 1),
        gaps(at, request_at),
        np.minimum(np.log2(np.maximum(count, 1)).astype(np.int64), NUM_COUNTS - 1),
    )
    return np.stack(parts, axis=-1).astype(np.uint8)


def of_positions(
    track_BL: Int32, is_key_BL: Bool, at_BL: Int64, request_at_BL: Int64
) -> tuple[NDArray[np.uint8], Bool]:
    """Describe, for every position, each place up to it: features [B, L, L, 3], and which are the last play of their track."""
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
    next_BL, count_BL = np.empty_like(order_BL), np.empty_like(order_BL)
    np.put_along_axis(next_BL, order_BL, later_BL, axis=1)
    np.put_along_axis(count_BL, order_BL, place_L - began_BL + 1, axis=1)
    is_last_BLL = (place_L <= place_L[:, None]) & (next_BL[:, None, :] > place_L[:, None]) & is_key_BL[:, None, :]
    feature_BLLF = describe(
        np.broadcast_to(np.maximum(place_L[:, None] - place_L, 0), is_last_BLL.shape),
        np.broadcast_to(at_BL[:, None, :], is_last_BLL.shape),
        np.broadcast_to(request_at_BL[:, :, None], is_last_BLL.shape),
        np.broadcast_to(count_BL[:, None, :], is_last_BLL.shape),
    )
    return feature_BLLF, is_last_BLL


def of_history(history: History, source: str) -> tuple[NDArray[np.intp], Int32, NDArray[np.uint8]]:
    """Describe each track of each row's history at its moment: row, track and features of every pair, by row and track."""
    row_E, slot_E = np.nonzero(is_key(history, source))
    size = np.int64(history.track_BL.max(initial=0) + 1)
    pair_E = row_E * size + history.track_BL[row_E, slot_E]
    pair_P, first_P, count_P = np.unique(pair_E[::-1], return_index=True, return_counts=True)
    last_P = len(pair_E) - 1 - first_P  # events are in order of time within a row: the first from behind is the last
    row_P = pair_P // size
    slot_P = slot_E[last_P]
    feature_PF = describe(
        history.track_BL.shape[1] - 1 - slot_P, history.at_BL[row_P, slot_P], history.as_of_B[row_P], count_P
    )
    return row_P, (pair_P % size).astype(np.int32), feature_PF
