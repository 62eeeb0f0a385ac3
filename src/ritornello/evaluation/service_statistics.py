"""What only the service itself sees: how far plays are listened, likes and dislikes, and how listening agrees with ratings.

Shares are taken over the plays whose length and listened time are known. A like belongs to the last play of that track by
that user before it.
"""

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ritornello.evaluation.numbered_plays import figures
from ritornello.schema import ACTION, AT, ONE_SECOND_MS, PLAYED_MS, TRACK_ID, TRACK_MS, USER_ID, Action

END_RATIO = 0.98  # what is left is silence
LISTENED = "listened_share"
RATING = "rating"
LOW_RATING, HIGH_RATING = 2.0, 4.0  # of 1 to 5


def service_statistics(events: pl.DataFrame) -> dict[str, float]:
    """Return every figure that needs listened time or actions."""
    is_play = pl.col(ACTION) == Action.PLAY
    plays = events.filter(is_play).drop_nulls([PLAYED_MS, TRACK_MS]).filter(pl.col(TRACK_MS) > 0)
    counts = figures(
        events,
        likes_per_play=per_play(Action.LIKE),
        dislikes_per_play=per_play(Action.DISLIKE),
        playlist_adds_per_play=per_play(Action.PLAYLIST_ADD),
    )
    return listened_figures(plays) | counts | liked_figures(plays, events.filter(pl.col(ACTION) == Action.LIKE))


def per_play(action: Action) -> pl.Expr:
    """Return how often an action is done per play."""
    return (pl.col(ACTION) == action).sum() / (pl.col(ACTION) == Action.PLAY).sum()


def listened_figures(plays: pl.DataFrame) -> dict[str, float]:
    """Return when plays end."""
    played_ms = pl.col(PLAYED_MS)
    return figures(
        plays,
        not_to_the_end_share=(played_ms < END_RATIO * pl.col(TRACK_MS)).mean(),
        under_5_seconds_share=(played_ms < 5 * ONE_SECOND_MS).mean(),
        under_30_seconds_share=(played_ms < 30 * ONE_SECOND_MS).mean(),
        listened_share_mean=listened_share().mean(),
    )


def liked_figures(plays: pl.DataFrame, likes: pl.DataFrame) -> dict[str, float]:
    """Return the mean listened share of the plays that led to a like, and of the others."""
    rows = plays.sort(AT).with_row_index("row").with_columns(listened_share().alias(LISTENED))
    liked = likes.select(USER_ID, TRACK_ID, AT).sort(AT)
    liked = liked.join_asof(rows, on=AT, by=[USER_ID, TRACK_ID], strategy="backward", check_sortedness=False)
    is_liked = pl.col("row").is_in(liked["row"].drop_nulls().to_list())
    return figures(
        rows,
        liked_listened_share=pl.col(LISTENED).filter(is_liked).mean(),
        other_listened_share=pl.col(LISTENED).filter(~is_liked).mean(),
    )


def listened_share() -> pl.Expr:
    """Return the listened share of a play, at most 1."""
    return (pl.col(PLAYED_MS) / pl.col(TRACK_MS)).clip(0.0, 1.0)


def rating_statistics(listened_share_E: NDArray[np.float64], rating_E: NDArray[np.float64]) -> dict[str, float]:
    """Return how the listened share of a play agrees with what the listener says of it, from 1 (bad) to 5 (good)."""
    is_low_E, is_high_E = rating_E <= LOW_RATING, rating_E >= HIGH_RATING
    pairs = pl.DataFrame({LISTENED: listened_share_E, RATING: rating_E})
    agreement = pairs.select(pl.corr(LISTENED, RATING, method="spearman")).item()
    return {
        "rating_listened_spearman": math.nan if agreement is None else float(agreement),
        "low_rating_listened_share": float(listened_share_E[is_low_E].mean()) if is_low_E.any() else math.nan,
        "high_rating_listened_share": float(listened_share_E[is_high_E].mean()) if is_high_E.any() else math.nan,
    }
