"""The catalogue as triples (head, relation, tail, weight): who performed, wrote, resembles and features what.

Identifiers carry their kind: `track:12`, `artist:a3`. Facts weigh 1; a `similar_artist` weighs its likeness. Likeness is of
a noisy view of the artists, so that a graph tells something about taste and not taste itself. T tracks, A artists,
N neighbours, Q artists asked for, C candidates.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ritornello.contracts import Float32, Int32
from ritornello.data.sources.simulator.catalogue import FAMILY_G, GENRES, Catalogue, lean
from ritornello.schema import (
    ALBUM_ID,
    ARTIST_ID,
    ERA,
    GENRE,
    HEAD,
    LANGUAGE,
    PLAYLIST_ID,
    POST_ID,
    RELATION,
    TAIL,
    TRACK_ID,
    VIDEO_ID,
    WEIGHT,
)

NEIGHBOURS = 8
VIEW_LEAN = 0.5  # how far the noisy view turns an artist, as a tangent
REACH = 1_024
FEATURED_SHARE = 0.06
MAX_OWN_WRITERS = 3
HIRED_SHARE = 0.2  # of the tracks have a writer who writes for many
ARTISTS_PER_HIRED = 10
ROW_GROUP = 500_000


def write_triples(
    catalogue: Catalogue, tables: dict[str, pl.DataFrame], path: Path, *, rng: np.random.Generator
) -> None:
    """Write the triples relation by relation; no triple comes twice and none leads from a node to itself."""
    tracks, posts = tables["tracks"].lazy(), tables["posts"].lazy()
    near_AN, likeness_AN = nearest_artists(catalogue, rng)
    triples = [
        edges("performed_by", tracks, typed("track", TRACK_ID), typed("artist", ARTIST_ID)),
        edges("written_by", written(catalogue, tables["tracks"], rng), typed("track", TRACK_ID), typed("writer", "to")),
        edges("on_album", tracks, typed("track", TRACK_ID), typed("album", ALBUM_ID)),
        edges(
            "in_playlist", tables["playlist_tracks"].lazy(), typed("track", TRACK_ID), typed("playlist", PLAYLIST_ID)
        ),
        edges("video_of", tables["videos"].lazy(), typed("video", VIDEO_ID), typed("track", TRACK_ID)),
        edges("mentions", posts.drop_nulls(TRACK_ID), typed("post", POST_ID), typed("track", TRACK_ID)),
        edges("mentions", posts, typed("post", POST_ID), typed("artist", ARTIST_ID)),
        edges(
            "similar_artist",
            similar(tables["artists"], near_AN, likeness_AN),
            typed("artist", ARTIST_ID),
            typed("artist", "to"),
        ),
        edges("has_genre", tracks, typed("track", TRACK_ID), typed("genre", GENRE)),
        edges("has_language", tracks, typed("track", TRACK_ID), typed("language", LANGUAGE)),
        edges("has_era", tracks, typed("track", TRACK_ID), typed("era", ERA)),
        edges(
            "featured_with", featured(catalogue, tables, near_AN, rng), typed("track", TRACK_ID), typed("artist", "to")
        ),
    ]
    pl.concat(triples).sink_parquet(path, compression="zstd", row_group_size=ROW_GROUP, maintain_order=True)


def typed(kind: str, column: str) -> pl.Expr:
    """Return identifiers with their kind before them."""
    return pl.format(kind + ":{}", column)


def edges(relation: str, rows: pl.LazyFrame, head: pl.Expr, tail: pl.Expr) -> pl.LazyFrame:
    """Return one relation's triples; rows without a weight weigh 1."""
    weight = pl.col(WEIGHT) if WEIGHT in rows.collect_schema() else pl.lit(1.0, pl.Float32)
    return rows.select(head.alias(HEAD), pl.lit(relation).alias(RELATION), tail.alias(TAIL), weight.alias(WEIGHT))


def written(catalogue: Catalogue, tracks: pl.DataFrame, rng: np.random.Generator) -> pl.LazyFrame:
    """Return who wrote each track: one of the artist's own writers, at times with one hired within the genre."""
    num_tracks, num_artists = len(catalogue), len(catalogue.genre_A)
    own_A = rng.integers(1, MAX_OWN_WRITERS + 1, num_artists)
    first_A = np.cumsum(own_A) - own_A
    own_T = first_A[catalogue.artist_T] + (rng.random(num_tracks) * own_A[catalogue.artist_T]).astype(np.int64)
    row_H = np.flatnonzero(rng.random(num_tracks) < HIRED_SHARE)
    desks = max(1, num_artists // (ARTISTS_PER_HIRED * len(GENRES)))
    # Squared, so that a few write a great deal.
    desk_H = (rng.random(len(row_H)) ** 2 * desks).astype(np.int64)
    hired_H = own_A.sum() + catalogue.genre_T[row_H] * desks + desk_H
    row_W = np.r_[np.arange(num_tracks), row_H]
    return pl.LazyFrame({TRACK_ID: tracks[TRACK_ID].gather(row_W), "to": np.r_[own_T, hired_H]}).with_columns(
        pl.format("w{}", pl.col("to") + 1).alias("to")
    )


def similar(artists: pl.DataFrame, near_AN: Int32, likeness_AN: Float32) -> pl.LazyFrame:
    """Return each artist with those near it, where there are any."""
    row_S, slot_S = np.nonzero(near_AN >= 0)
    return pl.LazyFrame(
        {
            ARTIST_ID: artists[ARTIST_ID].gather(row_S),
            "to": artists[ARTIST_ID].gather(near_AN[row_S, slot_S]),
            WEIGHT: likeness_AN[row_S, slot_S].round(3),
        }
    )


def featured(
    catalogue: Catalogue, tables: dict[str, pl.DataFrame], near_AN: Int32, rng: np.random.Generator
) -> pl.LazyFrame:
    """Return the guests of some tracks: an artist near the one who performs."""
    row_F = np.flatnonzero(rng.random(len(catalogue)) < FEATURED_SHARE)
    guest_F = near_AN[catalogue.artist_T[row_F], rng.integers(0, NEIGHBOURS, len(row_F))]
    row_F, guest_F = row_F[guest_F >= 0], guest_F[guest_F >= 0]
    return pl.LazyFrame(
        {
            TRACK_ID: tables["tracks"][TRACK_ID].gather(row_F),
            "to": tables["artists"][ARTIST_ID].gather(guest_F),
        }
    )


def nearest_artists(catalogue: Catalogue, rng: np.random.Generator) -> tuple[Int32, Float32]:
    """Return the artists nearest to each inside its family of genres in a noisy view, best first (-1: none), and how near."""
    view_AD = lean(catalogue.vector_AD, VIEW_LEAN, rng)
    near_AN = np.full((len(view_AD), NEIGHBOURS), -1, np.int32)
    likeness_AN = np.zeros((len(view_AD), NEIGHBOURS), np.float32)
    for asked_Q, candidate_C in blocks(FAMILY_G[catalogue.genre_A], view_AD):
        likeness_QC = view_AD[asked_Q] @ view_AD[candidate_C].T
        likeness_QC[asked_Q[:, None] == candidate_C] = -np.inf
        count = min(NEIGHBOURS, len(candidate_C) - 1)
        if count == 0:
            continue
        top_QN = np.argpartition(likeness_QC, -count, axis=1)[:, -count:]
        best_QN = np.take_along_axis(likeness_QC, top_QN, axis=1)
        order_QN = np.lexsort((top_QN, -best_QN), axis=1)
        near_AN[asked_Q, :count] = candidate_C[np.take_along_axis(top_QN, order_QN, axis=1)]
        likeness_AN[asked_Q, :count] = np.take_along_axis(best_QN, order_QN, axis=1)
    return near_AN, likeness_AN


def blocks(family_A: NDArray[np.integer], view_AD: Float32) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield artists to ask for and the artists to look among, so that the work grows with A and not with its square.

    A family is laid out along one direction of taste; an artist looks among those that stand at most REACH to 2 REACH away.
    In a family of up to twice REACH that is everyone.
    """
    for family in range(int(FAMILY_G.max()) + 1):
        member_M = np.flatnonzero(family_A == family)
        line_M = member_M[np.argsort(view_AD[member_M, 0], kind="stable")]
        for low in range(0, len(line_M), REACH):
            yield line_M[low : low + REACH], line_M[max(0, low - REACH) : low + 2 * REACH]
