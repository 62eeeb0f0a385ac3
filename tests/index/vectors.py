"""Vectors as factor models make them, and indexes over them, for the tests of the index."""

import numpy as np

from ritornello import index
from ritornello.contracts import Float32
from ritornello.index import Index

DIMENSION = 16

# Settings with which an index of a few hundred tracks already does what it does for millions, and still looks at all.
THOROUGH: dict[str, dict[str, object]] = {"ann": {"small": 50, "lists": 0.5, "probes": 1000, "probes_many": 1000}}


def trained_like(size: int, *, dimension: int = DIMENSION, seed: int = 0) -> Float32:
    """Return vectors [N, D] of length 1, Gaussian with a decaying spectrum."""
    rng = np.random.default_rng(seed)
    deviation_D = np.arange(1, dimension + 1, dtype=np.float32) ** -0.5
    turn_DD = np.linalg.qr(np.random.default_rng(9).standard_normal((dimension, dimension)))[
        0
    ]  # the same at every seed
    vector_ND = ((rng.standard_normal((size, dimension)) * deviation_D) @ turn_DD).astype(np.float32)
    return np.asarray(vector_ND / np.linalg.norm(vector_ND, axis=1, keepdims=True))


def built(name: str, size: int, **settings: object) -> Index:
    """Build an index over tracks 1 to `size`."""
    made = index.make(name, {**THOROUGH.get(name, {}), **settings})
    return made.build(np.arange(1, size + 1, dtype=np.int32), trained_like(size))
