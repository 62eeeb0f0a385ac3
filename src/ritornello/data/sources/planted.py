"""A tiny world with known answers, and the hard rows: what every channel and ranker is tested on.

Three taste groups (A, B, C) of regular listeners, and a few users made for one answer each; see `PlantedWorld`.
Everything is fixed: no clock, one seed. The rows of `events` are not in time order, as in a real export.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from ritornello.data import ids, knowledge, labels
from ritornello.data.graph_edges import build_graph
from ritornello.data.knowledge import Knowledge
from ritornello.data.sequence import Sequences, from_events
from ritornello.data.sources.planted_rows import CATALOGUE, NOW, TRIPLES, event_rows
from ritornello.data.tables import TRIPLES as TRIPLES_TABLE
from ritornello.data.tables import empty_tables
from ritornello.schema import (
    ACTION,
    ACTION_NAMES,
    ALBUM_ID,
    APPEARED_AT,
    ARTIST_ID,
    ARTIST_NAME,
    FIRST_AT,
    GENRE,
    HEAD,
    PLAYED_MS,
    RELATION,
    RELEASED_AT,
    TAIL,
    TIMESTAMP,
    TITLE,
    TRACK_ID,
    TRACK_IDX,
    TRACK_MS,
    USER_ID,
    USER_IDX,
    WEIGHT,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlantedWorld:
    """The world and its answers; users and tracks are row numbers, as `prepare` gives them.

    favourite_user plays favourite_track every evening, other tracks now and then: what comes back first.
    neighbour_user has heard all of taste A but neighbour_track, which the rest of A plays: the best unheard track.
    drifted_user played drifted_from (taste A) for two months and drifted_to (taste B) since.
    fresh_track came out two days ago and is played by several users; popular_track has the most plays of all.
    pair_second follows pair_first within minutes every time; pair_user has just played pair_first.
    tied_user has played tied_tracks equally often at the very same moments, and nothing else.
    skipped_track is always skipped by skipping_user; disliked_track is disliked by disliking_user, whose taste it is.
    one_listen_user has one event, short_user three; unknown_user is nobody, unknown_user_id is not in the log.
    graph_user plays what leads, by its artist and who sang with that artist, to graph_track, which nobody has played.
    unplayed_track is in the catalogue only; uncatalogued_track is in the log only, so its artist is unknown.
    """

    events: pl.DataFrame
    tracks: pl.DataFrame
    triples: pl.DataFrame
    sequences: Sequences
    knowledge: Knowledge
    user_ids: pl.Series
    track_ids: pl.Series
    now: int

    favourite_user: int
    favourite_track: int
    neighbour_user: int
    neighbour_track: int
    drifted_user: int
    drifted_from: tuple[int, ...]
    drifted_to: tuple[int, ...]
    fresh_track: int
    popular_track: int
    pair_user: int
    pair_first: int
    pair_second: int
    tied_user: int
    tied_tracks: tuple[int, int]
    skipping_user: int
    skipped_track: int
    disliking_user: int
    disliked_track: int
    one_listen_user: int
    short_user: int
    graph_user: int
    graph_track: int
    unplayed_track: int
    uncatalogued_track: int
    unknown_user: int = 0
    unknown_user_id: str = "nobody"
    unknown_track_id: str = "unheard-of"


def write_world(folder: Path) -> None:
    """Write the world as `events.parquet`, `tracks.parquet` and `triples.parquet`."""
    folder.mkdir(parents=True, exist_ok=True)
    world = planted_world()
    world.events.write_parquet(folder / "events.parquet")
    world.tracks.write_parquet(folder / "tracks.parquet")
    world.triples.write_parquet(folder / "triples.parquet")


def planted_world() -> PlantedWorld:
    """Build the world; two calls give the same."""
    events, tracks = event_table(), track_table()
    triples = pl.DataFrame(TRIPLES, schema=(HEAD, RELATION, TAIL), orient="row")
    user = ids.number(first_moments(events, USER_ID), USER_ID, USER_IDX)
    every = first_moments(events, TRACK_ID).join(tracks, on=TRACK_ID, how="full", coalesce=True)
    every = every.with_columns(
        pl.min_horizontal(FIRST_AT, RELEASED_AT).alias(APPEARED_AT), pl.lit(None).alias(ALBUM_ID)
    )
    track = ids.number(every, TRACK_ID, TRACK_IDX, moment=APPEARED_AT)
    graph, _ = build_graph(
        empty_tables() | {TRIPLES_TABLE: triples.with_columns(pl.lit(1.0).alias(WEIGHT)).lazy()}, user, track
    )
    user_row = dict(zip(user[USER_ID], user[USER_IDX], strict=True))
    row = dict(zip(track[TRACK_ID], track[TRACK_IDX], strict=True))
    return PlantedWorld(
        events=events,
        tracks=tracks,
        triples=triples,
        sequences=sequences_of(events, user_row, row),
        knowledge=replace(knowledge.of_tracks(track), graph=graph),
        user_ids=user[USER_ID],
        track_ids=track[TRACK_ID],
        now=NOW,
        favourite_user=user_row["favourite-user"],
        favourite_track=row["favourite"],
        neighbour_user=user_row["A-03"],
        neighbour_track=row["A-07"],
        drifted_user=user_row["drifted-user"],
        drifted_from=tuple(sorted(row[name] for name in row if name.startswith("A-"))),
        drifted_to=tuple(sorted(row[name] for name in row if name.startswith("B-"))),
        fresh_track=row["fresh"],
        popular_track=row["popular"],
        pair_user=user_row["pair-1"],
        pair_first=row["pair-first"],
        pair_second=row["pair-second"],
        tied_user=user_row["tied-user"],
        tied_tracks=(row["tied-1"], row["tied-2"]),
        skipping_user=user_row["C-01"],
        skipped_track=row["skipped"],
        disliking_user=user_row["C-02"],
        disliked_track=row["C-05"],
        one_listen_user=user_row["one-listen"],
        short_user=user_row["short"],
        graph_user=user_row["favourite-user"],
        graph_track=row["linked"],
        unplayed_track=row["unplayed"],
        uncatalogued_track=row["uncatalogued"],
    )


def event_table() -> pl.DataFrame:
    """Return the log, in a fixed order that is not the order of time."""
    columns = (USER_ID, TIMESTAMP, TRACK_ID, ACTION, PLAYED_MS, TRACK_MS)
    events = pl.DataFrame(event_rows(), schema=columns, orient="row")
    return events.sample(fraction=1.0, shuffle=True, seed=7)


def track_table() -> pl.DataFrame:
    """Return the catalogue."""
    return pl.DataFrame(
        CATALOGUE, schema=(TRACK_ID, TITLE, ARTIST_ID, ARTIST_NAME, GENRE, TRACK_MS, RELEASED_AT), orient="row"
    )


def first_moments(events: pl.DataFrame, id_column: str) -> pl.DataFrame:
    """Return each identifier's first moment."""
    return events.group_by(id_column).agg(pl.col(TIMESTAMP).min().alias(FIRST_AT))


def sequences_of(events: pl.DataFrame, user_row: dict[str, int], track_row: dict[str, int]) -> Sequences:
    """Return the log as `prepare` would."""
    played_ms_E, track_ms_E = (
        events[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in (PLAYED_MS, TRACK_MS)
    )
    return from_events(
        np.array([user_row[name] for name in events[USER_ID]], np.int32),
        np.array([track_row[name] for name in events[TRACK_ID]], np.int32),
        events[TIMESTAMP].to_numpy(),
        np.array([ACTION_NAMES[name] for name in events[ACTION]], np.int8),
        labels.play_ratio(played_ms_E, track_ms_E),
        num_users=len(user_row),
        num_tracks=len(track_row),
    )
