"""A small plausible world of listeners, for the demo, and a bulk log for speed measurements. Everything is invented.

Listeners have two to four genres that drift, favourites they return to, artists they stay with for a few songs, and new
releases that come out as they listen. U users, P plays, T tracks, A artists, G genres.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from ritornello.contracts import Int32, Int64
from ritornello.data.sources.simulator.names import artist_names, track_titles
from ritornello.schema import (
    ALBUM_ID,
    ARTIST_ID,
    ARTIST_NAME,
    GENRE,
    ONE_DAY_MS,
    ONE_HOUR_MS,
    ONE_SECOND_MS,
    PLAYED_MS,
    RELEASED_AT,
    TIMESTAMP,
    TITLE,
    TRACK_ID,
    TRACK_MS,
    USER_ID,
)

START = 1_735_689_600_000  # 2025-01-01
GENRES = ("ambient", "bossa", "chanson", "dream pop", "folk", "house", "jazz", "post-rock", "soul", "synthwave")
TRACKS_PER_ARTIST = 12
NEW_SHARE = 0.12  # of the tracks come out while people listen
REPEAT_SHARE = 0.25
SAME_ARTIST_SHARE = 0.2
HEARD_WEIGHT = 0.1
OTHER_GENRE_WEIGHT = 0.03
DRIFT_SHARE = 0.3  # of the listeners swap a taste half-way
SKIP_SHARE = 0.12


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelf:
    """The tracks of the world, by index from 0; what is popular has the most weight."""

    artist_T: Int32
    genre_T: Int32
    track_ms_T: Int64
    released_at_T: Int64
    weight_T: np.ndarray[tuple[int], np.dtype[np.float64]]


def write_world(folder: Path, *, users: int = 300, tracks: int = 2_000, days: int = 120, seed: int = 1) -> None:
    """Write the world as `events.parquet` and `tracks.parquet`; the same arguments give the same files."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    shelf = stock(tracks, days, rng)
    catalogue(shelf, rng).write_parquet(folder / "tracks.parquet")
    logs = [listen(user, shelf, days, rng) for user in range(users)]
    pl.concat(logs).sort(TIMESTAMP, USER_ID).write_parquet(folder / "events.parquet")


def stock(tracks: int, days: int, rng: np.random.Generator) -> Shelf:
    """Invent the tracks: artists of one genre each, a long tail of popularity, some still to come out."""
    num_artists = max(1, tracks // TRACKS_PER_ARTIST)
    artist_T = np.sort(rng.integers(0, num_artists, tracks)).astype(np.int32)
    genre_A = rng.integers(0, len(GENRES), num_artists).astype(np.int32)
    is_new_T = rng.random(tracks) < NEW_SHARE
    age_days_T = np.where(is_new_T, -rng.uniform(0, days, tracks), rng.exponential(2_000, tracks))
    fame_A = rng.lognormal(0.0, 0.8, num_artists)
    return Shelf(
        artist_T=artist_T,
        genre_T=genre_A[artist_T],
        track_ms_T=(rng.normal(215, 45, tracks).clip(90, 480) * ONE_SECOND_MS).astype(np.int64),
        released_at_T=START - (age_days_T * ONE_DAY_MS).astype(np.int64),
        weight_T=fame_A[artist_T] * rng.lognormal(0.0, 1.0, tracks),
    )


def catalogue(shelf: Shelf, rng: np.random.Generator) -> pl.DataFrame:
    """Name the tracks and their artists; every four tracks of an artist are an album."""
    num_tracks, num_artists = len(shelf.artist_T), int(shelf.artist_T.max()) + 1
    names = artist_names(np.zeros(num_artists, np.int32), rng).to_numpy()
    place_T = np.arange(num_tracks) - np.searchsorted(shelf.artist_T, shelf.artist_T)
    return pl.DataFrame(
        {
            TRACK_ID: [f"track-{track:05}" for track in range(num_tracks)],
            TITLE: track_titles(np.zeros(num_tracks, np.int32), shelf.artist_T, rng),
            ARTIST_ID: [f"artist-{artist:04}" for artist in shelf.artist_T],
            ARTIST_NAME: names[shelf.artist_T],
            ALBUM_ID: [
                f"album-{artist:04}-{place // 4}" for artist, place in zip(shelf.artist_T, place_T, strict=True)
            ],
            GENRE: np.array(GENRES)[shelf.genre_T],
            TRACK_MS: shelf.track_ms_T,
            RELEASED_AT: shelf.released_at_T,
        }
    )


def listen(user: int, shelf: Shelf, days: int, rng: np.random.Generator) -> pl.DataFrame:
    """Return all the plays of one listener, session by session."""
    tastes = rng.choice(len(GENRES), size=int(rng.integers(2, 5)), replace=False)
    later = np.r_[tastes[1:], rng.integers(len(GENRES))] if rng.random() < DRIFT_SHARE else tastes
    at_P, track_P = [], []
    heard: list[int] = []
    for start in session_starts(days, rng):
        is_late = start > START + days * ONE_DAY_MS // 2
        weight_T = np.where(
            np.isin(shelf.genre_T, later if is_late else tastes), shelf.weight_T, shelf.weight_T * OTHER_GENRE_WEIGHT
        )
        weight_T = weight_T * (shelf.released_at_T <= start)
        weight_T[heard] *= HEARD_WEIGHT  # what one knows comes back by itself, in `session`
        weight_T *= 1 + 8 * (start - shelf.released_at_T < 14 * ONE_DAY_MS)  # what is new is talked about
        fresh = rng.choice(len(weight_T), size=16, replace=False, p=weight_T / weight_T.sum())
        at = start
        for track in session(fresh[: rng.integers(4, 16)], heard, shelf, start, rng):
            at_P.append(at)
            track_P.append(track)
            at += int(shelf.track_ms_T[track]) + int(rng.integers(0, 20)) * ONE_SECOND_MS
    return plays(user, np.array(at_P, np.int64), np.array(track_P, np.int64), shelf, rng)


def session_starts(days: int, rng: np.random.Generator) -> Iterator[int]:
    """Yield when a listener begins to listen: on some days once, at hours of habit."""
    rate, habit = rng.uniform(0.2, 0.8), rng.normal(17, 3)
    for day in np.flatnonzero(rng.random(days) < rate):
        hour = np.clip(rng.normal(habit, 2), 0, 22)
        yield START + int(day) * ONE_DAY_MS + int(hour * ONE_HOUR_MS)


def session(fresh: Int64, heard: list[int], shelf: Shelf, start: int, rng: np.random.Generator) -> Iterator[int]:
    """Yield the tracks of one session; `heard` grows with it: favourites come back by how often they came."""
    last = -1
    for track, chance in zip(fresh.tolist(), rng.random(len(fresh)), strict=True):
        if heard and chance < REPEAT_SHARE:
            # The newest quarter counts twice: what came back lately comes back sooner.
            low = len(heard) * 3 // 4 if chance < REPEAT_SHARE / 2 else 0
            last = heard[int(rng.integers(low, len(heard)))]
        elif last >= 0 and chance < REPEAT_SHARE + SAME_ARTIST_SHARE:
            last = another_of(last, shelf, start, rng)
        else:
            last = track
        heard.append(last)
        yield last


def another_of(track: int, shelf: Shelf, start: int, rng: np.random.Generator) -> int:
    """Return a track of the same artist that is out already."""
    low, high = np.searchsorted(shelf.artist_T, [shelf.artist_T[track], shelf.artist_T[track] + 1])
    choices = np.flatnonzero(shelf.released_at_T[low:high] <= start) + low
    return int(rng.choice(choices))


def plays(user: int, at_P: Int64, track_P: Int64, shelf: Shelf, rng: np.random.Generator) -> pl.DataFrame:
    """Return the plays as a table; some are skipped early, most are heard out."""
    is_skip_P = rng.random(len(at_P)) < SKIP_SHARE
    share_P = np.where(is_skip_P, rng.uniform(0.02, 0.35, len(at_P)), rng.uniform(0.9, 1.0, len(at_P)))
    return pl.DataFrame(
        {
            USER_ID: pl.Series([f"user-{user:04}"] * len(at_P), dtype=pl.String),
            TIMESTAMP: at_P,
            TRACK_ID: pl.Series([f"track-{track:05}" for track in track_P], dtype=pl.String),
            PLAYED_MS: (shelf.track_ms_T[track_P] * share_P).astype(np.int64),
            TRACK_MS: shelf.track_ms_T[track_P],
        }
    )
