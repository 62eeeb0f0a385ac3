"""What listeners remember of tracks: how often, how recently, how often skipped, whether they like it.

A fixed number of places per listener; the faintest memory makes room for a new one. B listeners, M places, R rows (some of
the listeners).
"""

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Float32, Int32
from ritornello.data.sources.simulator.randomness import Float64

PLACES = 64
NOBODY = -1
JUST_HEARD_DAYS = 0.1
PULL = np.float32(0.32)
LASTING_DAYS = 15.0  # a memory lasts so long for e - 1 listens
Rows = NDArray[np.intp]


class Memory:
    """The memories of a batch of listeners; days are counted from the start of the world."""

    def __init__(self, num_listeners: int, *, satiation_days: float, annoyance_days: float) -> None:
        shape = (num_listeners, PLACES)
        self.satiation_days = satiation_days
        self.annoyance_days = annoyance_days
        self.track_BM: Int32 = np.full(shape, NOBODY, np.int32)
        self.artist_BM: Int32 = np.full(shape, NOBODY, np.int32)
        self.plays_BM: Float32 = np.zeros(shape, np.float32)
        self.recent_BM: Float32 = np.zeros(shape, np.float32)
        self.skips_BM: Float32 = np.zeros(shape, np.float32)
        self.day_BM: Float32 = np.full(shape, -1e4, np.float32)
        self.bond_BM: Float32 = np.zeros(shape, np.float32)
        self.fades_day_BM: Float32 = np.full(shape, -1e4, np.float32)
        self.is_liked_BM: Bool = np.zeros(shape, bool)

    def find(self, row_R: Rows, track_RN: Int32) -> Rows:
        """Return the place of each row's tracks [R, N], -1 where one is not remembered."""
        is_it_RNM = self.track_BM[row_R][:, None, :] == track_RN[:, :, None]
        index_P, place_P = np.divmod(np.flatnonzero(is_it_RNM), PLACES)
        place_RN = np.full(track_RN.size, NOBODY)
        place_RN[index_P] = place_P
        return place_RN.reshape(track_RN.shape)

    def plays(self, row_R: Rows, place_R: Rows) -> Float32:
        """Return how often each remembered track was listened to; 0 for unknown ones."""
        return np.where(place_R >= 0, self.plays_BM[row_R, place_R], np.float32(0))

    def is_liked(self, row_R: Rows, place_R: Rows) -> Bool:
        """Tell which tracks the listener likes."""
        return (place_R >= 0) & self.is_liked_BM[row_R, place_R]

    def recent(self, row_R: Rows, place_R: Rows, day_R: Float64) -> Float64:
        """Return how often each track was heard lately, fading with the days."""
        faded_R = np.exp2(-(day_R - self.day_BM[row_R, place_R]) / self.satiation_days)
        return np.where(place_R >= 0, self.recent_BM[row_R, place_R] * faded_R, 0.0)

    def is_just_heard(self, row_R: Rows, place_R: Rows, day_R: Float64) -> Bool:
        """Tell which tracks were met within the last hours."""
        is_just_heard_R: Bool = (place_R >= 0) & (day_R - self.day_BM[row_R, place_R] < JUST_HEARD_DAYS)
        return is_just_heard_R

    def annoyance(self, row_R: Rows, artist_R: Int32, day_R: Float64) -> Float64:
        """Return how often each artist's tracks were skipped lately, fading with the days."""
        index_P, place_P = np.divmod(np.flatnonzero(self.artist_BM[row_R] == artist_R[:, None]), PLACES)
        where = (row_R[index_P], place_P)
        faded_P = self.skips_BM[where] * np.exp2(-(day_R[index_P] - self.day_BM[where]) / self.annoyance_days)
        return np.bincount(index_P, weights=faded_P, minlength=len(row_R)).astype(np.float64)

    def pull(self, row_R: Rows, day_R: Float64) -> Float32:
        """Return how strongly each memory [R, M] calls to be heard again: bonds, exposures and their age.

        Use and age weigh alike, as in base-level learning (Anderson and Schooler 1991).
        """
        plays_RM = self.plays_BM[row_R]
        age_RM = np.maximum(day_R[:, None].astype(np.float32) - self.day_BM[row_R], np.float32(0.02))
        pull_RM: Float32 = (plays_RM / age_RM) ** PULL * np.exp(self.bond_BM[row_R])
        return pull_RM

    def recent_all(self, row_R: Rows, day_R: Float64) -> Float32:
        """Return `recent` of every memory [R, M]."""
        age_RM = day_R[:, None].astype(np.float32) - self.day_BM[row_R]
        recent_RM: Float32 = self.recent_BM[row_R] * np.exp2(-age_RM / np.float32(self.satiation_days))
        return recent_RM

    def make_room(self, row_R: Rows, track_R: Int32, artist_R: Int32, place_R: Rows, day_R: Float64) -> Rows:
        """Return the place of each track, for new ones that of the faintest memory, which is overwritten."""
        new_R = np.flatnonzero(place_R < 0)
        if len(new_R) == 0:
            return place_R
        row_N = row_R[new_R]
        faintest_N = self.fades_day_BM[row_N].argmin(axis=1)
        where = (row_N, faintest_N)
        self.track_BM[where] = track_R[new_R]
        self.artist_BM[where] = artist_R[new_R]
        self.day_BM[where] = day_R[new_R]
        for array_BM in (self.plays_BM, self.recent_BM, self.skips_BM, self.bond_BM):
            array_BM[where] = 0.0
        self.is_liked_BM[where] = False
        place_R = place_R.copy()
        place_R[new_R] = faintest_N
        return place_R

    def record(self, row_R: Rows, place_R: Rows, day_R: Float64, *, is_skip_R: Bool, bond_R: Float64) -> None:
        """Remember a play per row: a listen deepens the memory, a skip adds to the annoyance."""
        where = (row_R, place_R)
        age_R = (day_R - self.day_BM[where]).astype(np.float32)
        heard_R = (~is_skip_R).astype(np.float32)
        self.recent_BM[where] = self.recent_BM[where] * np.exp2(-age_R / self.satiation_days) + heard_R
        self.skips_BM[where] = self.skips_BM[where] * np.exp2(-age_R / self.annoyance_days) + (1 - heard_R)
        self.plays_BM[where] += heard_R
        self.bond_BM[where] = bond_R
        self.day_BM[where] = day_R
        self.fades_day_BM[where] = day_R + LASTING_DAYS * (np.log1p(self.plays_BM[where]) + 2 * self.is_liked_BM[where])
