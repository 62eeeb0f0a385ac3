"""What is known of tracks beside who played them: artist, album, genre, release, given vectors, and the knowledge graph.

A track appears when it is first played or, if the catalogue dates its release, when it comes out: whichever is first. Rows are
numbered in that order, so the tracks known at a moment are the first rows, played or not. T tracks (with PADDING),
V dimensions of a given vector.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from ritornello.contracts import Float32, Int32, Int64
from ritornello.data import ids
from ritornello.data.graph import Graph
from ritornello.schema import ALBUM_ID, APPEARED_AT, ARTIST_ID, GENRE, TRACK_MS

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, kw_only=True, slots=True)
class Knowledge:
    """Row t describes track t, 0 = unknown (row 0 is PADDING); `given_TV` is of width 0 where no vectors were given.

    `track_ms_T` holds lengths, NaN where the catalogue does not tell them.
    """

    artist_T: Int32
    album_T: Int32
    genre_T: Int32
    appeared_at_T: Int64
    given_TV: Float32
    graph: Graph = field(default_factory=Graph)
    track_ms_T: Float32 = field(default_factory=lambda: np.full(1, np.nan, np.float32))

    @property
    def num_tracks(self) -> int:
        """Number of track rows, PADDING not counted."""
        return len(self.artist_T) - 1

    def before(self, at: int, *, played: int) -> "Knowledge":
        """Return what is known of the tracks that appeared before `at`, and of the first `played` ones in any case."""
        appeared = int(np.searchsorted(self.appeared_at_T[1:], at))
        size = 1 + min(max(appeared, played), self.num_tracks)
        return replace(
            self,
            artist_T=self.artist_T[:size],
            album_T=self.album_T[:size],
            genre_T=self.genre_T[:size],
            appeared_at_T=self.appeared_at_T[:size],
            given_TV=self.given_TV[:size],
            graph=self.graph.before(at, size - 1),
            track_ms_T=self.track_ms_T[:size],
        )


def of_tracks(tracks: pl.DataFrame) -> Knowledge:
    """Read a table of tracks whose row i is track i + 1; tracks that never appeared come last."""
    return Knowledge(
        artist_T=ids.number_values(tracks[ARTIST_ID]),
        album_T=ids.number_values(tracks[ALBUM_ID]),
        genre_T=ids.number_values(tracks[GENRE]),
        appeared_at_T=np.r_[np.iinfo(np.int64).min, tracks[APPEARED_AT].fill_null(NEVER).to_numpy()].astype(np.int64),
        given_TV=np.zeros((len(tracks) + 1, 0), np.float32),
        track_ms_T=lengths_of(tracks),
    )


def lengths_of(tracks: pl.DataFrame) -> Float32:
    """Return the lengths of tracks in ms, PADDING first; NaN where the table does not tell them."""
    if TRACK_MS not in tracks.columns:
        return np.full(len(tracks) + 1, np.nan, np.float32)
    length_T = tracks[TRACK_MS].cast(pl.Float32).fill_null(np.nan).to_numpy()
    return np.concatenate([np.full(1, np.nan, np.float32), length_T])
