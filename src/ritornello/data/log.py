"""The log of a workspace as a stream: every part in one type, then with row numbers instead of identifiers."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ritornello.artifacts import Workspace
from ritornello.data import ids, labels
from ritornello.data.catalogue import read_catalogue
from ritornello.data.parts import PART_FILE, parts_of
from ritornello.data.shards import EventBatch
from ritornello.schema import (
    ACTION,
    ARTIST_ID,
    ARTIST_IDX,
    AT,
    FIRST_AT,
    PLAYED_MS,
    TRACK_ID,
    TRACK_IDX,
    TRACK_MS,
    USER_ID,
    USER_IDX,
)

COUNT = "count"
BATCH_EVENTS = 500_000


def read_log(workspace: Workspace) -> pl.LazyFrame:
    """Return all events, oldest ingest first, identifiers in one type.

    Raises:
        ValueError: when nothing was ingested.
    """
    parts = [part / PART_FILE for part in parts_of(workspace.events)]
    if not parts:
        raise ValueError(f"{workspace.root} has no events: run `ritornello ingest {workspace.root} FILE` first")
    schemas = [pl.read_parquet_schema(part) for part in parts]
    tables = [pl.read_parquet_schema(part / PART_FILE) for part in parts_of(workspace.catalogue / "tracks")]
    user_type = ids.common_type([schema[USER_ID] for schema in schemas])
    track_type = ids.common_type([schema[TRACK_ID] for schema in [*schemas, *tables]])
    return pl.concat(
        pl.scan_parquet(part, glob=False).select(
            ids.as_text(pl.col(USER_ID), user_type),
            ids.as_text(pl.col(TRACK_ID), track_type),
            AT,
            ACTION,
            PLAYED_MS,
            TRACK_MS,
        )
        for part in parts
    )


def number_all(log: pl.LazyFrame, workspace: Workspace) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the numbered users with their event counts, and the numbered tracks with all that is known of them."""
    first = pl.col(AT).min().alias(FIRST_AT)
    users, heard = pl.collect_all(
        [log.group_by(USER_ID).agg(first, pl.len().alias(COUNT)), log.group_by(TRACK_ID).agg(first)], engine="streaming"
    )
    catalogue = read_catalogue(workspace, heard.schema[TRACK_ID])
    tracks = heard.join(catalogue, on=TRACK_ID, how="full", coalesce=True)
    tracks = ids.number(tracks, TRACK_ID, TRACK_IDX)
    artist_T = ids.number_artists(tracks[ARTIST_ID])
    return ids.number(users, USER_ID, USER_IDX), tracks.with_columns(pl.Series(ARTIST_IDX, artist_T[1:]))


def numbered_batches(log: pl.LazyFrame, users: pl.DataFrame, tracks: pl.DataFrame) -> Iterator[EventBatch]:
    """Stream the log in ingest order with row numbers for identifiers."""
    track_ms_T = np.r_[np.nan, as_floats(tracks[TRACK_MS])]
    numbered = log.join(users.lazy().select(USER_ID, USER_IDX), on=USER_ID, how="left", maintain_order="left").join(
        tracks.lazy().select(TRACK_ID, TRACK_IDX), on=TRACK_ID, how="left", maintain_order="left"
    )
    columns = numbered.select(USER_IDX, TRACK_IDX, AT, ACTION, PLAYED_MS, TRACK_MS)
    for batch in columns.collect_batches(chunk_size=BATCH_EVENTS, maintain_order=True, engine="streaming"):
        track_E = batch[TRACK_IDX].to_numpy()
        track_ms_E = as_floats(batch[TRACK_MS])
        track_ms_E = np.where(np.isnan(track_ms_E), track_ms_T[track_E], track_ms_E)
        yield EventBatch(
            user_E=batch[USER_IDX].to_numpy(),
            track_E=track_E,
            at_E=batch[AT].to_numpy(),
            action_E=batch[ACTION].to_numpy(),
            play_ratio_E=labels.play_ratio(as_floats(batch[PLAYED_MS]), track_ms_E),
        )


def as_floats(numbers: pl.Series) -> NDArray[np.float64]:
    """Return numbers with NaN for the unknown ones."""
    return numbers.cast(pl.Float64).fill_null(np.nan).to_numpy()
