"""Prepare: the workspace's events and catalogue as row numbers and mapped arrays, and as id tables.

Everything is a function of the log alone; a track's length and the numbering never look into an event's future. The log
is streamed three times: once for the numbers, once to spill events by user range, once range by range to sort them.
"""

import json
import logging
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl
from rich.progress import Progress

from ritornello.artifacts import Workspace, remove_leftovers, replace_folder
from ritornello.contracts import Int32, Int64
from ritornello.data import ids
from ritornello.data.log import COUNT, number_all, numbered_batches, read_log
from ritornello.data.sequence import Sequences
from ritornello.data.sequence_writer import SequenceWriter
from ritornello.data.shards import assign_shards, read_shard, sort_events, spill
from ritornello.schema import ARTIST_IDX, FIRST_AT, TRACK_ID, USER_ID, USER_IDX

STATS_FILE, USERS_FILE, TRACKS_FILE = "stats.json", "users.parquet", "tracks.parquet"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class PrepareReport:
    """What was prepared; the same facts lie beside the arrays."""

    events: int
    users: int
    tracks: int
    duplicates: int
    first_at: int
    last_at: int
    play_ratio_known: float
    user_ids_hash: str
    track_ids_hash: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """The prepared workspace: row i of an id table is number i + 1; `artist_T` is 0 where the artist is unknown."""

    sequences: Sequences
    user_ids: pl.Series
    track_ids: pl.Series
    tracks: pl.DataFrame
    artist_T: Int32
    folder: Path


def load_prepared(workspace: Workspace) -> Prepared:
    """Map what `prepare` wrote.

    Raises:
        ValueError: when the workspace is not prepared.
    """
    folder = workspace.prepared
    if not (folder / STATS_FILE).is_file():
        raise ValueError(f"{workspace.root} is not prepared: run `ritornello prepare {workspace.root}` first")
    tracks = pl.read_parquet(folder / TRACKS_FILE)
    return Prepared(
        sequences=Sequences.load(folder),
        user_ids=pl.read_parquet(folder / USERS_FILE)[USER_ID],
        track_ids=tracks[TRACK_ID],
        tracks=tracks,
        artist_T=np.r_[0, tracks[ARTIST_IDX].to_numpy()].astype(np.int32),
        folder=folder,
    )


def prepare(workspace: Workspace, *, progress: Progress | None = None) -> PrepareReport:
    """Number users and tracks and write the mapped arrays; replaces an earlier preparation in one step.

    Raises:
        ValueError: when there are no events.
    """
    with workspace.lock():
        remove_leftovers(workspace.root)
        log = read_log(workspace)
        users, tracks = number_all(log, workspace)
        if users.is_empty():
            raise ValueError(f"{workspace.root} has no events: run `ritornello ingest {workspace.root} FILE` first")
        with replace_folder(workspace.prepared) as fresh:
            users.select(USER_IDX, USER_ID).write_parquet(fresh / USERS_FILE)
            tracks.write_parquet(fresh / TRACKS_FILE)
            writer = write_sequences(log, users, tracks, fresh, progress=progress)
            report = PrepareReport(
                events=writer.num_events,
                users=len(users),
                tracks=len(tracks),
                duplicates=int(users[COUNT].sum()) - writer.num_events,
                first_at=users[FIRST_AT].min(),  # type: ignore[arg-type]  # polars types min() as any literal
                last_at=writer.last_at,
                play_ratio_known=writer.num_known_ratios / writer.num_events,
                user_ids_hash=ids.hash_ids(users[USER_ID]),
                track_ids_hash=ids.hash_ids(tracks[TRACK_ID]),
            )
            (fresh / STATS_FILE).write_text(json.dumps(asdict(report), indent=1))
    logger.info("prepare: %d events, %d users, %d tracks", report.events, report.users, report.tracks)
    return report


def write_sequences(
    log: pl.LazyFrame, users: pl.DataFrame, tracks: pl.DataFrame, folder: Path, *, progress: Progress | None
) -> SequenceWriter:
    """Spill the log by user range and write the sorted arrays range by range."""
    count_U: Int64 = np.r_[0, users[COUNT].to_numpy()].astype(np.int64)
    shard_U = assign_shards(count_U)
    num_shards = int(shard_U[-1]) + 1
    spilled = folder / "spilled"
    spilled.mkdir()
    task = progress.add_task("prepare", total=int(count_U.sum()) + num_shards) if progress else None
    writer = SequenceWriter(folder, num_users=len(users), num_tracks=len(tracks))
    for batch in numbered_batches(log, users, tracks):
        spill(batch, shard_U, spilled)
        if progress and task is not None:
            progress.advance(task, len(batch))
    for shard in range(num_shards):
        writer.append(sort_events(read_shard(spilled, shard)))
        if progress and task is not None:
            progress.advance(task)
    writer.close()
    shutil.rmtree(spilled)
    return writer
