"""Prepare: the workspace's events and catalogue as row numbers and mapped arrays, and as id tables.

Everything is a function of the log alone; a track's length and the numbering never look into an event's future. The log
is read once, with codes for identifiers; the coded events are cut into ranges of users, and sorted range by range.
"""

import json
import logging
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from rich.progress import Progress

from ritornello.artifacts import Workspace, remove_leftovers, replace_folder
from ritornello.contracts import Int64
from ritornello.data import ids, knowledge
from ritornello.data.catalogue import read_catalogue
from ritornello.data.coding import COUNT, IdCoder, rows_of_codes
from ritornello.data.given import stack_given
from ritornello.data.graph import Graph
from ritornello.data.graph_edges import Counts, build_graph
from ritornello.data.impressions import Slates, read_slates
from ritornello.data.knowledge import Knowledge
from ritornello.data.log import Log, as_floats, coded_batches, read_log
from ritornello.data.sequence import Sequences
from ritornello.data.sequence_writer import SequenceWriter
from ritornello.data.shards import assign_shards, read_chunks, read_shard, sort_events, spill, to_records
from ritornello.data.tables import read_tables
from ritornello.schema import (
    APPEARED_AT,
    FIRST_AT,
    RELEASED_AT,
    TRACK_ID,
    TRACK_IDX,
    TRACK_MS,
    USER_ID,
    USER_IDX,
    VECTOR,
)

STATS_FILE, USERS_FILE, TRACKS_FILE = "stats.json", "users.parquet", "tracks.parquet"
CODED_FILE = "coded.bin"
GRAPH, GIVEN_FILE, SLATES_FILE = "graph", "given_TV.npy", "slates.npz"
CODE = "code"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class PrepareReport:
    """What was prepared; the same facts lie beside the arrays."""

    events: int
    users: int
    tracks: int
    impressions: int
    duplicates: int
    first_at: int
    last_at: int
    play_ratio_known: float
    user_ids_hash: str
    track_ids_hash: str
    graph: dict[str, Counts]
    vectors: Counts


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """The prepared workspace: row i of an id table is number i + 1."""

    sequences: Sequences
    user_ids: pl.Series
    track_ids: pl.Series
    tracks: pl.DataFrame
    knowledge: Knowledge
    slates: Slates
    folder: Path


def check_prepared(workspace: Workspace) -> None:
    """Refuse a workspace that is not prepared.

    Raises:
        ValueError: saying how it is.
    """
    if not (workspace.prepared / STATS_FILE).is_file():
        raise ValueError(f"{workspace.root} is not prepared: run `ritornello prepare {workspace.root}` first")


def load_prepared(workspace: Workspace) -> Prepared:
    """Map what `prepare` wrote.

    Raises:
        ValueError: when the workspace is not prepared, or what was prepared is damaged.
    """
    check_prepared(workspace)
    folder = workspace.prepared
    try:
        tracks = pl.read_parquet(folder / TRACKS_FILE)
        user_ids = pl.read_parquet(folder / USERS_FILE)[USER_ID]
        sequences = Sequences.load(folder)
        check_lengths(sequences, len(user_ids), len(tracks))
        known = load_knowledge(folder, tracks)
        slates = Slates.load(folder / SLATES_FILE)
    except (OSError, EOFError, KeyError, ValueError, pl.exceptions.PolarsError) as error:
        cause = str(error).splitlines()[0]
        raise ValueError(f"{folder} is damaged ({cause}): run `ritornello prepare {workspace.root}` again") from error
    return Prepared(
        sequences=sequences,
        user_ids=user_ids,
        track_ids=tracks[TRACK_ID],
        tracks=tracks,
        knowledge=known,
        slates=slates,
        folder=folder,
    )


def load_knowledge(folder: Path, tracks: pl.DataFrame) -> Knowledge:
    """Map what is known of the tracks; what an older version prepared has neither graph nor vectors."""
    known = knowledge.of_tracks(tracks)
    if not (folder / GRAPH).is_dir():
        return known
    given_TV = np.load(folder / GIVEN_FILE, mmap_mode="r")
    return replace(known, given_TV=given_TV, graph=Graph.load(folder / GRAPH))


def check_lengths(sequences: Sequences, num_users: int, num_tracks: int) -> None:
    """Refuse arrays that do not belong together.

    Raises:
        ValueError: naming both lengths.
    """
    num_events = int(sequences.start_U[-1])
    for name in ("track_E", "at_E", "action_E", "play_ratio_E", "session_E"):
        if len(getattr(sequences, name)) != num_events:
            raise ValueError(f"{name} has {len(getattr(sequences, name)):,} values for {num_events:,} events")
    if (sequences.num_users, sequences.num_tracks) != (num_users, num_tracks):
        raise ValueError(
            f"the arrays are of {sequences.num_users:,} users and {sequences.num_tracks:,} tracks, the tables of "
            f"{num_users:,} and {num_tracks:,}"
        )


def prepare(workspace: Workspace, *, progress: Progress | None = None) -> PrepareReport:
    """Number users and tracks and write the mapped arrays; replaces an earlier preparation in one step.

    Raises:
        ValueError: when there are no events.
    """
    with workspace.lock():
        remove_leftovers(workspace.root)
        log = read_log(workspace)
        catalogue = read_catalogue(workspace, log.track_type)
        with replace_folder(workspace.prepared) as fresh:
            spilled = fresh / "spilled"
            spilled.mkdir()
            users, tracks = code_log(log, catalogue, spilled / CODED_FILE, progress=progress)
            writer = write_sequences(users, tracks, spilled, progress=progress)
            shutil.rmtree(spilled)
            users.select(USER_IDX, USER_ID).write_parquet(fresh / USERS_FILE)
            tracks.drop(CODE, COUNT, VECTOR).write_parquet(fresh / TRACKS_FILE)
            given_TV, vectors = stack_given(tracks[VECTOR])
            np.save(fresh / GIVEN_FILE, given_TV)
            graph, counts = build_graph(read_tables(workspace), users, tracks)
            graph.save(fresh / GRAPH)
            read_slates(workspace, log, users[USER_ID], tracks[TRACK_ID]).save(fresh / SLATES_FILE)
            report = report_of(log, users, tracks, writer, graph=counts, vectors=vectors)
            (fresh / STATS_FILE).write_text(json.dumps(asdict(report), indent=1))
    logger.info("prepare: %d events, %d users, %d tracks", report.events, report.users, report.tracks)
    return report


def code_log(
    log: Log, catalogue: pl.DataFrame, coded: Path, *, progress: Progress | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Write the log as coded records; return the numbered users and tracks, with what is known of these."""
    user_coder, track_coder = IdCoder(), IdCoder()
    code_C = track_coder.add(catalogue[TRACK_ID])
    assert np.array_equal(code_C, np.arange(len(catalogue))), "the catalogue has the first codes, in its order"
    task = progress.add_task("prepare: read", total=log.num_events) if progress else None
    with coded.open("wb") as file:
        for batch in coded_batches(log, user_coder, track_coder, as_floats(catalogue[TRACK_MS])):
            to_records(batch).tofile(file)
            if progress and task is not None:
                progress.advance(task, len(batch))
    users = ids.number(user_coder.table(USER_ID, log.user_type).with_row_index(CODE), USER_ID, USER_IDX)
    heard = track_coder.table(TRACK_ID, log.track_type).with_row_index(CODE)
    tracks = heard.join(catalogue, on=TRACK_ID, how="left", maintain_order="left")
    tracks = tracks.with_columns(pl.min_horizontal(FIRST_AT, RELEASED_AT).alias(APPEARED_AT))
    return users, ids.number(tracks, TRACK_ID, TRACK_IDX, moment=APPEARED_AT)


def write_sequences(
    users: pl.DataFrame, tracks: pl.DataFrame, spilled: Path, *, progress: Progress | None
) -> SequenceWriter:
    """Cut the coded log into ranges of users and write the sorted arrays range by range, beside the spilled folder."""
    user_row_C = rows_of_codes(users, CODE, USER_IDX)
    track_row_C = rows_of_codes(tracks, CODE, TRACK_IDX)
    count_U: Int64 = np.r_[0, users[COUNT].to_numpy()].astype(np.int64)
    shard_U = assign_shards(count_U)
    num_shards = int(shard_U[-1]) + 1
    for records in read_chunks(spilled / CODED_FILE):
        records["user"] = user_row_C[records["user"]]
        records["track"] = track_row_C[records["track"]]
        spill(records, shard_U, spilled)
    writer = SequenceWriter(spilled.parent, num_users=len(users), num_tracks=len(tracks))
    task = progress.add_task("prepare: sort", total=num_shards) if progress else None
    for shard in range(num_shards):
        writer.append(sort_events(read_shard(spilled, shard)))
        if progress and task is not None:
            progress.advance(task)
    writer.close()
    return writer


def report_of(
    log: Log,
    users: pl.DataFrame,
    tracks: pl.DataFrame,
    writer: SequenceWriter,
    *,
    graph: dict[str, Counts],
    vectors: Counts,
) -> PrepareReport:
    """Count what was prepared."""
    return PrepareReport(
        events=writer.num_events,
        users=len(users),
        tracks=len(tracks),
        impressions=log.num_impressions,
        duplicates=log.num_events - writer.num_events,
        first_at=users[FIRST_AT][0],
        last_at=writer.last_at,
        play_ratio_known=writer.num_known_ratios / writer.num_events,
        user_ids_hash=ids.hash_ids(users[USER_ID]),
        track_ids_hash=ids.hash_ids(tracks[TRACK_ID]),
        graph=graph,
        vectors=vectors,
    )
