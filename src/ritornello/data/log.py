"""The log of a workspace as one stream: every part in one type, then as records with codes for identifiers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ritornello.artifacts import Workspace
from ritornello.contracts import Float32
from ritornello.data import ids, labels
from ritornello.data.coding import IdCoder
from ritornello.data.parts import PART_FILE, impressions_in, parts_of, rows_in
from ritornello.data.shards import EventBatch
from ritornello.schema import ACTION, AT, PLAYED_MS, TRACK_ID, TRACK_MS, USER_ID, Action

BATCH_EVENTS = 500_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Log:
    """What listeners did, oldest ingest first, and the types that identifiers are read in.

    Impressions are left out and counted: they are what a service did, and no part of a listener's behaviour.
    """

    events: pl.LazyFrame
    num_events: int
    num_impressions: int
    user_type: pl.DataType
    track_type: pl.DataType


def read_log(workspace: Workspace) -> Log:
    """Open all parts of the log.

    Raises:
        ValueError: when there are no events, or a part is damaged.
    """
    parts = parts_of(workspace.events)
    num_rows = sum(rows_in(part) for part in parts)
    if num_rows == 0:
        raise ValueError(f"{workspace.root} has no events: run `ritornello ingest {workspace.root} FILE` first")
    num_impressions = sum(impressions_in(part) for part in parts)
    if num_impressions == num_rows:
        raise ValueError(
            f"{workspace.root} has {num_rows:,} impressions and nothing else: no one has listened to anything"
        )
    scans = [pl.scan_parquet(part / PART_FILE, glob=False) for part in parts]
    schemas = [pl.read_parquet_schema(part / PART_FILE) for part in parts]
    tables = [pl.read_parquet_schema(part / PART_FILE) for part in parts_of(workspace.catalogue / "tracks")]
    user_type = ids.common_type([schema[USER_ID] for schema in schemas])
    track_type = ids.common_type([schema[TRACK_ID] for schema in [*schemas, *tables]])
    columns = (
        ids.as_text(pl.col(USER_ID), user_type),
        ids.as_text(pl.col(TRACK_ID), track_type),
        *(pl.col(name) for name in (AT, ACTION, PLAYED_MS, TRACK_MS)),
    )
    events = pl.concat([scan.select(columns) for scan in scans]).filter(pl.col(ACTION) != Action.IMPRESSION)
    return Log(
        events=events,
        num_events=num_rows - num_impressions,
        num_impressions=num_impressions,
        user_type=user_type,
        track_type=track_type,
    )


def coded_batches(log: Log, users: IdCoder, tracks: IdCoder, track_ms_C: NDArray[np.float64]) -> Iterator[EventBatch]:
    """Stream the log in ingest order with codes for identifiers; `track_ms_C` has the lengths the catalogue knows."""
    known_ms_C = np.r_[track_ms_C, np.nan]
    with ThreadPoolExecutor(max_workers=1) as beside:  # looking words up takes most of the time, and two cores share it
        for batch in log.events.collect_batches(chunk_size=BATCH_EVENTS, maintain_order=True, engine="streaming"):
            at_E = batch[AT].to_numpy()
            coded_tracks = beside.submit(tracks.encode, batch[TRACK_ID], at_E)
            user_E = users.encode(batch[USER_ID], at_E)
            track_E = coded_tracks.result()
            yield EventBatch(
                user_E=user_E,
                track_E=track_E,
                at_E=at_E,
                action_E=batch[ACTION].to_numpy(),
                play_ratio_E=listened_share(batch, known_ms_C[np.minimum(track_E, len(track_ms_C))]),
            )


def listened_share(batch: pl.DataFrame, catalogue_ms_E: NDArray[np.float64]) -> Float32:
    """Return each event's listened share, by its own track length, else by the catalogue's."""
    own_ms_E = as_floats(batch[TRACK_MS])
    return labels.play_ratio(as_floats(batch[PLAYED_MS]), np.where(own_ms_E > 0, own_ms_E, catalogue_ms_E))


def as_floats(numbers: pl.Series) -> NDArray[np.float64]:
    """Return numbers with NaN for the unknown ones."""
    return numbers.cast(pl.Float64).fill_null(np.nan).to_numpy()
