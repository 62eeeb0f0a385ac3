"""What people make of a catalogue: playlists of editors, videos of tracks, posts that mention a track or an artist.

T tracks, P playlists, D draws per playlist, V videos, M posts.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from ritornello.contracts import Int64
from ritornello.data.sources.simulator.catalogue import FAMILY_G, Catalogue
from ritornello.data.sources.simulator.shelf import Shelf
from ritornello.data.sources.simulator.world import MAX_DAYS
from ritornello.schema import (
    ARTIST_ID,
    ARTIST_NAME,
    DESCRIPTION,
    ERA,
    GENRE,
    LANGUAGE,
    MADE_AT,
    ONE_DAY_MS,
    PLAYLIST_ID,
    POSITION,
    POST_ID,
    TEXT,
    TITLE,
    TRACK_ID,
    VIDEO_ID,
)

TRACKS_PER_PLAYLIST = 60  # of the catalogue, not in the playlist
MAX_PLAYLISTS = 5_000
SHORTEST, LONGEST = 20, 80
DRAWS = 6 * LONGEST
EARLIER_MS = 730 * ONE_DAY_MS  # playlists and posts are up to two years older than the first listen
MOOD_EDGES = (0.35, 0.65)
MOODS = ("Calm", "Easy", "Driving")
VIDEO_SHARE, POST_SHARE, ARTIST_POST_SHARE = 0.03, 0.02, 0.4
VIDEO_FORMS = ("", " (Official Video)", " (Lyric Video)", " (Live Session)", " (Visualizer)")
TRACK_POSTS = (
    ("Cannot stop playing ", " by ", "."),
    ("", " by ", " got me through the week."),
    ("Does anybody else hear rain in ", " by ", "?"),
    ("First listen: ", " by ", ". Keeper."),
    ("Tonight's opener: ", " by ", "."),
    ("Not sure about ", " by ", " yet."),
)
ARTIST_POSTS = (
    ("Saw ", " play to forty people. Worth it."),
    ("Nobody writes choruses like ", "."),
    ("A whole Sunday with ", "."),
    ("Where do I start with ", "?"),
    ("", " deserve a bigger room."),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Theme:
    """One way to make playlists: a group per track, what the groups are called, forms of titles, words about it, a share."""

    group_T: Int64
    labels: list[str]
    titles: tuple[str, ...]
    description: str
    share: float


def themes(catalogue: Catalogue, tracks: pl.DataFrame) -> list[Theme]:
    """Return the themes of playlists: by genre, by era and genre, by mood, by language."""
    band_T = np.digitize(catalogue.energy_T, MOOD_EDGES)
    families = int(FAMILY_G.max()) + 1
    words = (
        (pl.col(GENRE), ("{} Essentials", "{} Now", "{} Corners", "Hidden {}", "Late {}"), "What {} is about.", 0.35),
        (pl.format("{} {}", ERA, GENRE), ("{} Archive", "Back to {}", "{} Rewind"), "A look back: {}.", 0.3),
        (pl.col(LANGUAGE), ("Sung in {}", "{} Songbook", "Postcards in {}"), "Songs in {}.", 0.15),
    )
    made = [
        Theme(group_T=group_T, labels=labels, titles=titles, description=description, share=share)
        for column, titles, description, share in words
        for group_T, labels in [grouped(tracks.select(column).to_series())]
    ]
    mood = Theme(
        group_T=band_T * families + FAMILY_G[catalogue.genre_T],
        labels=[mood for mood in MOODS for _ in range(families)],
        titles=("{} Hours", "{} and Near", "A {} Start", "{} Weekend"),
        description="{} from the first track to the last.",
        share=0.2,
    )
    return [*made, mood]


def grouped(text: pl.Series) -> tuple[Int64, list[str]]:
    """Number the values of a column from 0 in their order, and list them."""
    labels = text.unique().sort()
    return text.cast(pl.Enum(labels)).to_physical().to_numpy().astype(np.int64), labels.to_list()


def span(catalogue: Catalogue, start_ms: int) -> tuple[int, int]:
    """Return between which moments playlists and posts are made: up to the last release."""
    end_ms = np.clip(catalogue.released_at_T.max(), start_ms, start_ms + MAX_DAYS * ONE_DAY_MS)
    return start_ms - EARLIER_MS, int(end_ms) + 1


def make_playlists(
    catalogue: Catalogue, tracks: pl.DataFrame, *, start_ms: int, rng: np.random.Generator
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return playlists and their tracks; a theme too small for the shortest playlist makes none."""
    wanted = min(MAX_PLAYLISTS, max(1, len(catalogue) // TRACKS_PER_PLAYLIST))
    low_ms, high_ms = span(catalogue, start_ms)
    heads, rows = [], []
    for number, theme in enumerate(themes(catalogue, tracks)):
        count = max(1, round(wanted * theme.share))
        made_at_P = rng.integers(low_ms, high_ms, count)
        group_P = choose_groups(theme, catalogue.released_at_T, low_ms, count, rng)
        drawn = draw_tracks(theme, catalogue, group_P, made_at_P, rng)
        rows.append(drawn.with_columns(theme=pl.lit(number)))
        heads.append(head_table(theme, group_P, made_at_P, rng).with_columns(theme=pl.lit(number)))
    key = ["theme", "row"]
    chosen = pl.concat(rows)
    kept = pl.concat(heads).join(chosen.select(key).unique(), on=key, how="semi", maintain_order="left")
    playlists = kept.head(MAX_PLAYLISTS).with_row_index("number", offset=1)
    playlists = playlists.with_columns(pl.format("p{}", "number").alias(PLAYLIST_ID), numbered_titles())
    placed = playlists.join(chosen, on=key, how="inner", maintain_order="left_right")
    placed = placed.with_columns(tracks[TRACK_ID].gather(placed["track"]).alias(TRACK_ID))
    return playlists.select(PLAYLIST_ID, TITLE, DESCRIPTION, MADE_AT), placed.select(PLAYLIST_ID, TRACK_ID, POSITION)


def choose_groups(theme: Theme, released_at_T: Int64, low_ms: int, count: int, rng: np.random.Generator) -> Int64:
    """Draw a group per playlist among those that have enough tracks, larger ones more often."""
    size_G = np.bincount(theme.group_T[released_at_T <= low_ms], minlength=len(theme.labels))
    weight_G = np.where(size_G >= 2 * SHORTEST, np.sqrt(size_G), 0.0)
    if not weight_G.any():
        weight_G = size_G + 1.0
    return rng.choice(len(weight_G), count, p=weight_G / weight_G.sum())


def draw_tracks(
    theme: Theme, catalogue: Catalogue, group_P: Int64, made_at_P: Int64, rng: np.random.Generator
) -> pl.DataFrame:
    """Draw tracks by popularity among what is out, each once: the first draws of a long run that are new."""
    shelf = Shelf.of(theme.group_T, catalogue.released_at_T, catalogue.weight_T)
    row_D = np.repeat(np.arange(len(group_P)), DRAWS)
    track_D = shelf.draw(group_P[row_D], made_at_P[row_D], rng.random(len(row_D)))
    length_P = rng.integers(SHORTEST, LONGEST + 1, len(group_P))
    drawn = pl.DataFrame({"row": row_D, "track": track_D, "length": length_P[row_D]}).filter(pl.col("track") >= 0)
    distinct = drawn.unique(["row", "track"], keep="first", maintain_order=True)
    position = pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("row").alias(POSITION)
    cut = distinct.with_columns(position).filter(pl.col(POSITION) <= pl.col("length"))
    return cut.filter(pl.len().over("row") >= SHORTEST).select("row", "track", POSITION)


def head_table(theme: Theme, group_P: Int64, made_at_P: Int64, rng: np.random.Generator) -> pl.DataFrame:
    """Return titles, descriptions and moments of playlists."""
    label_P = [theme.labels[group] for group in group_P]
    form_P = rng.integers(0, len(theme.titles), len(group_P))
    titles = [
        theme.titles[form].format(label[0].upper() + label[1:]) for form, label in zip(form_P, label_P, strict=True)
    ]
    return pl.DataFrame(
        {
            "row": np.arange(len(group_P)),
            TITLE: titles,
            DESCRIPTION: [theme.description.format(label) for label in label_P],
            MADE_AT: made_at_P,
        }
    )


def numbered_titles() -> pl.Expr:
    """Tell playlists of one title apart: the second is Vol. 2."""
    volume = pl.int_range(1, pl.len() + 1).over(TITLE)
    return pl.when(volume == 1).then(pl.col(TITLE)).otherwise(pl.format("{}, Vol. {}", TITLE, volume)).alias(TITLE)


def make_videos(catalogue: Catalogue, tracks: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Return videos of some tracks, the popular ones rather; they come out with the track or later."""
    count = max(1, round(VIDEO_SHARE * len(catalogue)))
    # The smallest of Exponential / weight are a draw by weight without replacement (Efraimidis and Spirakis 2006).
    row_V = np.sort(np.argsort(rng.exponential(size=len(catalogue)) / catalogue.weight_T, kind="stable")[:count])
    later_ms_V = (rng.exponential(20.0, count) * ONE_DAY_MS).astype(np.int64)
    form_V = pl.Series("form", VIDEO_FORMS).gather(rng.integers(0, len(VIDEO_FORMS), count))
    videos = tracks.select(TRACK_ID, TITLE)[row_V].with_columns(
        form_V, pl.Series(MADE_AT, catalogue.released_at_T[row_V] + later_ms_V)
    )
    return videos.with_row_index("number", offset=1).select(
        pl.format("v{}", "number").alias(VIDEO_ID), TRACK_ID, pl.concat_str(TITLE, "form"), MADE_AT
    )


def make_posts(catalogue: Catalogue, tracks: pl.DataFrame, *, start_ms: int, rng: np.random.Generator) -> pl.DataFrame:
    """Return posts about a track and its artist, or about an artist alone (no track_id), of what is out already."""
    count = max(1, round(POST_SHARE * len(catalogue)))
    low_ms, high_ms = span(catalogue, start_ms)
    row_M = rng.choice(len(catalogue), count, p=catalogue.weight_T)
    out_M = np.maximum(catalogue.released_at_T[row_M], low_ms)
    made_at_M = out_M + (rng.random(count) * np.maximum(high_ms - out_M, 0)).astype(np.int64)
    artist_form_M = rng.integers(0, len(ARTIST_POSTS), count)
    track_form_M = rng.integers(0, len(TRACK_POSTS), count)
    parts = {f"track.{part}": pl.Series([form[part] for form in TRACK_POSTS]).gather(track_form_M) for part in range(3)}
    parts |= {
        f"artist.{part}": pl.Series([form[part] for form in ARTIST_POSTS]).gather(artist_form_M) for part in (0, 1)
    }
    about_artist = pl.Series("about_artist", rng.random(count) < ARTIST_POST_SHARE)
    posts = tracks[row_M].with_columns(pl.Series(MADE_AT, made_at_M), about_artist, **parts)
    on_track = pl.concat_str("track.0", TITLE, "track.1", ARTIST_NAME, "track.2")
    on_artist = pl.concat_str("artist.0", ARTIST_NAME, "artist.1")
    return (
        posts.sort(MADE_AT, maintain_order=True)
        .with_row_index("number", offset=1)
        .select(
            pl.format("m{}", "number").alias(POST_ID),
            pl.when(~pl.col("about_artist")).then(TRACK_ID).alias(TRACK_ID),
            ARTIST_ID,
            pl.when("about_artist").then(on_artist).otherwise(on_track).alias(TEXT),
            MADE_AT,
        )
    )
