"""Plays in the order of each user, with what lies between a play and the last one of the same track; figures over them.

A session is a run of plays with less than 30 minutes between neighbours. A repeat is a play of a track that the user has
played before; its return time and its return distance (in plays, 1: twice in a row) are counted from the last such play.
"""

import math

import numpy as np
import polars as pl

from ritornello.data.sessions import number_sessions
from ritornello.schema import ACTION, AT, TRACK_ID, USER_ID, Action

SESSION = "session"
PLAY_NUMBER = "play_number"
RETURN_MS = "return_ms"
RETURN_PLAYS = "return_plays"


def number_plays(events: pl.DataFrame) -> pl.DataFrame:
    """Return the plays by user and time with their session, their number, and what lies since the track's last play."""
    plays = events.filter(pl.col(ACTION) == Action.PLAY).select(USER_ID, AT, TRACK_ID)
    plays = plays.sort(USER_ID, AT, maintain_order=True)
    user_E = plays[USER_ID].rle_id().to_numpy().astype(np.int32)
    is_again = (pl.col(USER_ID) == pl.col(USER_ID).shift()) & (pl.col(TRACK_ID) == pl.col(TRACK_ID).shift())
    return (
        plays.with_columns(pl.Series(SESSION, number_sessions(user_E, plays[AT].to_numpy())))
        .with_columns(pl.int_range(pl.len()).over(USER_ID).alias(PLAY_NUMBER))
        .sort(USER_ID, TRACK_ID, PLAY_NUMBER)
        .with_columns(
            pl.when(is_again).then(pl.col(AT).diff()).alias(RETURN_MS),
            pl.when(is_again).then(pl.col(PLAY_NUMBER).diff()).alias(RETURN_PLAYS),
        )
        .sort(USER_ID, PLAY_NUMBER)
    )


def of_long_histories(plays: pl.DataFrame, least: int) -> pl.DataFrame:
    """Return the plays of users who have at least so many."""
    return plays.filter(pl.len().over(USER_ID) >= least)


def quantile(column: str, share: float) -> pl.Expr:
    """Return the quantile of a column, interpolated."""
    return pl.col(column).quantile(share, interpolation="linear")


def figures(table: pl.DataFrame, **expressions: pl.Expr) -> dict[str, float]:
    """Evaluate named expressions that give one number each; NaN where there is nothing to judge by."""
    row = table.select(**expressions).row(0, named=True)
    return {name: math.nan if value is None else float(value) for name, value in row.items()}
