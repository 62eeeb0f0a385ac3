"""Random numbers by name: every draw is a hash of who, when and what for, so that worlds can be compared draw by draw.

Two policies meet the same listener with the same luck (common random numbers), and a listener behaves the same whichever
process simulates them. The hash is SplitMix64 (Steele, Lea and Flood 2014). B batch, N draws.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

UInt64 = NDArray[np.uint64]
Float64 = NDArray[np.float64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND = np.uint64(0x94D049BB133111EB)
UNIT = 2.0**-53
ALL_BITS = 2**64 - 1
DRAWS = 1 << 40  # kinds of draws are named above whatever else has a key: sessions, steps, tracks


class Draw(IntEnum):
    """What a number is drawn for."""

    TRAITS = 1
    INTERESTS = 2
    LIBRARY = 3
    SCHEDULE = 4
    SESSION = 5
    ORIGIN = 6
    CHOICE = 7
    OFFER = 8
    GLANCE = 9
    LISTEN = 10
    ACTS = 11
    TASTE = 12
    PAUSE = 13
    CANDIDATES = 14
    LOOP = 15


def mix(number_N: UInt64) -> UInt64:
    """Scramble numbers, bit by bit beyond recognition; the same in, the same out."""
    mixed_N = number_N ^ (number_N >> np.uint64(30))
    mixed_N *= FIRST
    mixed_N ^= mixed_N >> np.uint64(27)
    mixed_N *= SECOND
    mixed_N ^= mixed_N >> np.uint64(31)
    return mixed_N


def keys(parent_N: UInt64, child_N: NDArray[np.integer] | int) -> UInt64:
    """Return the keys of children: `keys(keys(world, listener), session)` names one listener's session."""
    if isinstance(child_N, int):
        return mix(parent_N + np.uint64((child_N + 1) * int(GOLDEN) & ALL_BITS))
    named_N = child_N.astype(np.uint64)
    named_N += np.uint64(1)
    named_N *= GOLDEN
    return mix(named_N + parent_N)


def uniform(key_N: UInt64, draw: Draw) -> Float64:
    """Return one number in (0, 1) per key."""
    return ((keys(key_N, DRAWS + draw) >> np.uint64(11)).astype(np.float64) + 0.5) * UNIT


def uniforms(key_N: UInt64, draw: Draw, count: int) -> Float64:
    """Return `count` numbers in (0, 1) per key [N, count]."""
    named_N1 = keys(key_N, DRAWS + draw)[:, None]
    return ((keys(named_N1, np.arange(count)[None, :]) >> np.uint64(11)).astype(np.float64) + 0.5) * UNIT


def normal(uniform_N: Float64) -> Float64:
    """Turn uniform numbers into standard normal ones."""
    return np.asarray(ndtri(uniform_N), dtype=np.float64)


def gumbel(uniform_N: Float64) -> Float64:
    """Turn uniform numbers into standard Gumbel ones: the largest of score + Gumbel is a draw from the softmax."""
    return -np.log(-np.log(uniform_N))
