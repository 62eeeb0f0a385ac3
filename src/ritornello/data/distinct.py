"""A history as the capsules read it: the distinct tracks listened to, how strongly, and how long ago.

The order of the events matters only through their age. The same function makes training requests and served ones.
B batch, L distinct tracks of a row, K interests, F features, E events, P (row, track) pairs.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Float32, History, Int32
from ritornello.data.labels import is_listen
from ritornello.data.own_plays import OWN_SIZES, of_history
from ritornello.data.tokens import is_key, requests
from ritornello.schema import ONE_DAY_MS, PADDING

GAP = 1  # the feature of data/own_plays.py that says how long ago the last play was


@dataclass(frozen=True, kw_only=True, slots=True)
class Distinct:
    """Tracks by number, PADDING at the end; `weight_BL` sums to 1 a row, the others are rows of small tables."""

    track_BL: Int32
    weight_BL: Float32
    own_BLF: NDArray[np.uint8]
    request_BF: NDArray[np.uint8]

    @property
    def count_B(self) -> NDArray[np.int64]:
        """Number of distinct tracks."""
        return np.asarray((self.track_BL != PADDING).sum(axis=1), dtype=np.int64)


def distinct(history: History, *, length: int, half_life_days: float, num_tracks: int) -> Distinct:
    """Collapse the listens among the newest `length` events; tracks beyond `num_tracks` are left out."""
    newest = replace(
        history,
        track_BL=np.where(is_used(history, num_tracks), history.track_BL, PADDING)[:, -length:],
        action_BL=history.action_BL[:, -length:],
        at_BL=history.at_BL[:, -length:],
        play_ratio_BL=history.play_ratio_BL[:, -length:],
        session_BL=history.session_BL[:, -length:],
    )
    row_P, track_P, own_PF = of_history(newest, "plays")
    slot_P = np.arange(len(row_P)) - np.searchsorted(row_P, row_P)
    shape = (len(history), int(slot_P.max(initial=0)) + 1)
    track_BL, weight_BL = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    own_BLF = np.zeros((*shape, len(OWN_SIZES)), np.uint8)
    track_BL[row_P, slot_P], own_BLF[row_P, slot_P] = track_P, own_PF
    weight_BL[row_P, slot_P] = strength(newest, half_life_days)
    return Distinct(
        track_BL=track_BL,
        weight_BL=weight_BL / np.maximum(weight_BL.sum(axis=1, keepdims=True), 1e-9),
        own_BLF=own_BLF,
        request_BF=requests(history.at_BL[:, -1:], history.as_of_B[:, None])[:, 0],
    )


def is_used(history: History, num_tracks: int) -> Bool:
    """Tell which events are listens of known tracks."""
    is_listen_BL = is_listen(history.action_BL, history.play_ratio_BL)
    return np.asarray(is_key(history, "plays") & is_listen_BL & (history.track_BL <= num_tracks))


def strength(history: History, half_life_days: float) -> NDArray[np.float64]:
    """Return each pair's sum of plays, by row and track, halved for every half-life between it and the row's newest one."""
    row_E, slot_E = np.nonzero(history.track_BL != PADDING)
    at_E = history.at_BL[row_E, slot_E]
    newest_B = np.zeros(len(history), np.int64)
    np.maximum.at(newest_B, row_E, at_E)
    weight_E = np.exp2((at_E - newest_B[row_E]) / (half_life_days * ONE_DAY_MS))
    pair_E = (row_E.astype(np.int64) << 32) | history.track_BL[row_E, slot_E]
    _, place_E = np.unique(pair_E, return_inverse=True)
    return np.asarray(np.bincount(place_E, weights=weight_E), dtype=np.float64)


def live_interests(count_B: NDArray[np.integer], most: int, *, dynamic: bool) -> Bool:
    """Mark [B, K] the first max(1, min(K, floor(log2(n)))) interests of a user of n distinct tracks, or all K (MIND, eq. 9).

    >>> live_interests(np.array([0, 1, 4, 7, 8, 1000]), 4, dynamic=True).sum(axis=1).tolist()
    [1, 1, 2, 2, 3, 4]
    """
    number_B = np.floor(np.log2(np.maximum(count_B, 1))).astype(np.int64) if dynamic else np.full(len(count_B), most)
    return np.asarray(np.arange(most) < np.clip(number_B, 1, most)[:, None])
