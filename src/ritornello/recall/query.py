"""Histories as sparse rows: what was listened to, and what was heard.

B batch, L history length, T tracks (with PADDING), E events, P (row, track) pairs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ritornello.contracts import Bool, History, Int32
from ritornello.data.labels import IS_LISTEN_A, is_listen
from ritornello.data.once import once
from ritornello.data.sparse import from_sorted
from ritornello.schema import PADDING


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    """Some events of a history by row and track: which pairs there are, in order, and where each one's events begin."""

    row_P: NDArray[np.intp]
    track_P: Int32
    first_P: NDArray[np.intp]
    row_E: NDArray[np.intp]
    slot_E: NDArray[np.intp]

    def matrix(self, weight_BL: NDArray[np.floating], num_columns: int) -> csr_array:
        """Sum the events' weights, none below 0, into rows of so many columns; what weighs nothing is left out."""
        weight_E = weight_BL[self.row_E, self.slot_E]
        weight_P = np.add.reduceat(weight_E, self.first_P) if len(weight_E) else weight_E
        is_used_P = (self.track_P < num_columns) & (weight_P > 0)
        weight_P = weight_P[is_used_P].astype(np.float32)
        return from_sorted(self.row_P[is_used_P], self.track_P[is_used_P], weight_P, (len(weight_BL), num_columns))


def pairs_of(history: History, is_used_BL: Bool) -> Pairs:
    """Sort events by row and track."""
    row_E, slot_E = np.nonzero(is_used_BL)
    track_E = history.track_BL[row_E, slot_E]
    key_E = (row_E.astype(np.int64) << 32) | track_E
    order_E = np.argsort(key_E, kind="stable")
    is_first_E = np.diff(key_E[order_E], prepend=-1) > 0
    first_P = np.flatnonzero(is_first_E)
    row_E, slot_E = row_E[order_E], slot_E[order_E]
    track_P = track_E[order_E[first_P]]
    return Pairs(row_P=row_E[first_P], track_P=track_P, first_P=first_P, row_E=row_E, slot_E=slot_E)


@once
def listened(history: History) -> Bool:
    """Tell which slots of a history [B, L] hold a listen."""
    return np.asarray((history.track_BL != PADDING) & is_listen(history.action_BL, history.play_ratio_BL))


@once
def listens(history: History) -> Pairs:
    """Return which tracks each row has listened to, and when."""
    return pairs_of(history, listened(history))


@once
def plays(history: History) -> Pairs:
    """Return which tracks each row has heard, to the end or not, and when."""
    return pairs_of(history, IS_LISTEN_A[history.action_BL] & (history.track_BL != PADDING))


def query(history: History, weight_BL: NDArray[np.floating], num_tracks: int) -> csr_array:
    """Sum each row's listens into one sparse row; tracks that came after the model was fitted are left out."""
    return listens(history).matrix(weight_BL, num_tracks + 1)


def newest(history: History, max_events: int, *, decay: float) -> NDArray[np.float64]:
    """Weigh slots [B, L]: 1 the newest, each older one `decay` of the next, nothing beyond `max_events`."""
    back_L = np.arange(history.track_BL.shape[1])[::-1]
    weight_L = np.where(back_L < max_events, decay**back_L, 0.0)
    return np.broadcast_to(weight_L, history.track_BL.shape)


def num_listened(history: History, num_tracks: int) -> NDArray[np.int64]:
    """Return how many of the model's tracks each row has listened to."""
    pairs = listens(history)
    return np.bincount(pairs.row_P[pairs.track_P <= num_tracks], minlength=len(history))


def heard(history: History, num_columns: int) -> csr_array:
    """Count how often each row has heard a track, finished or not, in a matrix of `num_columns`."""
    return plays(history).matrix(np.ones(history.track_BL.shape), num_columns)
