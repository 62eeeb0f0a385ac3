"""What a policy does for listeners: totals per listener, figures from them, and intervals over listeners.

Every figure is a ratio of sums over listeners. Intervals are bootstrapped over listeners (Efron 1979), the same draw for all
policies, so that a difference between two policies is a paired one. U listeners, M totals, S draws.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ritornello.contracts import Bool, Int64
from ritornello.data.labels import CHORUS_RATIO
from ritornello.data.sessions import SESSION_GAP_MS
from ritornello.data.sources.simulator.catalogue import Catalogue
from ritornello.data.sources.simulator.choice import Origin
from ritornello.data.sources.simulator.log import LogRows
from ritornello.schema import AT, ONE_MINUTE_MS, TRACK_ID, USER_ID, Action

ALL, NEWCOMER = "all", "newcomer"
GROUPS = (ALL, NEWCOMER, "light", "heavy", "many_genre")
DRAWS = 1000
ARTIST, GENRE = "artist", "genre"
KEPT_LISTENS = 2  # more listens, in later sessions, after which a new artist counts as kept
# Figure: what is divided by what, and the unit.
FIGURES = {
    "minutes_per_session": ("minutes", "sessions"),
    "offered_minutes_per_session": ("offered_minutes", "sessions"),
    "plays_per_session": ("plays", "sessions"),
    "skip_rate": ("offered_skips", "offered_plays"),
    "play_rate": ("offered_plays", "offers"),
    "likes_per_100_plays": ("likes_100", "offered_plays"),
    "repeat_share": ("offered_repeats", "offered_plays"),
    "artists_per_play": ("offered_artists", "offered_plays"),
    "new_artists_found": ("artists_found", "listeners"),
    "new_artists_kept": ("artists_kept", "listeners"),
}
TOTALS = tuple(dict.fromkeys(name for pair in FIGURES.values() for name in pair))
ORACLE = "oracle"
REGRET = "minutes_per_session"


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What listeners had played before the loop: (listener, track) and (listener, artist) pairs."""

    tracks: pl.DataFrame
    artists: pl.DataFrame


def first_heard(past: LogRows, catalogue: Catalogue) -> Heard:
    """Return what was played in the log."""
    is_play_R = past.action_R == Action.PLAY
    plays = pl.DataFrame({USER_ID: past.id_R[is_play_R], TRACK_ID: past.track_R[is_play_R]})
    plays = plays.with_columns(pl.Series(ARTIST, catalogue.artist_T[past.track_R[is_play_R]]))
    known = pl.lit(True).alias("known")
    return Heard(
        tracks=plays.select(USER_ID, TRACK_ID).unique().with_columns(known),
        artists=plays.select(USER_ID, ARTIST).unique().with_columns(known),
    )


def totals(rows: LogRows, catalogue: Catalogue, heard: Heard, id_B: Int64) -> pl.DataFrame:
    """Return each listener's totals, zeros for who did not listen."""
    events = event_frame(rows, catalogue)
    plays = events.filter(pl.col("action") == Action.PLAY)
    plays = plays.join(heard.tracks, on=[USER_ID, TRACK_ID], how="left", maintain_order="left")
    is_again = pl.col("known").fill_null(value=False) | ~pl.struct(USER_ID, TRACK_ID).is_first_distinct()
    plays = plays.with_columns(is_again.alias("is_again"))
    is_offer = pl.col("source") == Origin.OFFER
    offered = plays.group_by(USER_ID).agg(
        plays=pl.len().cast(pl.Float64),
        minutes=pl.col("minutes").sum(),
        offered_plays=is_offer.sum().cast(pl.Float64),
        offered_minutes=pl.col("minutes").filter(is_offer).sum(),
        offered_skips=pl.col("is_skip").filter(is_offer).sum().cast(pl.Float64),
        offered_repeats=pl.col("is_again").filter(is_offer).sum().cast(pl.Float64),
        offered_artists=pl.col(ARTIST).filter(is_offer).n_unique().cast(pl.Float64),
    )
    acted = events.group_by(USER_ID).agg(
        sessions=pl.col("session").n_unique().cast(pl.Float64),
        offers=(pl.col("action") == Action.IMPRESSION).sum().cast(pl.Float64),
        likes_100=100.0 * ((pl.col("action") == Action.LIKE) & is_offer).sum(),
    )
    listeners = pl.DataFrame({USER_ID: id_B, "listeners": np.ones(len(id_B))})
    joined = listeners
    for table in (offered, acted, discoveries(plays, heard)):
        joined = joined.join(table, on=USER_ID, how="left", maintain_order="left")
    return joined.select(USER_ID, *(pl.col(name).fill_null(0.0).cast(pl.Float64) for name in TOTALS))


def event_frame(rows: LogRows, catalogue: Catalogue) -> pl.DataFrame:
    """Return the events of a loop by listener and time, with their session."""
    events = pl.DataFrame(
        {
            USER_ID: rows.id_R,
            AT: rows.at_R,
            TRACK_ID: rows.track_R,
            ARTIST: catalogue.artist_T[rows.track_R],
            "action": rows.action_R,
            "source": rows.source_R,
            "minutes": np.maximum(rows.played_ms_R, 0) / ONE_MINUTE_MS,
            "is_skip": (rows.played_ms_R >= 0) & (rows.played_ms_R < CHORUS_RATIO * rows.track_ms_R),
        }
    ).sort(USER_ID, AT, maintain_order=True)
    is_start = pl.col(AT).diff().over(USER_ID).fill_null(SESSION_GAP_MS) >= SESSION_GAP_MS
    return events.with_columns(is_start.cum_sum().over(USER_ID).alias("session"))


def discoveries(plays: pl.DataFrame, heard: Heard) -> pl.DataFrame:
    """Count artists that a listener heard for the first time on offer, and took to, and those they came back to."""
    unknown = plays.join(heard.artists, on=[USER_ID, ARTIST], how="anti", maintain_order="left")
    by_artist = unknown.group_by(USER_ID, ARTIST, maintain_order=True).agg(
        is_offered=pl.col("source").first() == Origin.OFFER,
        is_taken=~pl.col("is_skip").first(),
        listens_later=((pl.col("session") > pl.col("session").first()) & ~pl.col("is_skip")).sum(),
    )
    found = by_artist.filter(pl.col("is_offered") & pl.col("is_taken"))
    return found.group_by(USER_ID).agg(
        artists_found=pl.len().cast(pl.Float64),
        artists_kept=(pl.col("listens_later") >= KEPT_LISTENS).sum().cast(pl.Float64),
    )


def figures_of(lived: pl.DataFrame, policies: tuple[str, ...], *, reference: str, seed: int = 0) -> dict[str, object]:
    """Return by policy and group every figure, and its difference from the reference policy's."""
    by_policy = {name: lived.filter(pl.col("policy") == name).sort(USER_ID) for name in policies}
    first = by_policy[policies[0]]
    results: dict[str, dict[str, object]] = {name: {} for name in policies}
    against: dict[str, dict[str, object]] = {name: {} for name in policies if name != reference}
    for group in GROUPS:
        is_member_U = np.ones(len(first), bool) if group == ALL else first[group].to_numpy()
        if not is_member_U.any():
            continue
        drawn_SU = draws(int(is_member_U.sum()), seed)
        ratio_SF = {name: ratios(table, is_member_U, drawn_SU) for name, table in by_policy.items()}
        for name in policies:
            results[name][group] = summary(ratio_SF[name])
            if name != reference:
                against[name][group] = summary(
                    {figure: ratio_SF[name][figure] - ratio_SF[reference][figure] for figure in FIGURES}
                )
    return {"results": results, "against": {reference: against}}


def regret(lived: pl.DataFrame, policies: tuple[str, ...]) -> dict[str, object]:
    """Return by policy how many minutes a session stays behind the oracle's, with its interval."""
    against = figures_of(lived, policies, reference=ORACLE)["against"]
    assert isinstance(against, dict)
    found: dict[str, object] = {}
    for name, by_group in against[ORACLE].items():
        behind = by_group[ALL][REGRET]
        found[name] = {"value": -behind["value"], "low": -behind["high"], "high": -behind["low"]}
    return found


def group_size(lived: pl.DataFrame, policy: str, group: str) -> int:
    """Count the listeners of a group."""
    lives = lived.filter(pl.col("policy") == policy)
    return len(lives) if group == ALL else int(lives[group].sum())


def draws(num_listeners: int, seed: int) -> NDArray[np.float64]:
    """Return how often each listener is drawn [1 + S, U]; the first row is everybody once."""
    generator = np.random.default_rng((seed, num_listeners))
    drawn_SU = generator.multinomial(num_listeners, np.full(num_listeners, 1.0 / num_listeners), size=DRAWS)
    return np.concatenate([np.ones((1, num_listeners)), drawn_SU]).astype(np.float64)


def ratios(table: pl.DataFrame, is_member_U: Bool, drawn_SU: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return each figure by draw; NaN where a draw has nothing to divide by."""
    total_UM = table.select(TOTALS).to_numpy()[is_member_U]
    sum_SM = drawn_SU @ total_UM
    place = {name: number for number, name in enumerate(TOTALS)}
    return {
        figure: np.divide(
            sum_SM[:, place[above]],
            sum_SM[:, place[below]],
            out=np.full(len(sum_SM), np.nan),
            where=sum_SM[:, place[below]] > 0,
        )
        for figure, (above, below) in FIGURES.items()
    }


def summary(ratio_SF: dict[str, NDArray[np.float64]]) -> dict[str, dict[str, float]]:
    """Return value and percentile interval of each figure."""
    found = {}
    for figure, value_S in ratio_SF.items():
        known_S = value_S[1:][~np.isnan(value_S[1:])]
        low, high = np.quantile(known_S, [0.025, 0.975]) if len(known_S) else (np.nan, np.nan)
        found[figure] = {"value": float(value_S[0]), "low": float(low), "high": float(high)}
    return found
