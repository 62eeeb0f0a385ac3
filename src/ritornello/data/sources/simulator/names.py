"""Invented names of artists, tracks and albums, fit for their language, a million in seconds.

A name is a place in a pool of phrases built once from `words`; rows only gather and join. A artists, N names.
"""

from functools import cache
from itertools import chain, product
from string import Formatter

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ritornello.data.sources.simulator.words import ENSEMBLES, VERSIONS, WORDS, Words

Rows = NDArray[np.integer]
BAND_SHARE = 0.35
ENDING_SHARE = 0.3
VERSION_SHARE = 0.04
SELF_TITLED_SHARE = 0.12
INITIALS = tuple(f"{letter}." for letter in "ABCDEFGHIJKLMNOPRSTVWYZ")


def artist_names(language_A: Rows, rng: np.random.Generator) -> pl.Series:
    """Return names of singers and bands, all different."""
    is_band_A = rng.random(len(language_A)) < BAND_SHARE
    named = [pl.DataFrame(schema={"row": pl.Int64(), "name": pl.String()})]
    for language in range(len(WORDS)):
        for is_band in (False, True):
            row_N = np.flatnonzero((language_A == language) & (is_band_A == is_band))
            names = (bands if is_band else singers)(language, len(row_N), rng)
            named.append(pl.DataFrame({"row": row_N, "name": names}, schema={"row": pl.Int64(), "name": pl.String()}))
    return pl.concat(named).sort("row")["name"]


def singers(language: int, count: int, rng: np.random.Generator) -> pl.Series:
    """Return given and family names, all different; more than there are pairs get an initial between."""
    given, family = given_names(language), family_names(language)
    index_N, mark_N, lap_N = spread(len(given) * len(family), count, len(INITIALS), rng)
    given_N, family_N = np.divmod(index_N, len(family))
    return joined(take(given, given_N), take(("", *INITIALS), mark_N), take(family, family_N), numerals(lap_N))


def bands(language: int, count: int, rng: np.random.Generator) -> pl.Series:
    """Return names of bands, all different; more than the forms give become trios, orchestras and so on."""
    pool = band_pool(language)
    index_N, mark_N, lap_N = spread(len(pool), count, len(ENSEMBLES), rng)
    return joined(take(pool, index_N), take(("", *ENSEMBLES), mark_N), numerals(lap_N))


def spread(size: int, count: int, marks: int, rng: np.random.Generator) -> tuple[Rows, Rows, Rows]:
    """Return places in a pool, marks from 0 (none) and laps from 0, such that no two of the three together are equal."""
    round_N, place_N = np.divmod(np.arange(count), size)
    index_N = rng.permutation(size)[place_N]
    lap_N = np.maximum(round_N - 1, 0) // marks
    return index_N, np.where(round_N == 0, 0, 1 + (round_N - 1 + index_N) % marks), lap_N


def track_titles(language_N: Rows, artist_N: Rows, rng: np.random.Generator) -> pl.Series:
    """Return titles, different within an artist, whose rows stand together; artists may share a title."""
    version_N = np.where(
        rng.random(len(artist_N)) < VERSION_SHARE, rng.integers(1, 1 + len(VERSIONS), len(artist_N)), 0
    )
    return joined(titles(language_N, artist_N, rng), take(("", *VERSIONS), version_N))


def album_titles(language_N: Rows, artist_N: Rows, artist_name_N: pl.Series, rng: np.random.Generator) -> pl.Series:
    """Return titles of albums, different within an artist, whose rows stand together; some first ones bear its name."""
    is_first_N = np.r_[True, artist_N[1:] != artist_N[:-1]][: len(artist_N)]
    is_self_titled_N = pl.Series(is_first_N & (rng.random(len(artist_N)) < SELF_TITLED_SHARE))
    return artist_name_N.zip_with(is_self_titled_N, titles(language_N, artist_N, rng)).alias("")


def titles(language_N: Rows, artist_N: Rows, rng: np.random.Generator) -> pl.Series:
    """Return phrases, some with an ending, that differ within an artist: each walks the pool by strides of its own."""
    artist_N, place_N = np.unique_inverse(artist_N).inverse_indices, places(artist_N)
    num_artists = int(artist_N.max(initial=-1)) + 1
    start_A, stride_A = rng.integers(0, 2**31, (2, num_artists))
    index_N, number_N = np.zeros((2, len(artist_N)), np.int64)
    first = 0
    for language in range(len(WORDS)):
        row_N = np.flatnonzero(language_N == language)
        size = len(title_pool(language))
        coprime = np.flatnonzero(
            np.gcd(np.arange(size), size) == 1
        )  # such a stride meets every phrase before any twice
        owner_N = artist_N[row_N]
        step_N = start_A[owner_N] + place_N[row_N] % size * coprime[stride_A[owner_N] % len(coprime)]
        index_N[row_N] = first + rng.permutation(size)[step_N % size]
        number_N[row_N] = place_N[row_N] // size
        first += size
    every = tuple(chain.from_iterable(title_pool(language) for language in range(len(WORDS))))
    return joined(take(every, index_N), endings(language_N, rng), numerals(number_N))


def endings(language_N: Rows, rng: np.random.Generator) -> pl.Series:
    """Draw endings in the language of each title, most of them empty."""
    first_L = np.cumsum([1, *(len(words.endings) for words in WORDS)])
    drawn_N = first_L[language_N] + (rng.random(len(language_N)) * np.diff(first_L)[language_N]).astype(int)
    every = ("", *chain.from_iterable(words.endings for words in WORDS))
    return take(every, np.where(rng.random(len(language_N)) < ENDING_SHARE, drawn_N, 0))


def places(artist_N: Rows) -> Rows:
    """Count the rows of each run from 0.

    >>> places(np.array([3, 3, 3, 5, 7, 7])).tolist()
    [0, 1, 2, 0, 0, 1]
    """
    first_N = np.flatnonzero(np.r_[True, artist_N[1:] != artist_N[:-1]][: len(artist_N)])
    return np.arange(len(artist_N)) - np.repeat(first_N, np.diff(np.r_[first_N, len(artist_N)]))


def take(words: tuple[str, ...], index_N: Rows) -> pl.Series:
    """Return the words at these places."""
    return pl.Series(words, dtype=pl.String).gather(index_N)


def numerals(lap_N: Rows) -> pl.Series:
    """Return what tells a name from earlier ones of the same words: nothing at first, then 2, 3, ..."""
    laps = pl.DataFrame({"lap": lap_N})
    return laps.select(
        pl.when(pl.col("lap") > 0).then((pl.col("lap") + 1).cast(pl.String)).otherwise(pl.lit(""))
    ).to_series()


def joined(*parts: pl.Series) -> pl.Series:
    """Join the parts of names with spaces; empty ones leave none."""
    columns = [part.alias(str(number)) for number, part in enumerate(parts)]
    present = [pl.when(pl.col(column.name) != "").then(pl.col(column.name)) for column in columns]
    return pl.DataFrame(columns).select(pl.concat_str(present, separator=" ", ignore_nulls=True).alias("")).to_series()


@cache
def title_pool(language: int) -> tuple[str, ...]:
    """Return every title of a language, without endings."""
    words = WORDS[language]
    return tuple(dict.fromkeys(chain.from_iterable(fill(form, words) for form in words.title_forms)))


@cache
def band_pool(language: int) -> tuple[str, ...]:
    """Return every name of a band in a language."""
    words = WORDS[language]
    return tuple(dict.fromkeys(chain.from_iterable(fill(form, words) for form in words.band_forms)))


def given_names(language: int) -> tuple[str, ...]:
    """Return the given names of a language."""
    return tuple(WORDS[language].given.split())


def family_names(language: int) -> tuple[str, ...]:
    """Return the family names of a language, each made of two halves."""
    words = WORDS[language]
    return tuple(start + end for start in words.family_starts.split() for end in words.family_ends.split())


def fill(form: str, words: Words) -> list[str]:
    """Fill a form with every choice of words; its two nouns differ."""
    lists = {"n": words.nouns, "m": words.nouns, "q": words.qualifiers, "u": words.units, "g": words.given}
    fields = [field for _, field, *_ in Formatter().parse(form) if field]
    choices = (
        dict(zip(fields, choice, strict=True)) for choice in product(*(lists[field].split() for field in fields))
    )
    return [form.format(**choice) for choice in choices if choice.get("n") != choice.get("m", "")]
