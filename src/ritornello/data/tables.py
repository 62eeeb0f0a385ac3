"""The tables of a catalogue: which columns tell each of them, and what is kept of it.

A file is the first table whose telling columns it has. Identifiers are kept as text here: a graph joins them by their
text, and only a track's own table, which numbers the tracks, has to know whether they are numbers.
"""

from pathlib import Path

import polars as pl

from ritornello.artifacts import Workspace
from ritornello.data import columns
from ritornello.data.catalogue import mark_tracks, released_at
from ritornello.data.parts import CLEAN, PART_FILE, REJECTED_FOR, parts_of
from ritornello.schema import (
    ALBUM_ID,
    ALBUM_TITLE,
    ARTIST_ID,
    ARTIST_NAME,
    DESCRIPTION,
    ENTITY_ID,
    GENRE,
    HEAD,
    LANGUAGE,
    MADE_AT,
    PLAYLIST_ID,
    POSITION,
    POST_ID,
    RELATION,
    RELEASED_AT,
    TAIL,
    TEXT,
    TITLE,
    TRACK_ALIASES,
    TRACK_ID,
    VIDEO_ID,
    WEIGHT,
)

TRACKS, TRIPLES, PLAYLIST_TRACKS, PLAYLISTS = "tracks", "triples", "playlist_tracks", "playlists"
ARTISTS, ALBUMS, VIDEOS, POSTS = "artists", "albums", "videos", "posts"

# By table: the columns that tell it, without which a row is rejected, and those that a file may lack.
TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    TRIPLES: ((HEAD, RELATION, TAIL), (WEIGHT,)),
    PLAYLIST_TRACKS: ((PLAYLIST_ID, TRACK_ID), (POSITION,)),
    VIDEOS: ((VIDEO_ID,), (TRACK_ID, TITLE, MADE_AT)),
    POSTS: ((POST_ID,), (TRACK_ID, ARTIST_ID, TEXT, MADE_AT)),
    TRACKS: ((TRACK_ID,), ()),
    ALBUMS: ((ALBUM_ID,), (ALBUM_TITLE, ARTIST_ID, RELEASED_AT)),
    PLAYLISTS: ((PLAYLIST_ID,), (TITLE, DESCRIPTION, MADE_AT)),
    ARTISTS: ((ARTIST_ID,), (ARTIST_NAME, GENRE, LANGUAGE, ENTITY_ID)),
}
ALIASES = {
    TRACK_ID: TRACK_ALIASES[TRACK_ID],
    ARTIST_ID: ("artist_id", "artist_mbid"),
    ALBUM_ID: ("album_id", "release_mbid"),
    ALBUM_TITLE: ("album_title", "album_name", "title", "name"),
    ARTIST_NAME: ("artist_name", "name"),
    TITLE: ("title", "playlist_name", "name"),
    GENRE: TRACK_ALIASES[GENRE],
    RELEASED_AT: TRACK_ALIASES[RELEASED_AT],
    MADE_AT: ("made_at", "created_at"),
}
MOMENTS = (MADE_AT, RELEASED_AT)
IDENTIFIERS = (TRACK_ID, ARTIST_ID, ALBUM_ID, PLAYLIST_ID, VIDEO_ID, POST_ID, ENTITY_ID, HEAD, TAIL)
NOT_A_NUMBER = pl.lit(float("nan"))

Tables = dict[str, pl.LazyFrame]


def find_table(path: Path, names: list[str]) -> str:
    """Return the table that a file's columns tell.

    Raises:
        ValueError: when they tell none.
    """
    for table, (telling, _) in TABLES.items():
        if all(any(alias in names for alias in aliases_of(name)) for name in telling):
            return table
    allowed = "; ".join(f"{table} ({', '.join(telling)})" for table, (telling, _) in TABLES.items())
    raise ValueError(
        f"{path}: no table of a catalogue is told by its columns; found {', '.join(names)}; allowed are {allowed}"
    )


def aliases_of(name: str) -> tuple[str, ...]:
    """Return the names under which a column is known."""
    return ALIASES.get(name, (name,))


def mark_table(raw: pl.LazyFrame, path: Path, *, table: str, is_typed: bool) -> tuple[pl.LazyFrame, int]:
    """Add the clean columns and the reason to raw rows; return them and how many rows there are.

    Raises:
        ValueError: when a column is of a kind that cannot be read.
    """
    if table == TRACKS:
        return mark_tracks(raw, path, is_typed=is_typed)
    telling, optional = TABLES[table]
    schema = raw.collect_schema()
    picked = columns.pick(path, schema.names(), {name: aliases_of(name) for name in (*telling, *optional)}, telling)
    moment = next((picked[name] for name in MOMENTS if name in picked), None)
    facts = columns.survey(raw, moment=moment, identifiers=[], is_typed=is_typed)
    clean: dict[str, pl.Expr] = {}
    for name in (*telling, *optional):
        if name not in picked:
            clean[name] = pl.lit(None, empty_type(name))
        elif name in MOMENTS:
            clean[name] = released_at(path, picked[name], schema[picked[name]], per_second=facts.per_second)
        elif name in IDENTIFIERS:
            read = columns.identifier(path, picked[name], schema[picked[name]], is_whole=False)
            clean[name] = read.cast(pl.String)
        elif name == POSITION:
            clean[name] = columns.whole_number(picked[name])
        elif name == WEIGHT:  # what is there and no number is no weight of 1
            is_given = columns.as_text(picked[name]).is_not_null()
            clean[name] = pl.when(is_given).then(columns.as_float(picked[name]).fill_null(NOT_A_NUMBER))
        else:
            clean[name] = columns.as_text(picked[name])
    cleaned = raw.with_columns(expression.alias(CLEAN + name) for name, expression in clean.items())
    missing = {name: pl.col(CLEAN + name).is_null() for name in telling}
    reason = pl.coalesce(pl.when(lacks).then(pl.lit(f"missing {name}")) for name, lacks in missing.items())
    return cleaned.with_columns(reason.alias(REJECTED_FOR)), facts.rows


def empty_type(name: str) -> pl.DataType:
    """Return the type of a column that a file lacks."""
    if name == WEIGHT:
        return pl.Float64()
    return pl.Int64() if name in (*MOMENTS, POSITION) else pl.String()


def empty_tables() -> Tables:
    """Return every table but tracks, without rows."""
    return {
        table: pl.LazyFrame(schema={name: empty_type(name) for name in (*telling, *optional)})
        for table, (telling, optional) in TABLES.items()
        if table != TRACKS
    }


def read_tables(workspace: Workspace) -> Tables:
    """Return all rows of every table but tracks, those of the newest file first."""

    def rows(table: str, empty: pl.LazyFrame) -> pl.LazyFrame:
        parts = [pl.scan_parquet(part / PART_FILE, glob=False) for part in parts_of(workspace.catalogue / table)]
        return pl.concat([empty, *reversed(parts)])

    return {table: rows(table, empty) for table, empty in empty_tables().items()}
