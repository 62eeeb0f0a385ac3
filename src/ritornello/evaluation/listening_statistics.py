"""How people listen, in figures that mean the same for a real log and for a simulated one.

The figures that read no clock (repeats, distances, concentration, growth) hold for a log of which only the order is real.
A figure without a single row to judge it by is NaN.
"""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ritornello.evaluation.concentration import concentration_figures, count_plays, popularity_figures
from ritornello.evaluation.numbered_plays import (
    PLAY_NUMBER,
    RETURN_MS,
    RETURN_PLAYS,
    SESSION,
    figures,
    number_plays,
    of_long_histories,
    quantile,
)
from ritornello.schema import ACTION, AT, ONE_DAY_MS, ONE_HOUR_MS, PLAYED_MS, TRACK_ID, TRACK_MS, USER_ID, Action

EARLY_PLAYS = 50
LATE_PLAYS = (200, 400)
BLOCK_HOURS = 3

RETURN_LOG10_HOURS = np.linspace(-2.0, 4.0, 25)
SESSION_PLAYS = np.array([1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 64, 100, 200, 1_000], dtype=np.float64)
RANKS = np.unique(np.round(np.logspace(0, 6, 37)))
LISTENED_SHARES = np.linspace(0.0, 1.0, 21)


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """One share per bin; there is one edge more than there are bins."""

    edge: list[float]
    share: list[float]


def listening_statistics(events: pl.DataFrame) -> dict[str, float]:
    """Return every figure that needs plays only."""
    plays = number_plays(events)
    return {
        **repeat_figures(plays),
        **return_figures(plays),
        **session_figures(plays),
        **clock_figures(plays),
        **popularity_figures(plays),
        **concentration_figures(plays),
        **growth_figures(plays),
    }


def repeat_figures(plays: pl.DataFrame) -> dict[str, float]:
    """Return how many plays are repeats, how many follow the same track, how far apart they are in plays."""
    return figures(
        plays,
        repeat_share=pl.col(RETURN_PLAYS).is_not_null().mean(),
        twice_in_a_row_share=(pl.col(RETURN_PLAYS) == 1).fill_null(False).mean(),
        return_plays_p25=quantile(RETURN_PLAYS, 0.25),
        return_plays_p50=quantile(RETURN_PLAYS, 0.50),
        return_plays_p75=quantile(RETURN_PLAYS, 0.75),
    )


def return_figures(plays: pl.DataFrame) -> dict[str, float]:
    """Return how long a repeat comes after the last play; the last two shares hardly depend on how long the log is."""
    hours, is_soon = pl.col(RETURN_MS) / ONE_HOUR_MS, pl.col(RETURN_MS) <= 30 * ONE_DAY_MS
    return figures(
        plays,
        return_hours_p25=quantile(RETURN_MS, 0.25) / ONE_HOUR_MS,
        return_hours_p50=quantile(RETURN_MS, 0.50) / ONE_HOUR_MS,
        return_hours_p75=quantile(RETURN_MS, 0.75) / ONE_HOUR_MS,
        return_within_1_hour_share=(hours <= 1).mean(),
        return_within_1_day_share=(hours <= 24).mean(),
        return_within_7_days_share=(hours <= 7 * 24).mean(),
        return_within_30_days_share=is_soon.mean(),
        return_1_day_of_30_days_share=(hours <= 24).filter(is_soon).mean(),
        return_7_days_of_30_days_share=(hours <= 7 * 24).filter(is_soon).mean(),
    )


def session_figures(plays: pl.DataFrame) -> dict[str, float]:
    """Return how long sessions are, how many of them repeat a track, how many a user has."""
    sessions = plays.group_by(USER_ID, SESSION, maintain_order=True).agg(
        pl.len().alias("plays"), (pl.col(TRACK_ID).n_unique() < pl.len()).alias("repeats")
    )
    users = sessions.group_by(USER_ID, maintain_order=True).len("sessions")
    of_sessions = figures(
        sessions,
        session_repeat_share=pl.col("repeats").mean(),
        session_plays_mean=pl.col("plays").mean(),
        session_plays_p50=quantile("plays", 0.5),
        session_plays_p90=quantile("plays", 0.9),
    )
    return of_sessions | figures(
        users,
        sessions_per_user_mean=pl.col("sessions").mean(),
        sessions_per_user_cv=pl.col("sessions").std() / pl.col("sessions").mean(),
    )


def clock_figures(plays: pl.DataFrame) -> dict[str, float]:
    """Return how much the hour matters: over all users (whose clocks may differ), and from session to session of one user.

    The second figure is the share of a user's sessions that start within 3 hours of the time of day of the session before
    it, at least a day earlier. It needs no time zone; without any habit it would be 0.25.
    """
    block_E = (plays[AT].to_numpy() // (BLOCK_HOURS * ONE_HOUR_MS)) % (24 // BLOCK_HOURS)
    count_H = np.bincount(block_E, minlength=24 // BLOCK_HOURS)
    apart_ms = pl.col(AT).diff().over(USER_ID)
    shift_ms = apart_ms.filter(apart_ms >= ONE_DAY_MS) % ONE_DAY_MS
    starts = plays.filter(pl.struct(USER_ID, SESSION).is_first_distinct())
    clock_ms = pl.min_horizontal(shift_ms, ONE_DAY_MS - shift_ms)
    return {
        "busiest_to_quietest_hours": float(count_H.max() / count_H.min()) if count_H.min() > 0 else math.nan,
        **figures(starts, same_hours_share=(clock_ms <= BLOCK_HOURS * ONE_HOUR_MS).mean()),
    }


def growth_figures(plays: pl.DataFrame) -> dict[str, float]:
    """Return how repeats grow along the histories of at least 400 plays."""
    first, last = LATE_PLAYS
    number, is_repeat = pl.col(PLAY_NUMBER), pl.col(RETURN_PLAYS).is_not_null()
    return figures(
        of_long_histories(plays, last),
        early_repeat_share=is_repeat.filter(number < EARLY_PLAYS).mean(),
        late_repeat_share=is_repeat.filter(number.is_between(first, last, closed="left")).mean(),
    )


def listening_distributions(events: pl.DataFrame) -> dict[str, Distribution]:
    """Return the binned distributions to plot side by side; plays of unknown length have no listened share."""
    plays = number_plays(events)
    hours_E = plays[RETURN_MS].drop_nulls().to_numpy() / ONE_HOUR_MS
    known = events.filter(pl.col(ACTION) == Action.PLAY).drop_nulls([PLAYED_MS, TRACK_MS])
    share_E = (known[PLAYED_MS] / known[TRACK_MS]).clip(0.0, 1.0).to_numpy()
    return {
        "return_log10_hours": histogram(np.log10(np.maximum(hours_E, 0.01)), RETURN_LOG10_HOURS),
        "session_plays": histogram(plays.group_by(USER_ID, SESSION).len()["len"].to_numpy(), SESSION_PLAYS),
        "track_share_by_rank": popularity_curve(count_plays(plays)),
        "listened_share": histogram(share_E, LISTENED_SHARES),
    }


def histogram(value_E: NDArray[np.floating], edge: NDArray[np.float64]) -> Distribution:
    """Return the share of values in each bin; what lies outside counts in the total.

    >>> histogram(np.array([0.1, 0.2, 0.9, 7.0]), np.array([0.0, 0.5, 1.0])).share
    [0.5, 0.25]
    """
    count, _ = np.histogram(value_E, edge)
    return Distribution(edge=edge.tolist(), share=(count / max(1, len(value_E))).tolist())


def popularity_curve(count_T: NDArray[np.int64]) -> Distribution:
    """Return the mean share of all plays that one track of a bin of ranks has; rank 1 is the most played.

    >>> popularity_curve(np.array([1, 6, 3])).share
    [0.6, 0.3, 0.1]
    """
    played_T = np.sort(count_T)[::-1] / count_T.sum()
    edge = np.append(RANKS[len(count_T) >= RANKS], len(count_T) + 1.0)
    start = edge[:-1].astype(np.int64) - 1
    return Distribution(edge=edge.tolist(), share=(np.add.reduceat(played_T, start) / np.diff(edge)).tolist())
