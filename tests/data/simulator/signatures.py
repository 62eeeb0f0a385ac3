"""What each mechanism of a world leaves in its log, as one number that is about zero without it.

A number is computed in groups of listeners, whose spread gives its standard error: listeners live apart, so that groups are
independent. `appeal` and `intent` come from the truth beside the log, to compare like with like.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ritornello.data.labels import is_finish, reaches_chorus
from ritornello.data.sessions import SESSION_GAP_MS
from ritornello.data.sources.simulator.catalogue import Catalogue
from ritornello.data.sources.simulator.choice import SOURCES, Intent
from ritornello.data.sources.simulator.log import LogRows
from ritornello.schema import ONE_DAY_MS, ONE_HOUR_MS, Action

GROUPS = 10
BINS = 40  # of appeal: plays are compared within one
RECENT_DAYS = 3
FEW, MANY = 2, 4  # listens in these days: too few to tire of a track, enough to
ANNOYED_DAYS = 14
LIBRARY, BROWSE, SEARCH = (SOURCES.index(name) for name in ("library", "browse", "search"))


class Signature(NamedTuple):
    """A number and its standard error."""

    value: float
    error: float


def tabulate(rows: LogRows, catalogue: Catalogue) -> pl.DataFrame:
    """Return the log by listener and time, with its sessions, and what the catalogue and the truth add."""
    track_R = rows.track_R
    ratio_R = np.where(rows.played_ms_R >= 0, rows.played_ms_R / rows.track_ms_R, np.nan).astype(np.float32)
    log = pl.DataFrame(
        {
            "user": rows.id_R,
            "at": rows.at_R,
            "track": track_R,
            "action": rows.action_R,
            "source": rows.source_R,
            "appeal": rows.appeal_R,
            "is_focus": rows.intent_R == Intent.FOCUS,
            "artist": catalogue.artist_T[track_R],
            "genre": catalogue.genre_T[track_R],
            "energy": catalogue.energy_T[track_R],
            "skip": (~reaches_chorus(ratio_R, rows.played_ms_R.astype(np.float64))).astype(np.float64),
            "is_finish": is_finish(ratio_R),
        }
    ).sort("user", "at", maintain_order=True)
    is_start = pl.col("at").diff().over("user").fill_null(SESSION_GAP_MS) >= SESSION_GAP_MS
    return log.with_columns(session=is_start.cum_sum())


def plays_of(log: pl.DataFrame) -> pl.DataFrame:
    return log.filter(pl.col("action") == int(Action.PLAY))


def with_expected_skips(plays: pl.DataFrame) -> pl.DataFrame:
    """Add how probable a skip was, by appeal, kind of session and listener, and the rest, which is luck."""
    place = pl.col("appeal").rank("ordinal").over("is_focus") / (pl.len().over("is_focus") + 1)
    plays = plays.with_columns(expected=pl.col("skip").mean().over("is_focus", (place * BINS).floor()))
    rest = pl.col("skip") - pl.col("expected")
    return plays.with_columns(luck=rest - rest.mean().over("user")).with_columns(
        expected=pl.col("skip") - pl.col("luck")
    )


def slope(x_P: NDArray[np.float64], y_P: NDArray[np.float64]) -> float:
    """Return the slope of y over x, by least squares."""
    x_P = x_P - x_P.mean()
    return float((x_P @ y_P) / (x_P @ x_P))


def from_library(log: pl.DataFrame) -> float:
    """Repeats: the share of plays that come from the library, loops among them."""
    return float((plays_of(log)["source"] == LIBRARY).mean())


def genre_turn(log: pl.DataFrame) -> float:
    """Drift: how far the genres browsed in early and late sessions lie apart, beyond those of odd and even ones."""
    plays = plays_of(log).filter(pl.col("source").is_in([BROWSE, SEARCH]))
    nth = pl.col("session").rank("dense").over("user") - 1
    plays = plays.with_columns(nth=nth, sessions=nth.max().over("user") + 1).filter(pl.col("sessions") >= 8)
    user_P = plays["user"].rank("dense").to_numpy().astype(np.int64) - 1
    late, odd = plays.select(2 * pl.col("nth") >= pl.col("sessions"), odd=pl.col("nth") % 2)

    def distance(half: pl.Series) -> float:
        count_U2G = np.zeros((user_P.max() + 1, 2, plays["genre"].max() + 1))
        np.add.at(count_U2G, (user_P, half.to_numpy().astype(np.int64), plays["genre"].to_numpy()), 1.0)
        share_U2G = count_U2G / np.maximum(count_U2G.sum(axis=2, keepdims=True), 1.0)
        return float(0.5 * np.abs(share_U2G[:, 0] - share_U2G[:, 1]).sum(axis=1).mean())

    return distance(late) - distance(odd)


def wear(log: pl.DataFrame) -> float:
    """Satiation: how much likelier a track is skipped after many listens in the last days than after few.

    Each play is compared with the first one of its track in the same session, when the mood was the same. NaN where nothing
    was heard often.
    """
    plays = with_expected_skips(plays_of(log)).with_row_index("row")
    plays = plays.with_columns(
        recent=pl.Series(recent_listens(plays)), first=pl.col("row").min().over("session", "track")
    )
    again = plays.filter(pl.col("row") > pl.col("first"))
    more_P = again["skip"].to_numpy() - plays["expected"].to_numpy()[again["first"].to_numpy()]
    is_many_P, is_few_P = (again["recent"] >= MANY).to_numpy(), (again["recent"] <= FEW).to_numpy()
    return float(more_P[is_many_P].mean() - more_P[is_few_P].mean()) if is_many_P.any() else np.nan


def recent_listens(plays: pl.DataFrame) -> NDArray[np.int64]:
    """Return how often each track was listened to by its listener in the days before each play."""
    ordered = plays.sort("user", "track", "at")
    user_P, track_P, at_P = (ordered[name].to_numpy() for name in ("user", "track", "at"))
    pair_P = np.cumsum(np.r_[False, (np.diff(user_P) != 0) | (np.diff(track_P) != 0)]).astype(np.int64) << 40
    at_P = at_P - at_P.min()
    since_P = np.searchsorted(pair_P + at_P, pair_P + np.maximum(at_P - RECENT_DAYS * ONE_DAY_MS, 0))
    listens_P = np.r_[0, np.cumsum(ordered["skip"].to_numpy() == 0.0)]
    recent_P = np.zeros(len(plays), np.int64)
    recent_P[ordered["row"].to_numpy()] = listens_P[np.arange(len(plays))] - listens_P[since_P]
    return recent_P


def annoyance(log: pl.DataFrame) -> float:
    """Negatives: how much likelier a track is skipped after luck had another one of its artist skipped.

    Luck has nothing to do with whether the artist pleases.
    """
    plays = with_expected_skips(plays_of(log)).with_columns(
        pl.col("luck", "track", "at").shift(1).over("user", "artist").name.suffix("_before")
    )
    days = (pl.col("at") - pl.col("at_before")) / ONE_DAY_MS
    plays = plays.filter((pl.col("track") != pl.col("track_before")) & (days < ANNOYED_DAYS))
    return slope(plays["luck_before"].to_numpy(), plays["skip"].to_numpy())


def session_rhythm(log: pl.DataFrame) -> float:
    """Clock: the variance of the number of sessions by hour over their squared mean, less that of chance."""
    at_S = log.group_by("session").agg(pl.col("at").min())["at"].to_numpy()
    count_H = np.bincount(at_S // ONE_HOUR_MS % 24, minlength=24)
    return float((count_H.var(ddof=1) - count_H.mean()) / count_H.mean() ** 2)


def energy_rhythm(log: pl.DataFrame) -> float:
    """Clock: how much livelier are the tracks that a listener browses at five in the afternoon than twelve hours away."""
    plays = plays_of(log).filter(pl.col("source").is_in([BROWSE, SEARCH]))
    hour = pl.col("at") % ONE_DAY_MS / ONE_HOUR_MS
    plays = plays.with_columns(wave=((hour - 17.0) / 12.0 * np.pi).cos() / 2.0)
    wave, energy = plays.select(pl.col(name) - pl.col(name).mean().over("user") for name in ("wave", "energy"))
    return slope(wave.to_numpy(), energy.to_numpy())


def attention(log: pl.DataFrame) -> float:
    """Passive: how much oftener plays are skipped that are listened to than those in the background, at equal appeal."""
    plays = plays_of(log).with_columns(cell=(pl.col("appeal").rank("ordinal") * BINS / (pl.len() + 1)).floor())
    skip, is_focus = pl.col("skip"), pl.col("is_focus")
    cells = plays.group_by("cell").agg(
        more=skip.filter(~is_focus).mean() - skip.filter(is_focus).mean(), num_focus=is_focus.sum()
    )
    return float((cells["more"] * cells["num_focus"]).sum() / cells["num_focus"].sum())


def searches(log: pl.DataFrame) -> float:
    """Search: the share of events that are searches."""
    return float((log["action"] == int(Action.SEARCH)).mean())


def verdict(log: pl.DataFrame) -> float:
    """Chain: likes per finished play less likes per skipped play."""
    acts = log.filter(pl.col("action").is_in([int(Action.PLAY), int(Action.LIKE)]))
    is_next_like = (pl.col("action").shift(-1) == int(Action.LIKE)) & (pl.col("user").shift(-1) == pl.col("user"))
    plays = plays_of(acts.with_columns(is_liked=is_next_like.fill_null(value=False)))
    return float(plays.filter("is_finish")["is_liked"].mean() - plays.filter(pl.col("skip") == 1.0)["is_liked"].mean())


SIGNATURES: dict[str, Callable[[pl.DataFrame], float]] = {
    "repeats": from_library,
    "drift": genre_turn,
    "satiation": wear,
    "negatives": annoyance,
    "clock": session_rhythm,
    "clock_energy": energy_rhythm,
    "passive": attention,
    "search": searches,
    "chain": verdict,
}


def measure(log: pl.DataFrame) -> dict[str, Signature]:
    """Return every signature of a log, as the mean of its groups of listeners."""
    parts = [log.filter(pl.col("user") % GROUPS == group) for group in range(GROUPS)]
    value_SG = {name: np.array([signature(part) for part in parts]) for name, signature in SIGNATURES.items()}
    return {
        name: Signature(float(value_G.mean()), float(value_G.std(ddof=1) / np.sqrt(GROUPS)))
        for name, value_G in value_SG.items()
    }
