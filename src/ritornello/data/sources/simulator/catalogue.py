"""The catalogue of a world: artists with a taste vector, albums that come out over the years, a long tail of popularity.

Genres are directions in a space of taste, in families; an artist leans from the genre's direction, a track from the
artist's. T tracks, A artists, B albums, G genres, D taste dimensions; rows count from 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Float32, Int32, Int64
from ritornello.data.sources.simulator.shelf import Shelf
from ritornello.data.sources.simulator.world import CatalogueConfig, World
from ritornello.schema import ONE_DAY_MS, ONE_SECOND_MS

Float64 = NDArray[np.float64]

# Genre, family, how lively (0 calm to 1 driving), the hour (0 to 24) at which it is heard most.
GENRES = (
    ("pop", 0, 0.65, 17),
    ("indie pop", 0, 0.55, 18),
    ("dream pop", 0, 0.35, 22),
    ("synthwave", 0, 0.7, 20),
    ("rock", 1, 0.7, 17),
    ("metal", 1, 0.95, 16),
    ("punk", 1, 0.9, 17),
    ("post-rock", 1, 0.45, 21),
    ("hip hop", 2, 0.75, 19),
    ("trap", 2, 0.8, 21),
    ("soul", 2, 0.45, 20),
    ("rhythm and blues", 2, 0.5, 21),
    ("house", 3, 0.85, 22),
    ("techno", 3, 0.9, 23),
    ("drum and bass", 3, 0.95, 19),
    ("ambient", 3, 0.1, 10),
    ("jazz", 4, 0.35, 20),
    ("bossa nova", 4, 0.3, 11),
    ("classical", 4, 0.2, 9),
    ("piano", 4, 0.15, 10),
    ("folk", 5, 0.3, 10),
    ("country", 5, 0.5, 8),
    ("chanson", 5, 0.35, 20),
    ("reggae", 5, 0.5, 14),
)
LATER_DAYS = 30  # music goes on coming out after the log has ended
GENRE_NAMES = tuple(name for name, *_ in GENRES)
FAMILY_G = np.array([family for _, family, *_ in GENRES])
ENERGY_G = np.array([energy for _, _, energy, _ in GENRES])
HOUR_G = np.array([hour for *_, hour in GENRES], np.float64)
LANGUAGES = ("English", "Spanish", "French", "German", "Portuguese", "Japanese", "Korean", "Mandarin")
LANGUAGE_SHARES = np.array([0.46, 0.12, 0.09, 0.07, 0.07, 0.06, 0.05, 0.08])


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """Tracks in the order of their artists, each artist's in the order of release; all of it may be drawn from shelves."""

    artist_T: Int32
    album_T: Int32
    genre_T: Int32
    language_T: Int32
    released_at_T: Int64
    track_ms_T: Int64
    energy_T: Float32
    weight_T: Float64
    renown_T: Float32
    vector_TD: Float32
    genre_A: Int32
    language_A: Int32
    fame_A: Float64
    vector_AD: Float32
    centroid_GD: Float32
    by_genre: Shelf
    by_artist: Shelf
    by_release: Shelf

    def __len__(self) -> int:
        return len(self.artist_T)


def build_catalogue(world: World) -> Catalogue:
    """Invent a catalogue; the same world gives the same one."""
    rng = np.random.default_rng((world.seed, 1))
    settings = world.catalogue
    size_A = artist_sizes(world.tracks, settings, rng)
    num_artists = len(size_A)
    share_G = genre_shares(rng)
    genre_A = rng.choice(len(GENRES), num_artists, p=share_G)
    language_A = rng.choice(len(LANGUAGES), num_artists, p=LANGUAGE_SHARES)
    fame_A = rng.lognormal(0.0, settings.fame_spread, num_artists)
    artist_T = np.repeat(np.arange(num_artists, dtype=np.int32), size_A)
    album_T = number_albums(size_A, settings, rng)
    released_at_T = release_dates(artist_T, album_T, world, rng)
    return assemble(
        artist_T=artist_T,
        album_T=album_T,
        genre_A=genre_A.astype(np.int32),
        language_A=language_A.astype(np.int32),
        fame_A=fame_A,
        released_at_T=released_at_T,
        track_ms_T=durations(genre_A[artist_T], rng),
        settings=settings,
        rng=rng,
    )


def assemble(  # noqa: PLR0913  # what a catalogue is known by
    *,
    artist_T: Int32,
    album_T: Int32,
    genre_A: Int32,
    language_A: Int32,
    fame_A: Float64,
    released_at_T: Int64,
    track_ms_T: Int64,
    settings: CatalogueConfig,
    rng: np.random.Generator,
) -> Catalogue:
    """Give known artists and tracks what makes listeners like them: vectors, energy, popularity."""
    centroid_GD = genre_directions(settings.dimensions, rng)
    vector_AD = lean(centroid_GD[genre_A], settings.artist_lean, rng)
    vector_TD = lean(vector_AD[artist_T], settings.track_lean, rng)
    genre_T = genre_A[artist_T]
    energy_T = np.clip(ENERGY_G[genre_T] + rng.normal(0.0, 0.15, len(artist_T)), 0.0, 1.0)
    weight_T = fame_A[artist_T] * rng.lognormal(0.0, settings.hit_spread, len(artist_T))
    weight_T /= weight_T.sum()
    return Catalogue(
        artist_T=artist_T,
        album_T=album_T,
        genre_T=genre_T,
        language_T=language_A[artist_T],
        released_at_T=released_at_T,
        track_ms_T=track_ms_T,
        energy_T=energy_T.astype(np.float32),
        weight_T=weight_T,
        renown_T=(np.log(weight_T) - np.log(weight_T).mean()).astype(np.float32),
        vector_TD=vector_TD,
        genre_A=genre_A,
        language_A=language_A,
        fame_A=fame_A,
        vector_AD=vector_AD,
        centroid_GD=centroid_GD,
        by_genre=Shelf.of(genre_T, released_at_T, weight_T, groups=len(GENRES)),
        by_artist=Shelf.of(artist_T, released_at_T, weight_T),
        by_release=Shelf.of(np.zeros(len(artist_T), np.int32), released_at_T, weight_T),
    )


def artist_sizes(tracks: int, settings: CatalogueConfig, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return how many tracks each artist has: many have a few, some have hundreds; they add up to `tracks`."""
    num_artists = max(1, round(tracks / settings.tracks_per_artist))
    size_A = np.maximum(1, rng.lognormal(np.log(settings.tracks_per_artist) - 0.5, 1.0, 2 * num_artists).astype(int))
    end_A = np.minimum(np.cumsum(size_A), tracks)
    sizes = np.diff(np.r_[0, end_A])
    sizes = sizes[sizes > 0]
    sizes[-1] += tracks - sizes.sum()
    return np.asarray(sizes, dtype=np.int64)


def genre_shares(rng: np.random.Generator) -> Float64:
    """Return each genre's share of the artists: a few are large."""
    share_G = rng.permutation(1.0 / np.arange(1, len(GENRES) + 1) ** 0.6)
    return np.asarray(share_G / share_G.sum(), dtype=np.float64)


def number_albums(size_A: NDArray[np.int64], settings: CatalogueConfig, rng: np.random.Generator) -> Int32:
    """Cut each artist's tracks into albums, the last one shorter; count albums over all artists."""
    length_A = rng.integers(1, 2 * settings.tracks_per_album, len(size_A))
    first_A = np.cumsum(size_A) - size_A
    place_T = np.arange(size_A.sum()) - np.repeat(first_A, size_A)
    is_first_T = place_T % np.repeat(length_A, size_A) == 0
    return (np.cumsum(is_first_T) - 1).astype(np.int32)


def release_dates(artist_T: Int32, album_T: Int32, world: World, rng: np.random.Generator) -> Int64:
    """Return when each track came out: albums one by one, a share of them while people listen."""
    settings = world.catalogue
    num_albums = int(album_T[-1]) + 1
    is_new_B = rng.random(num_albums) < settings.new_share
    is_new_B[0] &= not is_new_B.all()  # something is out on the first day
    days_B = np.where(
        is_new_B,
        rng.uniform(0, world.days + LATER_DAYS, num_albums),
        -np.minimum(rng.exponential(settings.age_years * 365.0, num_albums), 20_000.0) - 1.0,
    )
    artist_B = artist_T[np.r_[0, np.flatnonzero(np.diff(album_T)) + 1]]
    days_B = days_B[np.lexsort((days_B, artist_B))]  # an artist's albums are numbered in the order they came out
    at_B = world.start_ms + (days_B * ONE_DAY_MS).astype(np.int64)
    return np.maximum(at_B, 0)[album_T]


def durations(genre_T: NDArray[np.integer], rng: np.random.Generator) -> Int64:
    """Return how long tracks are: most around three and a half minutes, calm genres longer."""
    seconds_T = rng.lognormal(np.log(218.0), 0.27, len(genre_T)) * (1.25 - 0.4 * ENERGY_G[genre_T])
    return np.asarray(np.clip(seconds_T, 60, 900) * ONE_SECOND_MS, dtype=np.int64)


def genre_directions(dimensions: int, rng: np.random.Generator) -> Float32:
    """Return a direction per genre; genres of a family lie closer together."""
    family_FD = rng.normal(size=(FAMILY_G.max() + 1, dimensions))
    return unit(0.75 * unit(family_FD)[FAMILY_G] + 0.66 * unit(rng.normal(size=(len(GENRES), dimensions))))


def lean(vector_ND: Float32, amount: float, rng: np.random.Generator) -> Float32:
    """Turn each vector by some amount (the tangent of a typical angle) in a direction of its own."""
    noise_ND = rng.standard_normal(vector_ND.shape, dtype=np.float32) / np.float32(np.sqrt(vector_ND.shape[1]))
    return unit(vector_ND + np.float32(amount) * noise_ND)


def unit(vector_ND: NDArray[np.floating]) -> Float32:
    """Return vectors of length one."""
    return np.asarray(vector_ND / np.linalg.norm(vector_ND, axis=1, keepdims=True), dtype=np.float32)
