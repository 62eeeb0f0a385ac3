"""Filters: which tracks a search may return, named as the allowed or as the excluded ones.

A filter keeps what is made from it, so one that serves many searches (a country, a scene) is prepared once.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Int32


@dataclass(frozen=True, kw_only=True, eq=False)
class Filter:
    """Tracks, sorted and distinct, that are the only ones allowed, or the ones excluded; see `only` and `without`."""

    track_F: Int32
    is_allowed: bool

    @cached_property
    def bits(self) -> NDArray[np.uint8]:
        """One bit a track, the lowest first, set for the tracks named; tracks past the end are not named."""
        is_named_T = np.zeros(int(self.track_F[-1]) + 1 if len(self.track_F) else 0, np.bool_)
        is_named_T[self.track_F] = True
        return np.packbits(is_named_T, bitorder="little")

    def keeps(self, track_N: Int32) -> Bool:
        """Tell which of some tracks pass."""
        place_N = np.searchsorted(self.track_F, track_N)
        place_N[place_N == len(self.track_F)] = 0
        is_named_N = self.track_F[place_N] == track_N if len(self.track_F) else np.zeros(len(track_N), np.bool_)
        return np.asarray(is_named_N == self.is_allowed)


def only(track_F: NDArray[np.integer]) -> Filter:
    """Allow these tracks and no others."""
    return Filter(track_F=_named(track_F), is_allowed=True)


def without(track_F: NDArray[np.integer]) -> Filter:
    """Allow all tracks but these."""
    return Filter(track_F=_named(track_F), is_allowed=False)


def _named(track_F: NDArray[np.integer]) -> Int32:
    named_F = np.unique(np.asarray(track_F))
    if len(named_F) and not np.issubdtype(named_F.dtype, np.integer):
        raise ValueError(f"a filter holds {named_F.dtype} values: track numbers are integers")
    if len(named_F) and not 0 <= named_F[0] <= named_F[-1] <= np.iinfo(np.int32).max:
        raise ValueError(f"a filter names tracks {named_F[0]} to {named_F[-1]}: track numbers go from 0 to 2**31 - 1")
    return named_F[named_F > 0].astype(np.int32)
