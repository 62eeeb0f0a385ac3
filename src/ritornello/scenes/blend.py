"""Blend: tracks that a scene itself proposes, scored by the scene and by the user's own taste.

The scene stands before the channels in the slate, as what proposed them. B batch, K slate length, N tracks.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Float32, History, Int32, Slate
from ritornello.pipeline import Pipeline, top
from ritornello.scenes.picks import is_newcomer


def standard(score_N: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return scores in standard deviations from their mean.

    >>> standard(np.array([1.0, 3.0])).tolist()
    [-1.0, 1.0]
    """
    if len(score_N) == 0:
        return np.zeros(0)
    value_N = np.asarray(score_N, dtype=np.float64)
    return np.asarray((value_N - value_N.mean()) / max(float(value_N.std()), 1e-9), dtype=np.float64)


def with_origin(slate: Slate, name: str, is_from_BK: Bool) -> Slate:
    """Put the scene itself before the channels, as what proposed some of the tracks."""
    return replace(
        slate,
        channels=(name, *slate.channels),
        channel_BKC=np.concatenate([is_from_BK[:, :, None], slate.channel_BKC], axis=2),
    )


def plain(pipeline: Pipeline, history: History, origin: str, k: int) -> Slate:
    """Return the user's ranked list, as the fallback of a scene that has nothing to propose."""
    slate = top(pipeline.rank(history, task="window"), history, k)
    return with_origin(slate, origin, np.zeros(slate.track_BK.shape, bool))


def blended(
    pipeline: Pipeline, history: History, track_N: Int32, score_N: NDArray[np.floating], origin: str, *, personal: float
) -> Slate:
    """Rank given tracks for the one row by their own scores and, with weight `personal`, as the pipeline does for the user."""
    ranked = pipeline.rank_among(history, track_N)
    slate = with_origin(top(ranked, history, len(track_N)), origin, ranked.track_BN > 0)
    given = dict(zip(track_N.tolist(), standard(score_N).tolist(), strict=True))
    own_N = standard(slate.score_BK[0])
    weight = 0.0 if is_newcomer(history, 0) else personal
    mixed_N = weight * own_N + (1 - weight) * np.array([given[track] for track in slate.track_BK[0].tolist()])
    return resorted(slate, mixed_N.astype(np.float32))


def resorted(slate: Slate, score_K: Float32) -> Slate:
    """Order a slate of one row by other scores, ties by track."""
    order_K = np.lexsort((slate.track_BK[0], -score_K))
    return Slate(
        channels=slate.channels,
        track_BK=slate.track_BK[:, order_K],
        score_BK=score_K[order_K][None],
        heard_BK=slate.heard_BK[:, order_K],
        channel_BKC=slate.channel_BKC[:, order_K],
    )
