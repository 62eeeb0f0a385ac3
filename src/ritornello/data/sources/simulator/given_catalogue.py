"""A world over somebody's own table of tracks: what the table says is kept, what listeners feel about it is invented.

A genre by a name of GENRES is that genre; any other is given one of their directions of taste by a hash of its name, so that
tracks of one genre sound alike although nobody knows how. Missing genres, languages, lengths, releases and albums are
invented. Table rows T, artists A, albums B.
"""

import hashlib
import logging
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from ritornello.contracts import Int32
from ritornello.data import columns
from ritornello.data.catalogue import mark_tracks
from ritornello.data.ingest import BROKEN, checked
from ritornello.data.parts import CLEAN
from ritornello.data.sources import find_source
from ritornello.data.sources.simulator.catalogue import (
    GENRE_NAMES,
    LANGUAGE_SHARES,
    LANGUAGES,
    Catalogue,
    assemble,
    durations,
    genre_shares,
)
from ritornello.data.sources.simulator.catalogue_tables import first_rows, most_common
from ritornello.data.sources.simulator.shelf import MOMENTS
from ritornello.data.sources.simulator.world import World
from ritornello.schema import (
    ALBUM_ID,
    ALBUM_TITLE,
    ARTIST_ID,
    ARTIST_NAME,
    ERA,
    EXPLICIT,
    GENRE,
    LANGUAGE,
    ONE_DAY_MS,
    PLAYABLE,
    RELEASED_AT,
    TITLE,
    TRACK_ALIASES,
    TRACK_ID,
    TRACK_MS,
    TRACK_SCHEMA,
    VECTOR,
)

ARTIST_ALIASES = {"artist": tuple(dict.fromkeys(TRACK_ALIASES[ARTIST_ID] + TRACK_ALIASES[ARTIST_NAME]))}
EXTRA = (ALBUM_TITLE,)  # read under this name only
UNKNOWN_ARTIST = "Unknown artist"
NAMED = (TRACK_ID, *(name for name in TRACK_SCHEMA if name not in (ERA, EXPLICIT, PLAYABLE, VECTOR)), *EXTRA)

logger = logging.getLogger(__name__)


def read_given(path: Path, world: World) -> tuple[Catalogue, pl.DataFrame]:
    """Return a catalogue over a table of tracks and its names, row by row; `world` gives the seed, the start, the rules.

    Of rows with the same track the first is kept; a track without an artist gets one of its own.

    Raises:
        ValueError: when there is no such file, it cannot be read, lacks a column for tracks or artists, or has no tracks,
            or none that is out when the world begins.
    """
    rng = np.random.default_rng((world.seed, *b"given"))
    tracks = complete_names(read_tracks(path))
    tracks = complete_artists(tracks, rng)
    tracks = complete_albums(tracks, world, rng)
    tracks = tracks.sort(ARTIST_ID, RELEASED_AT, ALBUM_ID, TRACK_ID)
    artist_T, album_T = rows_of_runs(tracks, ARTIST_ID), rows_of_runs(tracks, ARTIST_ID, ALBUM_ID)
    if tracks[RELEASED_AT].min() > world.start_ms:  # type: ignore[operator]  # releases are complete by now
        first = datetime.fromtimestamp(world.start_ms / 1000, UTC).date()
        raise ValueError(
            f"{path}: no track is out on {first}, when the world begins; allowed are tables with earlier ones"
        )
    first_A = first_rows(artist_T)
    genre_A = tracks["genre_row"].gather(first_A).to_numpy().astype(np.int32)
    track_ms_T = tracks[TRACK_MS].fill_null(pl.Series(durations(genre_A[artist_T], rng))).to_numpy()
    catalogue = assemble(
        artist_T=artist_T,
        album_T=album_T,
        genre_A=genre_A,
        language_A=tracks["language_row"].gather(first_A).to_numpy().astype(np.int32),
        fame_A=rng.lognormal(0.0, world.catalogue.fame_spread, len(first_A)),
        released_at_T=np.clip(tracks[RELEASED_AT].to_numpy(), 0, MOMENTS - 1),
        track_ms_T=track_ms_T,
        settings=world.catalogue,
        rng=rng,
    )
    return catalogue, tracks.with_columns(pl.Series(TRACK_MS, track_ms_T)).select(NAMED)


def read_tracks(path: Path) -> pl.DataFrame:
    """Return the clean columns of every track that has an identifier, each once, in the order of the identifiers.

    Raises:
        ValueError: as `read_given`.
    """
    source = find_source("auto", checked(path))
    try:
        raw = source.scan(path)
        names = raw.collect_schema().names()
        marked, rows = mark_tracks(raw, path, is_typed=source.is_typed)
        columns.pick(path, names, ARTIST_ALIASES, ("artist",))
        clean = [pl.col(CLEAN + name).alias(name) for name in (TRACK_ID, *TRACK_SCHEMA)]
        extra = [(columns.as_text(name) if name in names else pl.lit(None, pl.String)).alias(name) for name in EXTRA]
        tracks = marked.select(*clean, *extra).collect()
    except BROKEN as error:
        raise ValueError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    if rows == 0:
        raise ValueError(f"{path} has no rows, only the columns {', '.join(names)}; one row per track is allowed")
    distinct = tracks.drop_nulls(TRACK_ID).unique(TRACK_ID, keep="first", maintain_order=True).sort(TRACK_ID)
    if distinct.is_empty():
        raise ValueError(f"{path}: none of {rows} rows has a track_id; whole numbers or text are allowed")
    if len(distinct) < rows:
        logger.warning("%s: %d rows without a track or with one named before are left out", path, rows - len(distinct))
    return distinct


def complete_names(tracks: pl.DataFrame) -> pl.DataFrame:
    """Let identifiers stand for missing names and names for missing identifiers."""
    own = pl.format("artist of {}", TRACK_ID)
    return tracks.with_columns(
        pl.coalesce(TITLE, pl.col(TRACK_ID).cast(pl.String)).alias(TITLE),
        pl.coalesce(ARTIST_ID, ARTIST_NAME, own).alias(ARTIST_ID),
        pl.coalesce(ARTIST_NAME, ARTIST_ID, pl.lit(UNKNOWN_ARTIST)).alias(ARTIST_NAME),
    )


def complete_artists(tracks: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Give each artist the genre and the language of most of its tracks, or one by chance."""
    artists = tracks.select(pl.col(ARTIST_ID).unique().sort())
    known = tracks.with_columns(pl.when(pl.col(LANGUAGE).is_in(LANGUAGES)).then(LANGUAGE).alias(LANGUAGE))
    for column, names, shares in ((GENRE, GENRE_NAMES, genre_shares(rng)), (LANGUAGE, LANGUAGES, LANGUAGE_SHARES)):
        by_chance = pl.Series(names).gather(rng.choice(len(names), len(artists), p=shares))
        usual = most_common(known, ARTIST_ID, column)
        artists = artists.join(usual, on=ARTIST_ID, how="left", maintain_order="left")
        artists = artists.with_columns(artists[column].fill_null(by_chance).alias(column))
    genre_row = {genre: row_of_genre(genre) for genre in artists[GENRE].unique()}
    unknown = sum(genre.strip().lower() not in GENRE_NAMES for genre in genre_row)
    if unknown:
        logger.warning(
            "%d genres are not among %s: each takes the taste of one of them", unknown, ", ".join(GENRE_NAMES)
        )
    artists = artists.with_columns(
        pl.col(GENRE).replace_strict(genre_row, return_dtype=pl.Int32).alias("genre_row"),
        pl.col(LANGUAGE).replace_strict(LANGUAGES, range(len(LANGUAGES)), return_dtype=pl.Int32).alias("language_row"),
    )
    joined = tracks.join(artists, on=ARTIST_ID, how="left", maintain_order="left", suffix="_usual")
    return joined.with_columns(
        pl.coalesce(GENRE, f"{GENRE}_usual").alias(GENRE), pl.col(f"{LANGUAGE}_usual").alias(LANGUAGE)
    )


def row_of_genre(name: str) -> int:
    """Return the row of GENRES whose taste a genre has: its own, or for a name not there one by a hash of it.

    >>> row_of_genre(" Jazz"), row_of_genre("shoegaze") == row_of_genre("Shoegaze")
    (16, True)
    """
    plain = name.strip().lower()
    if plain in GENRE_NAMES:
        return GENRE_NAMES.index(plain)
    return int.from_bytes(hashlib.sha256(plain.encode()).digest()[:8], "big") % len(GENRE_NAMES)


def complete_albums(tracks: pl.DataFrame, world: World, rng: np.random.Generator) -> pl.DataFrame:
    """Put loose tracks on albums of a few; an album's unknown releases are its first known one, or by chance."""
    place = (
        pl.int_range(pl.len()).over(ARTIST_ID, pl.col(ALBUM_ID).is_null()).floordiv(world.catalogue.tracks_per_album)
    )
    tracks = tracks.with_columns(
        pl.coalesce(ALBUM_ID, pl.format("album {} of {}", place + 1, ARTIST_ID)).alias(ALBUM_ID)
    )
    tracks = tracks.with_columns(pl.coalesce(ALBUM_TITLE, ALBUM_ID).alias(ALBUM_TITLE))
    albums = (
        tracks.group_by(ARTIST_ID, ALBUM_ID).agg(pl.col(RELEASED_AT).min().alias("first")).sort(ARTIST_ID, ALBUM_ID)
    )
    ages_B = rng.exponential(world.catalogue.age_years * 365.0 * ONE_DAY_MS, len(albums)).astype(np.int64)
    by_chance = pl.Series(np.maximum(world.start_ms - ages_B, 0))
    albums = albums.with_columns(albums["first"].fill_null(by_chance).alias("first"))
    joined = tracks.join(albums, on=[ARTIST_ID, ALBUM_ID], how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce(RELEASED_AT, "first").alias(RELEASED_AT))


def rows_of_runs(tracks: pl.DataFrame, *key: str) -> Int32:
    """Number the distinct keys from 0 by first appearance."""
    distinct = tracks.select(key).unique(maintain_order=True).with_row_index("number")
    return tracks.join(distinct, on=key, how="left", maintain_order="left")["number"].to_numpy().astype(np.int32)
