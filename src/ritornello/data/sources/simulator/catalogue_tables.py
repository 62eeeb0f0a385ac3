"""The catalogue as tables that people and the graph read; nothing of what listeners feel about a track is in them.

T tracks, A artists, B albums. Table rows follow the catalogue's; the same catalogue and seed give the same bytes.
"""

from pathlib import Path

import numpy as np
import polars as pl

from ritornello.contracts import Int32
from ritornello.data.sources.simulator.catalogue import GENRE_NAMES, LANGUAGES, Catalogue
from ritornello.data.sources.simulator.editorial import make_playlists, make_posts, make_videos
from ritornello.data.sources.simulator.graph_tables import write_triples
from ritornello.data.sources.simulator.names import album_titles, artist_names, track_titles
from ritornello.schema import (
    ALBUM_ID,
    ALBUM_TITLE,
    ARTIST_ID,
    ARTIST_NAME,
    ERA,
    EXPLICIT,
    GENRE,
    LANGUAGE,
    RELEASED_AT,
    TITLE,
    TRACK_ID,
    TRACK_MS,
)

EXPLICIT_SHARE = 0.05
ARTIST_COLUMNS = (ARTIST_ID, ARTIST_NAME, GENRE, LANGUAGE)
ALBUM_COLUMNS = (ALBUM_ID, ALBUM_TITLE, ARTIST_ID, RELEASED_AT)


def write_tables(
    catalogue: Catalogue, folder: Path, *, seed: int, start_ms: int, names: pl.DataFrame | None = None
) -> None:
    """Write all tables as Parquet; `names` has a row per track in the catalogue's order and is used as it is.

    Raises:
        ValueError: when `names` has another number of rows than the catalogue.
    """
    folder.mkdir(parents=True, exist_ok=True)
    invented = invent_names(catalogue, stream(seed, "names")) if names is None else names
    tracks = track_table(catalogue, invented, stream(seed, "tracks"))
    tables = {"tracks": tracks, "artists": artist_table(tracks), "albums": album_table(tracks)}
    tables["playlists"], tables["playlist_tracks"] = make_playlists(
        catalogue, tracks, start_ms=start_ms, rng=stream(seed, "playlists")
    )
    tables["videos"] = make_videos(catalogue, tracks, stream(seed, "videos"))
    tables["posts"] = make_posts(catalogue, tracks, start_ms=start_ms, rng=stream(seed, "posts"))
    for name, table in tables.items():
        table.write_parquet(folder / f"{name}.parquet", compression="zstd")
    write_triples(catalogue, tables, folder / "triples.parquet", rng=stream(seed, "triples"))


def stream(seed: int, name: str) -> np.random.Generator:
    """Return random numbers of their own for each table, so that a change to one leaves the others alone."""
    return np.random.default_rng((seed, *name.encode()))


def invent_names(catalogue: Catalogue, rng: np.random.Generator) -> pl.DataFrame:
    """Return identifiers, names and titles per track."""
    name_A = artist_names(catalogue.language_A, rng)
    first_B = first_rows(catalogue.album_T)
    artist_B = catalogue.artist_T[first_B]
    title_B = album_titles(catalogue.language_T[first_B], artist_B, name_A.gather(artist_B), rng)
    return pl.DataFrame(
        {
            TRACK_ID: np.arange(1, len(catalogue) + 1),
            TITLE: track_titles(catalogue.language_T, catalogue.artist_T, rng),
            ARTIST_ID: numbered("a", catalogue.artist_T),
            ARTIST_NAME: name_A.gather(catalogue.artist_T),
            ALBUM_ID: numbered("b", catalogue.album_T),
            ALBUM_TITLE: title_B.gather(catalogue.album_T),
        }
    )


def track_table(catalogue: Catalogue, names: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Return the table of tracks: what `names` says, the catalogue for the rest.

    Raises:
        ValueError: when `names` has another number of rows than the catalogue.
    """
    if len(names) != len(catalogue):
        raise ValueError(
            f"names have {len(names)} rows, the catalogue has {len(catalogue)} tracks; one each is allowed"
        )
    known = {
        ALBUM_TITLE: names[ALBUM_ID],
        GENRE: pl.Series(GENRE_NAMES).gather(catalogue.genre_T),
        LANGUAGE: pl.Series(LANGUAGES).gather(catalogue.language_T),
        TRACK_MS: pl.Series(catalogue.track_ms_T),
        RELEASED_AT: pl.Series(catalogue.released_at_T),
        EXPLICIT: pl.Series(rng.random(len(catalogue)) < EXPLICIT_SHARE),
    }
    tracks = pl.DataFrame(known | {name: names[name] for name in names.columns})
    year = pl.from_epoch(RELEASED_AT, time_unit="ms").dt.year()
    era = pl.format("{}s", year.floordiv(10) * 10).alias(ERA)
    return tracks.with_columns(era).select(
        *(TRACK_ID, TITLE, ARTIST_ID, ARTIST_NAME, ALBUM_ID, ALBUM_TITLE, GENRE, LANGUAGE, ERA),
        *(TRACK_MS, RELEASED_AT, EXPLICIT),
    )


def artist_table(tracks: pl.DataFrame) -> pl.DataFrame:
    """Return each artist once, with the genre and the language of most of its tracks."""
    artists = tracks.unique(ARTIST_ID, keep="first", maintain_order=True).select(ARTIST_ID, ARTIST_NAME)
    for column in (GENRE, LANGUAGE):
        artists = artists.join(most_common(tracks, ARTIST_ID, column), on=ARTIST_ID, how="left", maintain_order="left")
    return artists.select(ARTIST_COLUMNS)


def most_common(rows: pl.DataFrame, owner: str, column: str) -> pl.DataFrame:
    """Return each owner's most common value, the first of those as common; owners that have none are left out."""
    present = rows.filter(pl.col(column).is_not_null())
    counted = present.group_by(owner, column, maintain_order=True).len("times")
    ordered = counted.sort("times", descending=True, maintain_order=True)
    return ordered.unique(owner, keep="first", maintain_order=True).select(owner, column)


def album_table(tracks: pl.DataFrame) -> pl.DataFrame:
    """Return each album once; it came out with its first track."""
    first = tracks.unique(ALBUM_ID, keep="first", maintain_order=True).select(ALBUM_ID, ALBUM_TITLE, ARTIST_ID)
    released = tracks.group_by(ALBUM_ID).agg(pl.col(RELEASED_AT).min())
    return first.join(released, on=ALBUM_ID, how="left", maintain_order="left").select(ALBUM_COLUMNS)


def first_rows(group_T: Int32) -> Int32:
    """Return the first row of each group, groups numbered from 0 by first appearance.

    >>> first_rows(np.array([0, 0, 1, 0, 2], np.int32)).tolist()
    [0, 2, 4]
    """
    return np.unique(group_T, return_index=True)[1].astype(np.int32)


def numbered(prefix: str, row_N: Int32) -> pl.Series:
    """Return identifiers: a prefix and the row, counted from 1."""
    return pl.DataFrame({"row": row_N}).select(pl.format(prefix + "{}", pl.col("row") + 1).alias("")).to_series()
