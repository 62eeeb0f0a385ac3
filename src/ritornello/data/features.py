"""As-of features of (user, track) pairs: one code for training, evaluation and service.

Everything is a function of a history (strictly older than the request), of statistics about tracks that were fitted
before a cut, and of what recall said about the pair. Repeat features follow ACT-R (see recall/relisten.py): ln(sum age^-d) for
several decays d, counts in windows, days since.
B batch, L history, N candidates, C channels, P (row, track) pairs, G (row, track) groups of events, F features.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Candidates, Float32, History, Int32, RankBatch, Spaces
from ritornello.data.labels import is_finish, is_listen, is_skip
from ritornello.data.sequence import Sequences, listens
from ritornello.schema import ONE_DAY_MS, ONE_HOUR_MS, PADDING

DECAYS = (0.3, 0.5, 0.8, 1.2)
WINDOWS_DAYS = (1, 7, 30, 90)
HALF_LIVES_DAYS = (3.0, 14.0, 60.0)
SESSION_GAP_HOURS = 0.5
ONE_MINUTE_HOURS = 1.0 / 60.0
NEVER = np.float32(1e5)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackStats:
    """What everybody did with each track before a cut; row t of `value_TF` describes track t, row 0 is PADDING."""

    names: tuple[str, ...]
    value_TF: Float32
    artist_T: Int32
    clock: bool


def fit_track_stats(sequences: Sequences, at: int, artist_T: Int32, *, clock: bool = True) -> TrackStats:
    """Count listens, listeners, trend and relistening of every track in sequences that end before `at`.

    `artist_T` has a row for every track that is known by then, played or not.
    """
    is_used_E = listens(sequences)
    track_E, user_E = sequences.track_E[is_used_E], sequences.user_E[is_used_E]
    age_days_E = (at - sequences.at_E[is_used_E]) / ONE_DAY_MS
    size = len(artist_T)

    def count(weight_E: NDArray[np.generic]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(track_E, weights=weight_E, minlength=size), dtype=np.float64)

    columns = {f"track_listens_{days}d": np.log1p(count(age_days_E <= days)) for days in WINDOWS_DAYS}
    columns["track_listens"] = np.log1p(count(np.ones(len(track_E))))
    for days in HALF_LIVES_DAYS:
        columns[f"track_decayed_{days:.0f}d"] = np.log1p(count(np.exp2(-age_days_E / days)))
    columns["track_trend"] = columns["track_decayed_3d"] - columns["track_decayed_60d"]
    pair_G, plays_G = np.unique(user_E.astype(np.int64) * size + track_E, return_counts=True)
    listeners_T = np.bincount(pair_G % size, minlength=size)
    returning_T = np.bincount((pair_G % size)[plays_G > 1], minlength=size)
    columns["track_listeners"] = np.log1p(listeners_T)
    columns["track_relisten_rate"] = (returning_T + 1.0) / (listeners_T + 5.0)
    columns["track_listens_per_listener"] = count(np.ones(len(track_E))) / np.maximum(listeners_T, 1)
    oldest_T = np.zeros(size)
    np.maximum.at(oldest_T, track_E, age_days_E)
    newest_T = np.full(size, NEVER, np.float64)
    np.minimum.at(newest_T, track_E, age_days_E)
    columns["track_age_days"] = oldest_T
    columns["track_idle_days"] = newest_T
    return TrackStats(
        names=tuple(columns),
        value_TF=np.stack(list(columns.values()), axis=1).astype(np.float32),
        artist_T=artist_T,
        clock=clock,
    )


def build(history: History, candidates: Candidates, stats: TrackStats, spaces: Spaces) -> RankBatch:
    """Describe every candidate of every row."""
    row_P, slot_P = np.nonzero(candidates.track_BN != PADDING)
    track_P = candidates.track_BN[row_P, slot_P]
    columns = (
        pair_features(history, row_P, track_P, stats)
        | user_features(history, row_P, clock=stats.clock)
        | dict(zip(stats.names, stats.value_TF[track_P].T, strict=True))
        | recall_features(candidates, row_P, slot_P)
    )
    feature_BNF = np.full((*candidates.track_BN.shape, len(columns)), np.nan, np.float32)
    feature_BNF[row_P, slot_P] = np.stack(list(columns.values()), axis=1)
    return RankBatch(
        track_BN=candidates.track_BN,
        feature_BNF=feature_BNF,
        feature_names=tuple(columns),
        history=history,
        spaces=spaces,
    )


def in_scene(batch: RankBatch, scene_B: NDArray[np.integer], names: tuple[str, ...]) -> RankBatch:
    """Describe the scene of each row too: a column for each name, 1 where the row is in it; `scene_B` counts from 1.

    A row of scene 0 is in none: its scene is unknown.
    """
    is_in_BS = scene_B[:, None] == np.arange(1, len(names) + 1)
    is_candidate_BN = batch.track_BN != PADDING
    column_BNS = np.where(is_candidate_BN[:, :, None], is_in_BS[:, None, :], np.nan).astype(np.float32)
    return replace(
        batch,
        feature_BNF=np.concatenate([batch.feature_BNF, column_BNS], axis=2),
        feature_names=(*batch.feature_names, *(f"scene_{name}" for name in names)),
    )


def pair_features(
    history: History, row_P: NDArray[np.intp], track_P: Int32, stats: TrackStats
) -> dict[str, NDArray[np.generic]]:
    """Describe what a user did with a track, and with its artist where the artist is known."""
    columns = repeat_features(history, history.track_BL, row_P, track_P, prefix="own")
    num_tracks = len(stats.artist_T) - 1
    artist_BL = stats.artist_T[np.where(history.track_BL <= num_tracks, history.track_BL, PADDING)]
    if not stats.artist_T.any():
        return columns
    return columns | repeat_features(history, artist_BL, row_P, stats.artist_T[track_P], prefix="artist")


def repeat_features(
    history: History, key_BL: Int32, row_P: NDArray[np.intp], key_P: Int32, *, prefix: str
) -> dict[str, NDArray[np.generic]]:
    """Describe the events of a row that share a key (track, artist) with the pair: activation, counts, ages, verdicts."""
    row_E, slot_E = np.nonzero((history.track_BL != PADDING) & (key_BL != PADDING))
    size = np.int64(max(int(key_BL.max(initial=0)), int(key_P.max(initial=0))) + 1)
    group_G, group_E = np.unique(row_E * size + key_BL[row_E, slot_E], return_inverse=True)
    age_E = np.maximum(history.age_BL[row_E, slot_E], ONE_MINUTE_HOURS).astype(np.float64)
    ratio_E = history.play_ratio_BL[row_E, slot_E]
    listen_E = is_listen(history.action_BL[row_E, slot_E], ratio_E).astype(np.float64)
    num_groups = len(group_G)

    def total(weight_E: NDArray[np.floating] | NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(group_E, weights=weight_E, minlength=num_groups), dtype=np.float64)

    columns: dict[str, NDArray[np.float64]] = {}
    for decay in DECAYS:
        columns[f"activation_{decay}"] = np.log(np.maximum(total(listen_E * age_E**-decay), 1e-9))
    columns["listens"] = total(listen_E)
    for days in WINDOWS_DAYS:
        columns[f"listens_{days}d"] = total(listen_E * (age_E <= 24 * days))
    newest_G = np.full(num_groups, np.inf)
    np.minimum.at(newest_G, group_E, np.where(listen_E > 0, age_E, np.inf))
    oldest_G = np.zeros(num_groups)
    np.maximum.at(oldest_G, group_E, age_E * listen_E)
    columns["newest_hours"] = newest_G
    columns["oldest_hours"] = oldest_G
    columns["return_ratio"] = newest_G * np.maximum(columns["listens"] - 1, 0.5) / np.maximum(oldest_G - newest_G, 1.0)
    back_G = np.full(num_groups, np.inf)
    np.minimum.at(back_G, group_E, history.track_BL.shape[1] - 1.0 - slot_E)
    columns["back"] = back_G
    session_E = history.session_BL[row_E, slot_E].astype(np.int64)
    session_pairs = np.unique(group_E * np.int64(1 << 32) + session_E)
    columns["sessions"] = np.bincount(session_pairs >> 32, minlength=num_groups).astype(np.float64)
    columns["is_in_newest_session"] = total(session_E == history.session_BL[row_E, -1])
    columns["skips"] = total(is_skip(ratio_E))
    columns["finishes"] = total(is_finish(ratio_E))
    return {f"{prefix}_{name}": column_P for name, column_P in spread(columns, group_G, row_P * size + key_P).items()}


ABSENT = {"newest_hours": NEVER, "back": NEVER, "oldest_hours": np.float32(0)}


def spread(
    columns: dict[str, NDArray[np.float64]], group_G: NDArray[np.int64], group_P: NDArray[np.int64]
) -> dict[str, NDArray[np.generic]]:
    """Look each pair's group up; a pair without events gets 0, an activation below any real one, or NEVER."""
    place_P = np.minimum(np.searchsorted(group_G, group_P), max(len(group_G) - 1, 0))
    is_found_P = (group_G[place_P] == group_P) if len(group_G) else np.zeros(len(group_P), bool)
    spread_columns: dict[str, NDArray[np.generic]] = {}
    for name, value_G in columns.items():
        absent = np.float32(-25.0) if name.startswith("activation") else ABSENT.get(name, np.float32(0))
        value_P = value_G[place_P] if len(group_G) else np.zeros(len(group_P))
        spread_columns[name] = np.where(is_found_P, np.minimum(value_P, NEVER), absent).astype(np.float32)
    return spread_columns


def user_features(history: History, row_P: NDArray[np.intp], *, clock: bool) -> dict[str, NDArray[np.generic]]:
    """Describe the user and the moment, the same for all candidates of a row."""
    is_event_BL = history.track_BL != PADDING
    num_B = is_event_BL.sum(axis=1)
    newest_B = np.where(num_B > 0, history.age_BL[:, -1], NEVER)
    row_E, slot_E = np.nonzero(is_event_BL)
    size = np.int64(history.track_BL.max(initial=0) + 1)
    distinct = np.unique(row_E * size + history.track_BL[row_E, slot_E])
    distinct_B = np.bincount(distinct // size, minlength=len(history))
    is_newest_session_BL = is_event_BL & (history.session_BL == history.session_BL[:, -1:])
    columns = {
        "user_listens": np.log1p(num_B),
        "user_distinct": np.log1p(distinct_B),
        "user_relisten_rate": 1.0 - distinct_B / np.maximum(num_B, 1),
        "user_sessions": np.log1p(history.session_BL[:, -1] + 1),
        "user_idle_hours": newest_B,
        "user_listens_7d": (is_event_BL & (history.age_BL <= 168)).sum(axis=1),
        "session_listens": np.where(newest_B < SESSION_GAP_HOURS, is_newest_session_BL.sum(axis=1), 0),
    }
    if clock:
        columns["hour"] = (history.as_of_B // ONE_HOUR_MS) % 24
        columns["weekday"] = (history.as_of_B // ONE_DAY_MS + 4) % 7
    return {name: column_B[row_P].astype(np.float32) for name, column_B in columns.items()}


def recall_features(
    candidates: Candidates, row_P: NDArray[np.intp], slot_P: NDArray[np.intp]
) -> dict[str, NDArray[np.generic]]:
    """Describe what recall said: each channel's score, its share of the row's best, its rank, and the fused score."""
    score_PC = candidates.channel_score_BNC[row_P, slot_P]
    best_BC = candidates.channel_score_BNC.max(axis=1, initial=0.0)
    rank_PC = candidates.channel_rank_BNC[row_P, slot_P]
    columns: dict[str, NDArray[np.generic]] = {"fused": candidates.score_BN[row_P, slot_P]}
    for channel, name in enumerate(candidates.channels):
        score_P = score_PC[:, channel]
        columns[f"{name}_score"] = score_P
        columns[f"{name}_share"] = score_P / np.maximum(best_BC[row_P, channel], np.float32(1e-12))
        columns[f"{name}_rank"] = np.where(rank_PC[:, channel] > 0, rank_PC[:, channel], NEVER).astype(np.float32)
    columns["num_channels"] = (rank_PC > 0).sum(axis=1).astype(np.float32)
    return columns
