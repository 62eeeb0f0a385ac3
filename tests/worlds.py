"""Small simulated logs of plays for tests, with text ids, as most scrobble logs have them."""

from pathlib import Path

import numpy as np
import polars as pl

from ritornello.data.sources.simulator.catalogue import build_catalogue
from ritornello.data.sources.simulator.catalogue_tables import write_tables
from ritornello.data.sources.simulator.generate import live_through
from ritornello.data.sources.simulator.log import event_table
from ritornello.data.sources.simulator.world import make_world
from ritornello.schema import ACTION, AT, PLAYED_MS, TIMESTAMP, TRACK_ID, TRACK_MS, USER_ID


def write_world(folder: Path, *, users: int, tracks: int, days: int, seed: int) -> None:
    """Write `events.parquet` (plays alone) and `tracks.parquet`; busy listeners make a dense log."""
    world = make_world("default", ["listening.rate=0.6"], listeners=users, tracks=tracks, days=days, seed=seed)
    catalogue = build_catalogue(world)
    _, rows = live_through(world, catalogue, np.arange(1, users + 1))
    plays = event_table(rows).filter(pl.col(ACTION).cast(pl.String) == "play")
    track_id = pl.format("track-{}", pl.col(TRACK_ID).cast(pl.String).str.zfill(5))
    plays.select(
        pl.format("user-{}", pl.col(USER_ID).cast(pl.String).str.zfill(4)).alias(USER_ID),
        pl.col(AT).alias(TIMESTAMP),
        track_id.alias(TRACK_ID),
        PLAYED_MS,
        TRACK_MS,
    ).write_parquet(folder / "events.parquet")
    write_tables(catalogue, folder / "tables", seed=seed, start_ms=world.start_ms)
    pl.read_parquet(folder / "tables" / "tracks.parquet").with_columns(track_id).write_parquet(
        folder / "tracks.parquet"
    )
