"""What crosses a stage: frozen structs of arrays, batch first, integer rows, 0 = PADDING.

B batch (one row per request), L history length, N candidates, C channels, F features, K slate length, T tracks, D dimensions,
A attributes, S values of an attribute.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ritornello.schema import ONE_HOUR_MS, PADDING

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]

Only = Literal["any", "heard", "unheard"]
ATTRIBUTES = ("artist", "album", "genre", "language")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, weakref_slot=True)
class History:
    """What a batch of users did before a moment, newest event last, padded on the left.

    A history is equal to itself alone, so that what was read of it can be remembered (see data/once.py).

    `at_BL` is UTC ms (0 in the padding), `session_BL` counts a user's sessions from 0 (-1 in the padding), `play_ratio_BL`
    is the listened share (NaN: unknown). `as_of_B` is the moment itself: every event came
    before it, in time, or in the order of the log where a row is a play of the log.
    """

    user_B: Int32
    as_of_B: Int64
    track_BL: Int32
    action_BL: Int8
    at_BL: Int64
    play_ratio_BL: Float32
    session_BL: Int32

    def __len__(self) -> int:
        return len(self.user_B)

    @property
    def age_BL(self) -> Float32:
        """Age of each event in hours at the moment of the request; 0 in the padding."""
        age_BL = (self.as_of_B[:, None] - self.at_BL) / ONE_HOUR_MS
        return np.where(self.track_BL == PADDING, 0.0, age_BL).astype(np.float32)

    def rows(self, row_R: NDArray[np.intp] | slice) -> "History":
        """Return the history of some rows of the batch."""
        return History(
            user_B=self.user_B[row_R],
            as_of_B=self.as_of_B[row_R],
            track_BL=self.track_BL[row_R],
            action_BL=self.action_BL[row_R],
            at_BL=self.at_BL[row_R],
            play_ratio_BL=self.play_ratio_BL[row_R],
            session_BL=self.session_BL[row_R],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """Tracks proposed per row, best first, PADDING at the end; each channel's score and rank where it proposed the track.

    `channel_rank_BNC` counts from 1, 0 means that the channel did not propose the track.
    """

    channels: tuple[str, ...]
    track_BN: Int32
    score_BN: Float32
    channel_score_BNC: Float32
    channel_rank_BNC: Int32

    def __len__(self) -> int:
        return len(self.track_BN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Spaces:
    """Where tracks lie: unit vectors, zeros where nobody played; attributes are numbered from 1, 0 is unknown."""

    place_TD: Float32 = field(default_factory=lambda: np.zeros((1, 0), np.float32))
    attribute_TA: Int32 = field(default_factory=lambda: np.zeros((1, len(ATTRIBUTES)), np.int32))
    mean_ASD: tuple[Float32, ...] = ()

    def known(self, track_N: Int32) -> Int32:
        """Return the tracks, PADDING in place of those that are newer than the spaces."""
        return np.where(track_N < len(self.place_TD), track_N, PADDING).astype(np.int32)

    def keys(self, track_N: Int32) -> Int32:
        """Return the numbers by which tracks are the same in each space [N, 1 + A]: the track's own, then its attributes."""
        known_N = self.known(track_N)
        return np.concatenate([known_N[..., None], self.attribute_TA[known_N]], axis=-1)

    def places(self, track_N: Int32) -> Float32:
        """Return the places of tracks [N, D]."""
        return np.asarray(self.place_TD[self.known(track_N)], dtype=np.float32)

    def vectors(self, track_N: Int32) -> Float32:
        """Return where tracks lie in every space [N, 1 + A, D]; zeros where nothing is known."""
        known_N = self.known(track_N)
        attribute_NA = self.attribute_TA[known_N]
        means = [mean_SD[attribute_NA[..., place]] for place, mean_SD in enumerate(self.mean_ASD)]
        return np.stack([self.place_TD[known_N], *means], axis=-2)


@dataclass(frozen=True, kw_only=True, slots=True)
class RankBatch:
    """Candidates with their features, as every ranker reads them; `feature_names` gives the meaning of F.

    Rankers that model sequences read the `history` that the features were made from, and where tracks lie.
    """

    track_BN: Int32
    feature_BNF: Float32
    feature_names: tuple[str, ...]
    history: History
    spaces: Spaces


@dataclass(frozen=True, kw_only=True, slots=True)
class Slate:
    """What is shown: K tracks per row, best first, PADDING where there are fewer; `channel_BKC` tells who proposed each.

    A scene may add, for every row: a title and a line about it, a note where the list is not what was asked for ("" where
    it is), and with what probability each slot got its track, as off-policy estimates need it.
    """

    channels: tuple[str, ...]
    track_BK: Int32
    score_BK: Float32
    heard_BK: Bool
    channel_BKC: Bool
    title_B: tuple[str, ...] = ()
    description_B: tuple[str, ...] = ()
    note_B: tuple[str, ...] = ()
    propensity_BK: Float32 | None = None

    def __len__(self) -> int:
        return len(self.track_BK)
