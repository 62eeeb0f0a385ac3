"""Snapshot: one bundle with the prepared arrays it fits, ready to be asked by external ids; a request uses exactly one.

Identifiers are looked up by binary search in sorted columns: a million of them need no dictionary of Python objects.
"""

import zlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from ritornello import request
from ritornello.artifacts import Workspace
from ritornello.contracts import Int32
from ritornello.pipeline import Pipeline
from ritornello.schema import ARTIST_NAME, PADDING, TITLE, TRACK_MS
from ritornello.serve.stages import timed
from ritornello.text import TextModel

NEWCOMERS = 2**30  # rows that newcomers are spread over, behind those of the log


class IdRows:
    """Row numbers of identifiers, which come as text."""

    def __init__(self, ids: pl.Series) -> None:
        text = ids.cast(pl.String)
        order_I = text.arg_sort()
        self.sorted_ids = text.gather(order_I)
        self.row_I = (order_I.to_numpy() + 1).astype(np.int32)

    def rows(self, ids: list[str] | pl.Series) -> Int32:
        """Return the row of each identifier, PADDING where it is unknown."""
        if not len(ids) or not len(self.row_I):
            return np.full(len(ids), PADDING, np.int32)
        wanted = ids if isinstance(ids, pl.Series) else pl.Series(ids, dtype=pl.String)
        place_I = np.minimum(self.sorted_ids.search_sorted(wanted).to_numpy(), len(self.row_I) - 1)
        is_known_I = (self.sorted_ids.gather(place_I) == wanted).to_numpy()
        return np.where(is_known_I, self.row_I[place_I], PADDING).astype(np.int32)

    def row(self, one: str) -> int:
        """Return the row of one identifier, PADDING where it is unknown; quicker than a list of one."""
        place = bisect_left(self.sorted_ids, one)
        is_known = place < len(self.row_I) and self.sorted_ids[place] == one
        return int(self.row_I[place]) if is_known else PADDING


class TrackNames(Mapping[int, str]):
    """Readable names by track row, made when they are asked for: artist and title, or the id."""

    def __init__(self, track_ids: pl.Series, tracks: pl.DataFrame) -> None:
        self.track_ids = track_ids
        self.titles = tracks[TITLE].cast(pl.String)
        self.artists = tracks[ARTIST_NAME].cast(pl.String)

    def __getitem__(self, row: int) -> str:
        if not 1 <= row <= len(self):
            raise KeyError(row)
        title = self.titles[row - 1]
        return str(self.track_ids[row - 1]) if title is None else f"{self.artists[row - 1] or '?'} - {title}"

    def __len__(self) -> int:
        return len(self.track_ids)

    def __iter__(self) -> Iterator[int]:
        return iter(range(1, len(self) + 1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """What one version serves: `pipeline` as of now, `untimed` the same without its stages measured, `published` as trained.

    `arranged` are the tracks as they were put in order.
    """

    served: request.Served
    users: IdRows
    tracks: IdRows
    names: TrackNames
    pipeline: Pipeline
    untimed: Pipeline
    published: Pipeline
    arranged: pl.DataFrame

    @property
    def version(self) -> str:
        """Name of the bundle."""
        return self.served.bundle.version

    @property
    def num_tracks(self) -> int:
        """Number of tracks that can be recommended."""
        return len(self.pipeline.stats.value_TF) - 1

    def pipeline_as_of(self, moment: int, at: int) -> Pipeline:
        """Return whom to ask as of a moment: a list that is to stay what it was knows nothing newer than its bundle."""
        return self.pipeline if moment >= at else self.published

    def user_row(self, user_id: str) -> int:
        """Return a user's row; whoever is not in the log has one behind it, the same in every process."""
        num_users = len(self.served.prepared.user_ids)
        return self.users.row(user_id) or num_users + 1 + zlib.crc32(user_id.encode()) % NEWCOMERS

    def track_ms(self, row_E: Int32) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Return the lengths that the catalogue knows, NaN where it does not; PADDING has none."""
        known = self.served.prepared.tracks[TRACK_MS].gather(np.maximum(row_E, 1) - 1).cast(pl.Float64)
        return np.where(row_E == PADDING, np.nan, known.fill_null(np.nan).to_numpy())


def open_snapshot(workspace: Workspace, text_model: TextModel | None = None) -> Snapshot:
    """Load what the workspace serves now.

    Raises:
        ValueError: when it is not prepared, or has no bundle that fits.
    """
    served = request.open_workspace(workspace, text_model)
    prepared = served.prepared
    pipeline = timed(served.bundle.pipeline)
    return Snapshot(
        served=served,
        users=IdRows(prepared.user_ids),
        tracks=IdRows(prepared.track_ids),
        names=TrackNames(prepared.track_ids, prepared.tracks),
        pipeline=pipeline,
        untimed=served.bundle.pipeline,
        published=pipeline,
        arranged=prepared.tracks,
    )
