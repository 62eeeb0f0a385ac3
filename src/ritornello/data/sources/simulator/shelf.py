"""A shelf: tracks in groups, each in the order of release, so that what is out by a moment is a run that can be drawn from.

T tracks, B batch.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Int32, Int64

Float64 = NDArray[np.float64]
MOMENTS = np.int64(1) << 44  # ms since 1970 fit below it until the year 2527


@dataclass(frozen=True, slots=True)
class Shelf:
    """Tracks sorted by group and release. `key_T` is group and release in one number, `cum_T1` sums the weights before,
    `start_G` says where each group begins."""

    track_T: Int32
    key_T: Int64
    cum_T1: Float64
    start_G: NDArray[np.intp]

    @classmethod
    def of(cls, group_T: NDArray[np.integer], released_at_T: Int64, weight_T: Float64, *, groups: int = 0) -> Self:
        """Sort tracks onto a shelf of at least so many groups, any of which may be empty."""
        order_T = np.lexsort((np.arange(len(group_T)), released_at_T, group_T))
        key_T = group_T[order_T].astype(np.int64) * MOMENTS + np.maximum(released_at_T[order_T], 0)
        groups_G = np.arange(max(int(group_T.max(initial=-1)) + 1, groups), dtype=np.int64)
        start_G = np.searchsorted(key_T, groups_G * MOMENTS)
        return cls(order_T.astype(np.int32), key_T, np.r_[0.0, np.cumsum(weight_T[order_T])], start_G)

    def weight(self, group_B: NDArray[np.integer], now_B: Int64, *, since_B: Int64 | int = 0) -> Float64:
        """Return the weight of what each group has released since a moment, up to now."""
        low_B, high_B = self._run(group_B, now_B, since_B)
        return self.cum_T1[high_B] - self.cum_T1[low_B]

    def draw(
        self, group_B: NDArray[np.integer], now_B: Int64, uniform_B: Float64, *, since_B: Int64 | int = 0
    ) -> Int32:
        """Draw a track per row by weight among those out by `now_B`; -1 where the group has none."""
        low_B, high_B = self._run(group_B, now_B, since_B)
        below_B = self.cum_T1[low_B]
        aim_B = below_B + uniform_B * (self.cum_T1[high_B] - below_B)
        place_B = np.searchsorted(self.cum_T1, aim_B, side="right") - 1
        place_B = np.minimum(np.maximum(place_B, low_B), high_B - 1)
        track_B = self.track_T[np.maximum(place_B, 0)]
        return np.where(high_B > low_B, track_B, -1).astype(np.int32)

    def _run(
        self, group_B: NDArray[np.integer], now_B: Int64, since_B: Int64 | int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return where each group's released tracks begin and end."""
        key_B = group_B.astype(np.int64) * MOMENTS
        is_all = isinstance(since_B, int) and since_B == 0
        low_B = self.start_G[group_B] if is_all else np.searchsorted(self.key_T, key_B + since_B, side="left")
        return low_B, np.searchsorted(self.key_T, key_B + now_B, side="right")
