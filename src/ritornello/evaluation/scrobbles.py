"""What a scrobbling site keeps of a full log, so that a simulated service log can be laid beside a real scrobble log.

Two observations, made as the two real logs were made: a sample of sessions of the popular tracks, and the long histories
of some users. A play of unknown length counts as listened. Both keep the columns of the log.
"""

import zlib

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ritornello.contracts import Bool
from ritornello.data.sessions import number_sessions
from ritornello.data.sources.simulator.randomness import GOLDEN, UNIT, mix
from ritornello.evaluation.numbered_plays import SESSION
from ritornello.schema import ACTION, AT, PLAYED_MS, TRACK_ID, TRACK_MS, USER_ID, Action

SCROBBLED_RATIO = 0.5
COPIED_RUN = 4
IS_COPY = "is_copy"


def observe_scrobbles(
    events: pl.DataFrame, *, session_share: float, top_tracks: int | None, seed: int, min_session_plays: int = 3
) -> pl.DataFrame:
    """Return the scrobbles of whole sampled sessions on the most played tracks, without sessions of too few plays.

    Whether a session is sampled depends on the user, the session and the seed alone.
    """
    plays = scrobbles(events)
    sampled = plays.filter(pl.Series(is_sampled(plays, session_share, seed)))
    if top_tracks is not None:
        ranked = plays.group_by(TRACK_ID).len("plays").sort(["plays", TRACK_ID], descending=[True, False])
        sampled = sampled.filter(pl.col(TRACK_ID).is_in(ranked[TRACK_ID].head(top_tracks).to_list()))
    return sampled.filter(pl.len().over(USER_ID, SESSION) >= min_session_plays).drop(SESSION)


def observe_long_histories(
    events: pl.DataFrame, *, max_user_plays: int = 450, min_session_plays: int = 3, min_user_sessions: int = 8
) -> pl.DataFrame:
    """Return each user's latest scrobbles, without copied runs, sessions of too few plays and users of too few sessions.

    Copies are looked for in half as many plays again, as the real histories were half as long again before theirs went.
    """
    original = latest(drop_copied_runs(latest(scrobbles(events), max_user_plays * 3 // 2)), max_user_plays)
    sessions = original.filter(pl.len().over(USER_ID, SESSION) >= min_session_plays)
    return sessions.filter(pl.col(SESSION).n_unique().over(USER_ID) >= min_user_sessions).drop(SESSION)


def latest(plays: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return each user's last plays."""
    return plays.filter(pl.int_range(pl.len()).reverse().over(USER_ID) < count)


def scrobbles(events: pl.DataFrame) -> pl.DataFrame:
    """Return the plays of which at least half was listened, by user and time, with the number of their session."""
    is_listened = (pl.col(PLAYED_MS) >= SCROBBLED_RATIO * pl.col(TRACK_MS)).fill_null(True)
    plays = events.filter((pl.col(ACTION) == Action.PLAY) & is_listened).sort(USER_ID, AT, maintain_order=True)
    user_E = plays[USER_ID].rle_id().to_numpy().astype(np.int32)
    return plays.with_columns(pl.Series(SESSION, number_sessions(user_E, plays[AT].to_numpy())))


def is_sampled(plays: pl.DataFrame, share: float, seed: int) -> Bool:
    """Tell for each play, sorted by user, whether its session is drawn."""
    run_E = plays[USER_ID].rle_id().to_numpy()
    users = plays[USER_ID].unique(maintain_order=True).cast(pl.String)
    hash_U = np.array([zlib.crc32(user.encode()) for user in users], dtype=np.uint64)
    key_E = (hash_U[run_E] << np.uint64(32)) | plays[SESSION].to_numpy().astype(np.uint64)
    drawn_E: Bool = uniform(key_E, seed) < share
    return drawn_E


def uniform(key_E: NDArray[np.uint64], seed: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) per key that looks random: the mixer of SplitMix64 (Steele et al. 2014)."""
    return (mix(key_E * GOLDEN + np.uint64(seed)) >> np.uint64(11)).astype(np.float64) * UNIT


def drop_copied_runs(plays: pl.DataFrame) -> pl.DataFrame:
    """Return the plays that are not part of four tracks in the order in which the user had played them before."""
    following = [pl.col(TRACK_ID).shift(-step).over(USER_ID).alias(f"track_{step}") for step in range(COPIED_RUN)]
    is_whole = pl.col(f"track_{COPIED_RUN - 1}").is_not_null()
    run = pl.struct(USER_ID, *(f"track_{step}" for step in range(COPIED_RUN)))
    starts = plays.select(USER_ID, *following).select(USER_ID, (is_whole & ~run.is_first_distinct()).alias(IS_COPY))
    covering = [pl.col(IS_COPY).shift(step, fill_value=False).over(USER_ID) for step in range(COPIED_RUN)]
    return plays.filter(~starts.select(pl.any_horizontal(*covering)).to_series())
