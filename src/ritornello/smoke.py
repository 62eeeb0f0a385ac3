"""Smoke test: a handful of requests that a pipeline answers before it is served: listeners of the log, a newcomer, two scenes.

It tells a pipeline that cannot answer, or answers with nothing, from one that can; how good its answers are is for evaluation.
K slate length.
"""

import numpy as np

from ritornello import scenes
from ritornello.contracts import Slate
from ritornello.data.prepare import Prepared
from ritornello.data.sequence import encode
from ritornello.pipeline import Pipeline
from ritornello.scenes import Scene
from ritornello.scenes.plain import Plain
from ritornello.schema import PADDING

USERS = 8
K = 10
PLAIN = "none"
ASKED = (PLAIN, "daily_mix")


def check(pipeline: Pipeline, prepared: Prepared) -> None:
    """Ask for slates as of the end of the log.

    Raises:
        ValueError: when one cannot be made, or is none that could be shown.
    """
    num_users, num_tracks = prepared.sequences.num_users, len(pipeline.stats.value_TF) - 1
    known = np.unique(np.linspace(1, num_users, USERS).round().astype(np.int32))
    user_B = np.r_[known, np.int32(num_users + 1)]
    at = int(prepared.sequences.at_E.max()) + 1
    for name in ASKED:
        scene: Scene = Plain("any") if name == PLAIN else scenes.make(name)
        history = encode(prepared.sequences, user_B, np.full(len(user_B), scene.moment(at), np.int64))
        try:
            slate = scene.recommend(pipeline, history, min(K, num_tracks))
        except Exception as error:  # whatever it is, no listener is to meet it
            raise ValueError(f"scene {name} fails with {type(error).__name__}: {error}") from error
        if wrong := fault(slate, num_tracks):
            raise ValueError(f"scene {name} {wrong}")


def fault(slate: Slate, num_tracks: int) -> str:
    """Return what is wrong with slates, nothing where they may be shown; some rows may be empty, but not all."""
    is_shown_BK = slate.track_BK != PADDING
    if not is_shown_BK.any():
        return "recommends nothing to anybody"
    if slate.track_BK.min() < 0 or slate.track_BK.max() > num_tracks:
        return f"recommends tracks that are none: allowed are rows 1 to {num_tracks}"
    if not np.isfinite(slate.score_BK[is_shown_BK]).all():
        return "gives scores that are no numbers"
    if any(len(np.unique(row[row != PADDING])) < np.count_nonzero(row) for row in slate.track_BK):
        return "recommends a track twice"
    return ""
