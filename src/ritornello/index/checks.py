"""What an index refuses: vectors that are no numbers, tracks that are no tracks, sizes that do not fit.

Every refusal is one line that says what is wrong, what was found and what is allowed.
"""

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Float32, Int32

LARGEST = np.iinfo(np.int32).max


def checked_tracks(track_N: NDArray[np.integer]) -> Int32:
    """Return tracks as int32.

    Raises:
        ValueError: for tracks that are no list of distinct integers from 1.
    """
    track_N = np.asarray(track_N)
    if track_N.ndim != 1 or not (np.issubdtype(track_N.dtype, np.integer) or track_N.size == 0):
        raise ValueError(f"tracks have shape {track_N.shape} and type {track_N.dtype}: a list of integers is allowed")
    is_wrong_N = (track_N < 1) | (track_N > LARGEST)
    if is_wrong_N.any():
        row = int(np.argmax(is_wrong_N))
        raise ValueError(f"row {row} holds track {track_N[row]}: tracks from 1 to 2**31 - 1 are allowed, 0 is padding")
    order_N = np.argsort(track_N, kind="stable")
    is_twice_N = track_N[order_N][1:] == track_N[order_N][:-1]
    if is_twice_N.any():
        first = int(np.argmax(is_twice_N))
        rows = f"rows {order_N[first]} and {order_N[first + 1]} both hold track {track_N[order_N[first]]}"
        raise ValueError(f"{rows} ({int(is_twice_N.sum())} repeated in all): each track is allowed once")
    return track_N.astype(np.int32, copy=False)


def checked_vectors(vector: NDArray[np.floating], *, axes: int, dimension: int | None, what: str) -> Float32:
    """Return vectors as contiguous float32.

    Raises:
        ValueError: for another number of axes, another dimension than the index has, or a value that is not finite.
    """
    vector = np.ascontiguousarray(vector)
    if vector.ndim != axes or not np.issubdtype(vector.dtype, np.floating):
        raise ValueError(f"{what} have shape {vector.shape} and type {vector.dtype}: {axes} axes of floats are allowed")
    if vector.shape[-1] != (vector.shape[-1] if dimension is None else dimension) or vector.shape[-1] == 0:
        allowed = "1 or more" if dimension is None else dimension
        raise ValueError(f"{what} have {vector.shape[-1]} dimensions: allowed are {allowed}")
    with np.errstate(over="ignore"):  # what overflows float32 becomes infinite and is refused below
        vector = vector.astype(np.float32, copy=False)
    flat_RD = vector.reshape(-1, vector.shape[-1])  # NaN spoils the largest of its row: no flags as many as the values
    is_wrong_R = ~(np.isfinite(flat_RD.max(axis=1)) & np.isfinite(flat_RD.min(axis=1)))
    if is_wrong_R.any():
        row = int(np.argmax(is_wrong_R)) // (1 if axes == 2 else vector.shape[1])
        raise ValueError(
            f"{what}: row {row} is not finite ({int(is_wrong_R.sum())} in all): finite numbers are allowed"
        )
    return vector


def checked_pairs(
    track_N: NDArray[np.integer], vector_ND: NDArray[np.floating], dimension: int | None
) -> tuple[Int32, Float32]:
    """Return tracks and their vectors.

    Raises:
        ValueError: for what `checked_tracks` or `checked_vectors` refuse, or lengths that differ.
    """
    track_N = checked_tracks(track_N)
    vector_ND = checked_vectors(vector_ND, axes=2, dimension=dimension, what="vectors of tracks")
    if len(track_N) != len(vector_ND):
        raise ValueError(f"{len(track_N)} tracks came with {len(vector_ND)} vectors: one vector a track is allowed")
    return track_N, vector_ND


def checked_k(k: int) -> int:
    """Return how many tracks are asked for.

    Raises:
        ValueError: for fewer than none.
    """
    if k < 0:
        raise ValueError(f"k is {k}: 0 or more are allowed")
    return k
