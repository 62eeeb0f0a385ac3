"""Histories that grow while a policy is at work: the log up to a moment, and what has happened since.

Built by the one history encoder. B listeners, W events since, R rows.
"""

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Float32, History, Int8, Int32, Int64
from ritornello.data.labels import play_ratio
from ritornello.data.sequence import Sequences, encode, from_events
from ritornello.schema import PADDING

FIRST_WIDTH = 64


class LoopHistory:
    """Events of a batch of listeners since the end of the log; `user_B` is their row in the log, PADDING for newcomers."""

    def __init__(self, known: Sequences, user_B: Int32) -> None:
        self.known = known
        self.user_B = user_B
        size = len(user_B)
        self.count_B = np.zeros(size, np.int64)
        self.track_BW: Int32 = np.zeros((size, FIRST_WIDTH), np.int32)
        self.at_BW: Int64 = np.zeros((size, FIRST_WIDTH), np.int64)
        self.action_BW: Int8 = np.zeros((size, FIRST_WIDTH), np.int8)
        self.ratio_BW: Float32 = np.full((size, FIRST_WIDTH), np.nan, np.float32)

    def add(  # an event has so many sides
        self,
        row_R: NDArray[np.intp],
        track_R: Int32,
        at_R: Int64,
        action_R: Int8,
        played_ms_R: Int64,
        track_ms_R: Int64,
    ) -> None:
        """Append an event per row; a row may occur several times, in order."""
        order_R = np.argsort(row_R, kind="stable")
        sorted_R = row_R[order_R]
        place_R = np.empty(len(row_R), np.int64)
        place_R[order_R] = np.arange(len(row_R)) - np.searchsorted(sorted_R, sorted_R)
        place_R += self.count_B[row_R]
        while place_R.max(initial=0) >= self.track_BW.shape[1]:
            self._widen()
        played_R = np.where(played_ms_R >= 0, played_ms_R, np.nan)
        self.track_BW[row_R, place_R] = track_R
        self.at_BW[row_R, place_R] = at_R
        self.action_BW[row_R, place_R] = action_R
        self.ratio_BW[row_R, place_R] = play_ratio(played_R, track_ms_R.astype(np.float64))
        np.add.at(self.count_B, row_R, 1)

    def encode(self, row_R: NDArray[np.intp], at_R: Int64, *, is_live: bool) -> History:
        """Return what the rows did before the moments; without the events since the log ended, if it is not live."""
        user_R = self.user_B[row_R]
        start_R, end_R = self.known.start_U[user_R], self.known.start_U[user_R + 1]
        length_R = np.where(user_R == PADDING, 0, end_R - start_R)
        since_R = self.count_B[row_R] if is_live else np.zeros(len(row_R), np.int64)
        old_E = np.repeat(start_R - (np.cumsum(length_R) - length_R), length_R) + np.arange(length_R.sum())
        slot_E = np.arange(since_R.sum()) - np.repeat(np.cumsum(since_R) - since_R, since_R)
        new_E = (np.repeat(row_R, since_R), slot_E)
        number_R = np.arange(1, len(row_R) + 1, dtype=np.int32)
        both = from_events(
            np.concatenate([np.repeat(number_R, length_R), np.repeat(number_R, since_R)]),
            np.concatenate([self.known.track_E[old_E], self.track_BW[new_E]]),
            np.concatenate([self.known.at_E[old_E], self.at_BW[new_E]]),
            np.concatenate([self.known.action_E[old_E], self.action_BW[new_E]]),
            np.concatenate([self.known.play_ratio_E[old_E], self.ratio_BW[new_E]]),
            num_users=len(row_R),
            num_tracks=self.known.num_tracks,
        )
        return encode(both, number_R, at_R)

    def _widen(self) -> None:
        """Make room for twice as many events."""
        self.track_BW = np.concatenate([self.track_BW, np.zeros_like(self.track_BW)], axis=1)
        self.at_BW = np.concatenate([self.at_BW, np.zeros_like(self.at_BW)], axis=1)
        self.action_BW = np.concatenate([self.action_BW, np.zeros_like(self.action_BW)], axis=1)
        self.ratio_BW = np.concatenate([self.ratio_BW, np.full_like(self.ratio_BW, np.nan)], axis=1)
