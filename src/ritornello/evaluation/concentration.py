"""How far plays concentrate: over all users on the popular tracks, and within a user on a few favourites. T tracks."""

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ritornello.evaluation.numbered_plays import PLAY_NUMBER, figures, of_long_histories
from ritornello.schema import TRACK_ID, USER_ID

FEW_PLAYS, MANY_PLAYS = 50, 200  # histories that are judged
FAVOURITES = 10


def popularity_figures(plays: pl.DataFrame) -> dict[str, float]:
    """Return how unevenly the plays fall on the tracks that are played at all."""
    count_T = count_plays(plays)
    return {
        "track_gini": gini(count_T),
        "top_1_percent_share": top_share(count_T, 0.01),
        "top_10_percent_share": top_share(count_T, 0.10),
    }


def concentration_figures(plays: pl.DataFrame) -> dict[str, float]:
    """Return how far users stay with a few tracks: over their whole history, and in the first 200 plays of it."""
    long = of_long_histories(plays, FEW_PLAYS)
    longer = of_long_histories(plays, MANY_PLAYS).filter(pl.col(PLAY_NUMBER) < MANY_PLAYS)
    return {
        **{f"user_{name}": value for name, value in concentration(long).items()},
        **{f"user_{name}_in_200_plays": value for name, value in concentration(longer).items()},
    }


def concentration(plays: pl.DataFrame) -> dict[str, float]:
    """Return means over users: the share of plays on their 10 favourites, distinct tracks per play."""
    tracks = plays.group_by(USER_ID, TRACK_ID, maintain_order=True).len("plays")
    users = tracks.group_by(USER_ID, maintain_order=True).agg(
        (pl.col("plays").top_k(FAVOURITES).sum() / pl.col("plays").sum()).alias("favourites"),
        (pl.len() / pl.col("plays").sum()).alias("distinct"),
    )
    return figures(users, top_10_tracks_share=pl.col("favourites").mean(), tracks_per_play=pl.col("distinct").mean())


def gini(count_T: NDArray[np.int64]) -> float:
    """Return the Gini coefficient, 0 where all are equal; 1 and 3 plays: (1 * -1 + 3 * 1) / (2 * 4) = 0.25.

    >>> gini(np.array([3, 1]))
    0.25
    """
    weight_T = 2 * np.arange(1, len(count_T) + 1) - len(count_T) - 1
    total = len(count_T) * count_T.sum()
    return float((weight_T * np.sort(count_T)).sum() / total) if total > 0 else math.nan


def top_share(count_T: NDArray[np.int64], top: float) -> float:
    """Return the share of plays on the most played part of the tracks, at least one track.

    >>> top_share(np.array([1, 1, 2]), 0.1)
    0.5
    """
    if len(count_T) == 0:
        return math.nan
    return float(np.sort(count_T)[::-1][: math.ceil(top * len(count_T))].sum() / count_T.sum())


def count_plays(plays: pl.DataFrame) -> NDArray[np.int64]:
    """Return the plays of every track that is played."""
    return plays.group_by(TRACK_ID).len()["len"].to_numpy().astype(np.int64)
