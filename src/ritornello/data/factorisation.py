"""Track vectors by implicit-feedback matrix factorisation: alternating least squares (Hu, Koren and Volinsky 2008).

Each (user, track) weighs 1 + alpha * ln(1 + decayed listens). T tracks, D factors, E events.
"""

import numpy as np
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from ritornello.contracts import Float32
from ritornello.data.sequence import Sequences, listens
from ritornello.data.sparse import sum_pairs
from ritornello.schema import ONE_DAY_MS


def factorise(
    sequences: Sequences,
    size: int,
    *,
    factors: int,
    regularization: float,
    alpha: float,
    iterations: int,
    half_life_days: float,
    seed: int,
) -> Float32:
    """Return the vectors [T, D] of `size` tracks; ages count from each user's own newest listen."""
    from implicit.cpu.als import AlternatingLeastSquares  # training only: serving needs no implicit

    is_used_E = listens(sequences)
    user_E, at_E = sequences.user_E[is_used_E], sequences.at_E[is_used_E]
    newest_U = np.zeros(sequences.num_users + 1, np.int64)
    np.maximum.at(newest_U, user_E, at_E)
    age_days_E = (newest_U[user_E] - at_E) / ONE_DAY_MS
    weight_E = np.exp2(-np.minimum(age_days_E / half_life_days, 100.0))
    listens_UT = sum_pairs(user_E, sequences.track_E[is_used_E], weight_E, (sequences.num_users + 1, size))
    listens_UT.data = np.log1p(listens_UT.data)
    with threadpool_limits(1, "blas"):  # its own threads share the work; nested ones make it slow
        model = AlternatingLeastSquares(
            factors=factors, regularization=regularization, alpha=alpha, iterations=iterations, random_state=seed
        )
        model.fit(csr_matrix(listens_UT), show_progress=False)
    return np.asarray(model.item_factors, dtype=np.float32)


def unit(vector_TD: Float32) -> Float32:
    """Return vectors of length 1; zeros stay."""
    return np.asarray(vector_TD / np.maximum(np.linalg.norm(vector_TD, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def turned(place_TD: Float32, onto_TD: Float32) -> Float32:
    """Return places rotated as close as can be to others, by the tracks that both have (Schoenemann 1966)."""
    both = slice(0, min(len(place_TD), len(onto_TD)))
    left, _, right = np.linalg.svd(place_TD[both].T @ onto_TD[both])
    return np.asarray(place_TD @ (left @ right), dtype=np.float32)
