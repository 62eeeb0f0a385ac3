"""Arrivals: tracks that came after the log was prepared, in rows of their own behind those that had appeared by then.

Rows of tracks that had appeared stay what they are; the others, of which the log has no event, lie behind, by the moment they
appeared and then by identifier, whoever puts them in order. T tracks (with PADDING), A tracks that had appeared.
"""

from dataclasses import replace

import numpy as np
import polars as pl

from ritornello.contracts import Int32
from ritornello.data import knowledge
from ritornello.data.graph import Graph
from ritornello.data.ids import moved
from ritornello.data.knowledge import Knowledge
from ritornello.data.prepare import Prepared
from ritornello.schema import (
    ALBUM_ID,
    APPEARED_AT,
    ARTIST_ID,
    FIRST_AT,
    GENRE,
    RELEASED_AT,
    TRACK_ID,
    TRACK_IDX,
    VECTOR,
)

TOLD = (ARTIST_ID, ALBUM_ID, GENRE)


def arrange(tracks: pl.DataFrame, came: pl.DataFrame, played: pl.DataFrame, now: int, *, least: int) -> pl.DataFrame:
    """Return prepared tracks and those that `came` since, in the order of their rows.

    A track appears at the earlier of its release and its first play, which `played` tells of the newest ones (UTC ms). What is
    there now counts as having appeared before any event that is yet to come. At `least` so many tracks keep their rows.
    """
    first = tracks.head(max(least, len(tracks.filter(pl.col(APPEARED_AT) < now))))
    later = pl.concat([tracks.slice(len(first)), came], how="diagonal_relaxed")
    later = later.join(played, on=TRACK_ID, how="left", suffix="_live", maintain_order="left")
    appeared = pl.min_horizontal(APPEARED_AT, FIRST_AT + "_live", RELEASED_AT)
    ordered = later.with_columns(appeared.alias(APPEARED_AT)).sort([APPEARED_AT, TRACK_ID], nulls_last=True)
    last = pl.lit(first[APPEARED_AT].max(), pl.Int64)
    is_here = pl.col(APPEARED_AT) < now
    if came.is_empty() and ordered.filter(is_here).is_empty():
        return tracks
    not_yet = pl.when(pl.col(APPEARED_AT).is_not_null()).then(pl.max_horizontal(APPEARED_AT, last))
    behind = ordered.with_columns(pl.when(is_here).then(last).otherwise(not_yet).alias(APPEARED_AT))
    both = pl.concat([first, behind.select(pl.exclude(FIRST_AT + "_live"))], how="diagonal_relaxed")
    return both.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int32).alias(TRACK_IDX))


def extend(prepared: Prepared, tracks: pl.DataFrame) -> Prepared:
    """Return a prepared workspace whose tracks are those that `arrange` gave; its events stay as they are."""
    row_T = moved(prepared.track_ids, tracks[TRACK_ID])
    bare = tracks.select(pl.exclude(VECTOR))
    known = replace(
        knowledge.of_tracks(bare),
        given_TV=given(prepared, tracks, row_T),
        graph=shifted(prepared.knowledge.graph, row_T, len(tracks)),
    )
    return replace(
        prepared,
        sequences=replace(prepared.sequences, num_tracks=len(tracks)),
        track_ids=tracks[TRACK_ID],
        tracks=bare,
        knowledge=known,
    )


def given(prepared: Prepared, tracks: pl.DataFrame, row_T: Int32) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return the given vectors [T, V] in their new rows; of the newcomers, those that are as wide as the others."""
    earlier_TV = prepared.knowledge.given_TV
    width = earlier_TV.shape[1]
    given_TV = np.zeros((len(tracks) + 1, width), np.float32)
    given_TV[row_T] = earlier_TV
    if width and VECTOR in tracks.columns:
        vectors = tracks.with_row_index("row", offset=1).filter(pl.col(VECTOR).list.len() == width)
        if len(vectors):
            given_TV[vectors["row"].to_numpy()] = np.stack(vectors[VECTOR].to_list())
    return given_TV


def shifted(graph: Graph, row_T: Int32, num_tracks: int) -> Graph:
    """Return the graph with its tracks in their new rows; newcomers have no edges until the log is prepared again."""
    num_nodes = graph.num_tracks + graph.num_users + 1 + len(graph.kind_X)
    node_N = np.r_[row_T, np.arange(len(row_T), num_nodes) + num_tracks - graph.num_tracks].astype(np.int32)
    return replace(
        graph,
        head_E=node_N[graph.head_E],
        tail_E=node_N[graph.tail_E],
        num_tracks=num_tracks,
        known_tracks=num_tracks,
    )


def as_trained(known: Knowledge, tracks: pl.DataFrame, trained: pl.DataFrame) -> Knowledge:
    """Number artists, albums and genres as a bundle knows them: its own tracks as they were then, and others behind."""
    told = pl.concat([trained.select(TOLD), tracks.slice(len(trained)).select(TOLD)])
    numbered = knowledge.of_tracks(told.with_columns(tracks[APPEARED_AT]))
    return replace(known, artist_T=numbered.artist_T, album_T=numbered.album_T, genre_T=numbered.genre_T)
