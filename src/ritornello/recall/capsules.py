"""The capsules without torch: what a request is served with; the same sums as nn/capsule.py, to which tests hold it.

B batch, L distinct tracks, D embedding, K interests, F features.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Float32
from ritornello.data.distinct import GAP, Distinct

SMALLEST = 1e-6


def interests(
    weights: Mapping[str, Float32], track_BLD: Float32, read: Distinct, is_live_BK: Bool, iterations: int
) -> Float32:
    """Return the interests [B, K, D] at the scale at which they are compared with tracks, zeros where not live."""
    scale = weights["scale"]
    event_BLD = scale * track_BLD + weights["gap.tables.0.weight"][read.own_BLF[:, :, GAP]]
    capsule_BKD = scale * route(weights, event_BLD, read.weight_BL, is_live_BK, iterations)
    request_BD = sum(weights[f"request.tables.{place}.weight"][row_B] for place, row_B in enumerate(read.request_BF.T))
    state_BKD = capsule_BKD + np.asarray(request_BD)[:, None]
    mean_BK1 = (state_BKD**2).mean(axis=-1, keepdims=True)
    hidden_BKF = (state_BKD / np.sqrt(mean_BK1 + SMALLEST) * weights["norm.weight"]) @ weights["widen.weight"].T
    moved_BKD = gelu(hidden_BKF + weights["widen.bias"]) @ weights["narrow.weight"].T + weights["narrow.bias"]
    whole_BKD = state_BKD + moved_BKD
    norm_BK1 = np.maximum(np.linalg.norm(whole_BKD, axis=-1, keepdims=True), SMALLEST)
    return np.asarray(whole_BKD / norm_BK1 * is_live_BK[:, :, None] * np.exp(weights["log_scale"]), dtype=np.float32)


def route(
    weights: Mapping[str, Float32], event_BLD: Float32, weight_BL: Float32, is_live_BK: Bool, iterations: int
) -> Float32:
    """Return the capsules [B, K, D] of rounds of routing."""
    mapped_BLD = event_BLD @ weights["routing.map.weight"].T
    query_BKD = np.broadcast_to(weights["routing.anchor"], (len(event_BLD), *weights["routing.anchor"].shape))
    capsule_BKD = np.zeros_like(query_BKD)
    for _ in range(iterations):
        query_BKD = query_BKD + capsule_BKD
        logit_BKL = np.where(is_live_BK[:, :, None], query_BKD @ mapped_BLD.transpose(0, 2, 1), -1e9)
        share_BKL = np.exp(logit_BKL - logit_BKL.max(axis=1, keepdims=True))
        share_BKL = share_BKL / share_BKL.sum(axis=1, keepdims=True) * weight_BL[:, None]
        capsule_BKD = squash(share_BKL.astype(np.float32) @ mapped_BLD) * is_live_BK[:, :, None]
    return capsule_BKD


def squash(sum_BKD: Float32) -> Float32:
    """Shorten vectors to a length of n^2 / (1 + n^2), n their own.

    >>> (squash(np.array([[[3.0, 4.0]]], np.float32)) * 26).round(3).tolist()
    [[[15.0, 20.0]]]
    """
    square_BK1 = (sum_BKD**2).sum(axis=-1, keepdims=True)
    return np.asarray(sum_BKD * np.maximum(np.sqrt(square_BK1), 1e-9) / (1.0 + square_BK1))


def gelu(value: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the smooth gate, in its tanh form."""
    return np.asarray(0.5 * value * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (value + 0.044715 * value**3))))
