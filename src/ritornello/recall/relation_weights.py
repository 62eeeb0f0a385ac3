"""What a step along each relation should weigh, learned from what users came to play.

The weight of a walk is the product of its steps' weights, so walks by one relation alone tell its weight. Their masses, as of
some weeks before the fit, predict by nonnegative least squares which unheard tracks a user then played: track > node > track
by the relation; for a relation that links artists to artists, the walk that goes over both performers. Each coefficient is
drawn towards what the set weights say, relative error 1 (a Bayesian ridge): a relation that few walks use stays as it was set.
R relations, P played pairs of row and track, K those and some that were not played, B rows, T tracks.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.sparse import csr_array

from ritornello.contracts import Float32, History
from ritornello.data import split
from ritornello.data.knowledge import Knowledge
from ritornello.data.sequence import Sequences, encode, listens
from ritornello.data.sparse import values_at
from ritornello.schema import ONE_DAY_MS

# The last days before the fit, how many users, how much of a history, pairs not played for each played one.
DAYS, USERS, EVENTS, NEGATIVES = 14, 400, 1000, 20
BRIDGE = "performed_by"

Float64 = NDArray[np.float64]
# Gives the mass [B, T] of the walks of 2 steps, or of 3, that use only the relations with a weight.
Mass = Callable[[Knowledge, int, History, Float32, int], csr_array]


def learn(
    set_R: Float32, hop_weight: float, mass: Mass, sequences: Sequences, at: int, knowledge: Knowledge
) -> Float32:
    """Return learned weights, or those that are set where there is nothing to learn from."""
    cut = at - DAYS * ONE_DAY_MS
    past = split.before(sequences, cut)
    seen = knowledge.before(cut, played=past.num_tracks)
    row_P, track_P, history = first_plays(sequences, past, cut, at, seen.num_tracks)
    relations = knowledge.graph.relations
    if len(row_P) == 0 or BRIDGE not in relations:
        return set_R
    bridge, on_tracks_R = relations.index(BRIDGE), seen.graph.touch_tracks()
    mass_R = [
        mass_of(mass, seen, past.num_users, history, relation, bridge if not on_tracks_R[relation] else relation)
        for relation in range(len(set_R))
    ]
    design_KR, wanted_K, noise = examples(mass_R, row_P, track_P)
    said_R = np.where(on_tracks_R, set_R**2, set_R * set_R[bridge] ** 2 * hop_weight).astype(np.float64)
    coefficient_R = ridge(design_KR, wanted_K, said_R, noise)
    best = bridge if coefficient_R[bridge] > 0 else int(np.where(on_tracks_R, coefficient_R, 0.0).argmax())
    if coefficient_R[best] <= 0:
        return set_R
    share_R = coefficient_R / coefficient_R[best]
    between_R = share_R / hop_weight if best == bridge else set_R
    return np.where(on_tracks_R, set_R[best] * np.sqrt(share_R), between_R).astype(np.float32, copy=False)


def ridge(design_KR: Float64, wanted_K: Float64, said_R: Float64, noise: float) -> Float64:
    """Solve for nonnegative coefficients, drawn towards the best multiple of `said_R`; zeros where there is none.

    The last column of the design is a constant.
    """
    by_set_K = design_KR[:, :-1] @ said_R
    scale = float(by_set_K @ wanted_K) / max(float(by_set_K @ by_set_K), 1e-30)
    prior_R = scale * said_R
    if scale <= 0:
        return np.zeros(len(said_R))
    pull_R = np.sqrt(noise) / np.maximum(prior_R, 1e-30)
    pull_R[prior_R <= 0] = 0.0
    # In units of the prior, all numbers are near 1; nothing pulls at the constant, the last one.
    unit_R = np.r_[np.where(prior_R > 0, prior_R, 1.0), 1.0]
    pull_R = np.r_[pull_R, 0.0]
    rows = np.vstack([design_KR * unit_R, np.diag(pull_R * unit_R)])
    solved_R = nnls(rows, np.r_[wanted_K, pull_R * np.r_[prior_R, 0.0]])[0] * unit_R
    return np.asarray(solved_R[:-1], dtype=np.float64)


def examples(
    mass_R: list[csr_array], row_P: NDArray[np.int64], track_P: NDArray[np.int64]
) -> tuple[Float64, Float64, float]:
    """Return weighted rows of masses with what was wanted of each, and the noise of one pair.

    All played pairs, and some of those reached but not played, each standing for many.
    """
    size = mass_R[0].shape[1]
    played_P = row_P * size + track_P
    reached_K = np.setdiff1d(np.concatenate([keys_of(mass) for mass in mass_R]), played_P)
    num_drawn = min(len(reached_K), NEGATIVES * len(played_P))
    drawn_K = np.random.default_rng(0).choice(reached_K, num_drawn, replace=False)
    row_K, track_K = np.divmod(np.r_[played_P, drawn_K], size)
    stands_for = len(reached_K) / max(num_drawn, 1)
    root_K = np.sqrt(np.r_[np.ones(len(played_P)), np.full(num_drawn, stands_for)])
    one_K = np.ones(len(row_K))  # how often a track is played that is reached no better than others
    mass_KR = np.stack([*(values_at(mass, row_K, track_K) for mass in mass_R), one_K], axis=1).astype(np.float64)
    wanted_K = np.r_[np.ones(len(played_P)), np.zeros(num_drawn)]
    rate = len(played_P) / (len(played_P) + len(reached_K))
    return mass_KR * root_K[:, None], wanted_K, rate * (1.0 - rate)


def first_plays(
    sequences: Sequences, past: Sequences, cut: int, at: int, num_tracks: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], History]:
    """Return (row, track) pairs that users first played from `cut` on, and what a sample of users had done before."""
    window = split.between(sequences, cut, at)
    is_used_E = listens(window) & (window.track_E <= num_tracks)
    size = np.int64(sequences.num_tracks + 1)
    heard_P = np.unique(past.user_E * size + past.track_E)
    new_P = np.setdiff1d(window.user_E[is_used_E] * size + window.track_E[is_used_E], heard_P)
    users = np.intersect1d(new_P // size, past.user_E)
    users = np.sort(np.random.default_rng(0).permutation(users)[:USERS])
    new_P = new_P[np.isin(new_P // size, users)]
    history = encode(past, users, np.full(len(users), cut, np.int64), max_events=EVENTS)
    return np.searchsorted(users, new_P // size), new_P % size, history


def mass_of(mass: Mass, seen: Knowledge, num_users: int, history: History, relation: int, bridge: int) -> csr_array:
    """Return the mass of walks by one relation [B, T]: two steps, or three with `bridge` before and after it."""
    only_R = np.zeros(len(seen.graph.relations), np.float32)
    only_R[[relation, bridge]] = 1.0
    return mass(seen, num_users, history, only_R, 2 if relation == bridge else 3)


def keys_of(mass: csr_array) -> NDArray[np.int64]:
    """Return one number per pair of row and track that has an entry."""
    row_P = np.repeat(np.arange(mass.shape[0], dtype=np.int64), np.diff(mass.indptr))
    return row_P * mass.shape[1] + mass.indices
