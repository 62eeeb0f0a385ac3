"""Where vectors begin: tracks by a factorisation of who played what, and how much.

U users, T tracks, D embedding, K folds of users.
"""

from typing import Protocol

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from ritornello.contracts import Float32
from ritornello.data import split, transitions
from ritornello.data.factorisation import factorise, turned, unit
from ritornello.data.sequence import Sequences, listens
from ritornello.schema import ONE_DAY_MS


class Placing(Protocol):
    """The settings that placing tracks reads; the channels' configurations have them."""

    @property
    def dim(self) -> int: ...
    @property
    def als(self) -> bool: ...
    @property
    def folds(self) -> int: ...
    @property
    def trend_half_life_days(self) -> float: ...
    @property
    def seed(self) -> int: ...


TREND_PRIOR = 1.0
KEPT = 100  # tracks that follow a track
REGULARIZATION, ALPHA, ITERATIONS, HALF_LIFE_DAYS = 200.0, 80.0, 10, 120.0
NOISE = 0.1  # keeps tracks apart that lie together


def place_tracks(sequences: Sequences, size: int, config: Placing, *, onto_TE: Float32 | None = None) -> Tensor:
    """Return directions and heights [K + 1, T, D + 1]: without each fold of users, and of all; zeros where nobody played.

    They are turned onto the places that an earlier log gave, where these are given.

    A place that a user's own plays have shaped knows what the user plays next. Towers that learned from such places would trust
    them as they never may again; so those of a fold learn from places made without it (cross-fitting), turned onto the final
    ones.
    """
    whole_TE = place(sequences, size, config)
    whole_TE = whole_TE if onto_TE is None else turned_places(whole_TE, onto_TE)
    fold_E = sequences.user_E % config.folds
    parts = []
    for fold in range(config.folds):
        part_TE = place(split.select(sequences, fold_E != fold), size, config) if config.folds > 1 else whole_TE
        parts.append(turned_places(part_TE, whole_TE))
    return torch.from_numpy(np.stack([*parts, whole_TE]).astype(np.float32))


def place_again(sequences: Sequences, size: int, config: Placing, earlier_TE: Float32) -> Tensor:
    """Return the places [1, T, D + 1] that a newer log gives, turned onto those that an earlier one gave."""
    return torch.from_numpy(turned_places(place(sequences, size, config), earlier_TE))[None]


def follow_tracks(sequences: Sequences, size: int, *, folds: int) -> list[csr_array]:
    """Return how likely tracks follow each other [T, T]: without each fold of users, and by all."""
    parts = [split.select(sequences, sequences.user_E % folds != fold) for fold in range(folds if folds > 1 else 0)]
    return [transitions.chances(part, size, lags=transitions.LAGS, keep=KEPT) for part in [*parts, sequences]]


def turned_places(place_TE: Float32, onto_TE: Float32) -> Float32:
    """Return places turned onto others, heights as they are."""
    return np.asarray(np.c_[turned(place_TE[:, :-1], onto_TE[:, :-1]), place_TE[:, -1:]], dtype=np.float32)


def place(sequences: Sequences, size: int, config: Placing) -> Float32:
    """Return directions of length 1 and heights [T, D + 1]; zeros where nobody has played."""
    is_used_E = listens(sequences)
    count_T = np.bincount(sequences.track_E[is_used_E], minlength=size)
    near_TD = noise(size, config.dim, seed=config.seed) * config.dim**-0.5
    if config.als and is_used_E.any():
        near_TD = NOISE * near_TD + unit(
            factorise(
                sequences,
                size,
                factors=config.dim,
                regularization=REGULARIZATION,
                alpha=ALPHA,
                iterations=ITERATIONS,
                half_life_days=HALF_LIFE_DAYS,
                seed=config.seed,
            )
        )
    height_T = np.log(np.maximum(count_T, 1) / max(count_T.sum(), 1)).astype(np.float32)
    return np.asarray(np.c_[unit(near_TD), height_T] * (count_T > 0)[:, None], dtype=np.float32)


def noise(size: int, dim: int, *, seed: int) -> Float32:
    """Return random numbers [T, D]; a track keeps its own when more come after it."""
    return np.random.default_rng(seed).normal(size=(size, dim)).astype(np.float32)


def trend(sequences: Sequences, at: int, size: int, config: Placing) -> Float32:
    """Return by how much each track's share of the recent listens is above its share of all, as a difference of logs.

    Training sees tracks as they were played on average; this moves their heights to how they are played at `at`.
    """
    is_used_E = listens(sequences)
    track_E = sequences.track_E[is_used_E]
    weight_E = np.exp2(-(at - sequences.at_E[is_used_E]) / (config.trend_half_life_days * ONE_DAY_MS))
    recent_T = np.bincount(track_E, weights=weight_E, minlength=size)
    all_T = np.bincount(track_E, minlength=size)
    # a track's own share of all, times a few listens, stands in for what too few recent listens cannot tell
    share = float(weight_E.mean()) if len(weight_E) else 1.0
    shift_T = np.log((recent_T + TREND_PRIOR * share) / (all_T * share + TREND_PRIOR * share))
    return np.asarray(np.where(all_T > 0, shift_T, 0.0), dtype=np.float32)


def lift(track_TE: Float32, returns: list[Float32], *, scale: float) -> float:
    """Raise all heights by what makes the lowest score possible 0, and return it; no order depends on it."""
    is_known_T = track_TE.any(axis=1)
    lowest = track_TE[is_known_T, -1].min(initial=0.0) - scale + sum(min(0.0, float(value.min())) for value in returns)
    track_TE[is_known_T, -1] -= lowest
    return -float(lowest)
