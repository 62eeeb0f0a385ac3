"""Where vectors begin: tracks by a truncated SVD of who played what, and how much.

U users, R rows of users and sessions, T tracks, D embedding, K folds of users, W width of a subspace.
"""

from typing import Protocol

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from ritornello.contracts import Float32
from ritornello.data import split, transitions
from ritornello.data.labels import is_listen
from ritornello.data.sequence import Sequences
from ritornello.schema import ONE_DAY_MS


class Placing(Protocol):
    """The settings that placing tracks reads; the channels' configurations have them."""

    @property
    def dim(self) -> int: ...
    @property
    def svd(self) -> bool: ...
    @property
    def sessions(self) -> float: ...
    @property
    def folds(self) -> int: ...
    @property
    def trend_half_life_days(self) -> float: ...
    @property
    def seed(self) -> int: ...


TREND_PRIOR = 1.0
KEPT = 100  # tracks that follow a track
OVERSAMPLED, ITERATIONS = 16, 4


def place_tracks(sequences: Sequences, size: int, config: Placing, *, code: int = 0) -> Tensor:
    """Return directions and heights [K + 1, T, D + 1]: without each fold of users, and of all; zeros where nobody played.

    A place that a user's own plays have shaped knows what the user plays next. Towers that learned from such places would trust
    them as they never may again; so those of a fold learn from places made without it (cross-fitting), turned onto the final
    ones.
    """
    whole_TE = place(sequences, size, config, code=code)
    fold_E = sequences.user_E % config.folds
    parts = []
    for fold in range(config.folds):
        part_TE = (
            place(split.select(sequences, fold_E != fold), size, config, code=code) if config.folds > 1 else whole_TE
        )
        near = slice(0, config.dim)
        parts.append(np.c_[part_TE[:, near] @ turn(part_TE[:, near], whole_TE[:, near]), part_TE[:, near.stop :]])
    return torch.from_numpy(np.stack([*parts, whole_TE]).astype(np.float32))


def place_again(sequences: Sequences, size: int, config: Placing, earlier_TE: Float32, *, code: int) -> Tensor:
    """Return the places [1, T, D + C + 1] that a newer log gives, turned onto those that an earlier one gave."""
    place_TE = place(sequences, size, config, code=code)
    near, both = slice(0, config.dim), slice(0, min(len(earlier_TE), size))
    place_TE[:, near] = place_TE[:, near] @ turn(place_TE[both, near], earlier_TE[both, near])
    return torch.from_numpy(place_TE)[None]


def follow_tracks(sequences: Sequences, size: int, *, folds: int) -> list[csr_array]:
    """Return how likely tracks follow each other [T, T]: without each fold of users, and by all."""
    parts = [split.select(sequences, sequences.user_E % folds != fold) for fold in range(folds if folds > 1 else 0)]
    return [transitions.chances(part, size, lags=transitions.LAGS, keep=KEPT) for part in [*parts, sequences]]


def turn(from_TD: Float32, to_TD: Float32) -> Float32:
    """Return the rotation [D, D] that brings one set of directions closest to another (Schoenemann 1966)."""
    left, _, right = np.linalg.svd(from_TD.T @ to_TD)
    return np.asarray(left @ right, dtype=np.float32)


def place(sequences: Sequences, size: int, config: Placing, *, code: int) -> Float32:
    """Return directions, codes and heights [T, D + C + 1], the first two of length 1; zeros where nobody has played."""
    is_used_E = is_listen(sequences.action_E, sequences.play_ratio_E)
    count_T = np.bincount(sequences.track_E[is_used_E], minlength=size)
    near_TD = noise(size, config.dim, seed=[config.seed, 0]) * config.dim**-0.5
    if config.svd:
        near_TD = 0.1 * near_TD + decompose(sequences, size, config)  # noise keeps tracks of no component apart
    height_T = np.log(np.maximum(count_T, 1) / max(count_T.sum(), 1)).astype(np.float32)
    return np.asarray(
        np.c_[unit(near_TD), unit(noise(size, code, seed=[config.seed, 1])), height_T] * (count_T > 0)[:, None],
        dtype=np.float32,
    )


def noise(size: int, dim: int, *, seed: list[int]) -> Float32:
    """Return random numbers [T, D]; a track keeps its own when more come after it."""
    return np.random.default_rng(seed).normal(size=(size, dim)).astype(np.float32)


def unit(vector_TD: Float32) -> Float32:
    """Return vectors of length 1."""
    return np.asarray(vector_TD / np.maximum(np.linalg.norm(vector_TD, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def trend(sequences: Sequences, at: int, size: int, config: Placing) -> Float32:
    """Return by how much each track's share of the recent listens is above its share of all, as a difference of logs.

    Training sees tracks as they were played on average; this moves their heights to how they are played at `at`.
    """
    is_used_E = is_listen(sequences.action_E, sequences.play_ratio_E)
    track_E = sequences.track_E[is_used_E]
    weight_E = np.exp2(-(at - sequences.at_E[is_used_E]) / (config.trend_half_life_days * ONE_DAY_MS))
    recent_T = np.bincount(track_E, weights=weight_E, minlength=size)
    all_T = np.bincount(track_E, minlength=size)
    # a track's own share of all, times a few listens, stands in for what too few recent listens cannot tell
    share = float(weight_E.mean()) if len(weight_E) else 1.0
    shift_T = np.log((recent_T + TREND_PRIOR * share) / (all_T * share + TREND_PRIOR * share))
    return np.asarray(np.where(all_T > 0, shift_T, 0.0), dtype=np.float32)


def decompose(sequences: Sequences, size: int, config: Placing) -> Float32:
    """Return the right singular vectors [T, D] of who, and which session, played what.

    Users tell of tastes, sessions of what goes together: both are rows of one matrix, ln(1 + listens), tracks damped by their
    fame, rows by their length; sessions count `sessions` times as much.
    """
    is_used_E = is_listen(sequences.action_E, sequences.play_ratio_E)
    user_E, session_E = sequences.user_E[is_used_E].astype(np.int64), sequences.session_E[is_used_E]
    _, row_E = np.unique(user_E * np.int64(1 << 32) + session_E, return_inverse=True)
    track_E = np.tile(sequences.track_E[is_used_E], 2 if config.sessions else 1)
    row_E = np.concatenate([user_E, sequences.num_users + 1 + row_E])[: len(track_E)]
    listens_RT = csr_array((np.ones(len(row_E)), (row_E, track_E)), shape=(int(row_E.max(initial=0)) + 1, size))
    listens_RT.sum_duplicates()
    listens_RT.data = np.log1p(listens_RT.data)
    share_R = np.ones(listens_RT.shape[0])
    share_R[row_E] = np.repeat([1.0, config.sessions], len(user_E))[: len(track_E)]
    row_R = np.maximum(np.asarray(listens_RT.sum(axis=1)).ravel(), 1.0) / share_R**2
    column_T = np.maximum(np.asarray(listens_RT.sum(axis=0)).ravel(), 1.0)
    listens_RT.data /= np.sqrt(np.repeat(row_R, np.diff(listens_RT.indptr)) * column_T[listens_RT.indices])
    rank = min(config.dim, listens_RT.shape[0] - 1, listens_RT.shape[1] - 1)
    track_TD = np.zeros((size, config.dim), np.float32)
    if rank > 0:
        strength_D, right_DT = truncated_svd(csr_array(listens_RT.astype(np.float32)), rank, seed=config.seed)
        # a sign is chosen for each component, so that two machines agree
        sign_D = np.sign(right_DT[np.arange(rank), np.abs(right_DT).argmax(axis=1)])
        track_TD[:, :rank] = (right_DT * (sign_D * np.sqrt(strength_D))[:, None]).T / np.sqrt(column_T)[:, None]
    scale = float(np.sqrt((track_TD**2).sum(axis=1).mean()))
    return np.asarray(track_TD / max(scale, 1e-9), dtype=np.float32)


def lift(track_TE: Float32, returns: list[Float32], *, scale: float) -> None:
    """Raise all heights by what makes the lowest score possible 0; no order depends on it."""
    is_known_T = track_TE.any(axis=1)
    lowest = track_TE[is_known_T, -1].min(initial=0.0) - scale + sum(min(0.0, float(value.min())) for value in returns)
    track_TE[is_known_T, -1] -= lowest


def truncated_svd(matrix_RT: csr_array, rank: int, *, seed: int) -> tuple[Float32, Float32]:
    """Return the largest singular values and right vectors, by randomised subspace iteration (Halko et al. 2011)."""
    width = min(rank + OVERSAMPLED, *matrix_RT.shape)
    basis_TW = np.random.default_rng(seed).normal(size=(matrix_RT.shape[1], width)).astype(np.float32)
    for _ in range(ITERATIONS):
        basis_TW, _ = np.linalg.qr(matrix_RT.T @ (matrix_RT @ basis_TW))
    image_RW = matrix_RT @ basis_TW  # far more rows than columns: the small square has the same right vectors
    square_W, right_WW = np.linalg.eigh((image_RW.T @ image_RW).astype(np.float64))
    strength_W = np.sqrt(np.maximum(square_W[::-1], 0.0))
    return np.asarray(strength_W[:rank], np.float32), np.asarray((basis_TW @ right_WW[:, ::-1])[:, :rank].T, np.float32)
