"""Onboarding: a first slate for newcomers from a few artists, albums or tracks that they pick.

What they pick stands in for a history, most played first of each pick; then every scene answers as it does for everyone.
B batch, L history length, S tracks of the picks.
"""

from dataclasses import replace

import numpy as np

from ritornello.contracts import History, Int32, Slate
from ritornello.pipeline import Pipeline, is_heard
from ritornello.scenes import Asked, Scene
from ritornello.scenes.picks import is_newcomer, note
from ritornello.scenes.seeds import as_history, find_seed, most_played
from ritornello.scenes.similar import Similar

TRACKS_PER_PICK = 5
PICKED = "a first list from what you picked"
IGNORED = "what you picked is left aside: your history says more"


def answer(scene: Scene, pipeline: Pipeline, history: History, k: int, asked: Asked) -> tuple[History, Slate]:
    """Return histories and slates of a scene; in all but a radio seeds are what newcomers picked.

    Raises:
        ValueError: when a seed does not exist.
    """
    if not asked.seeds or isinstance(scene, Similar):
        return history, scene.recommend(pipeline, history, k, asked)
    picks = [find_seed(asked.facts, seed)[1] for seed in asked.seeds]
    track_S = np.unique(np.concatenate([most_played(pipeline, pick, TRACKS_PER_PICK) for pick in picks]))
    is_new_B = [is_newcomer(history, row) for row in range(len(history))]
    introduced = introduce(history, most_played(pipeline, track_S, len(track_S)))
    slate = scene.recommend(pipeline, introduced, k, asked)
    told_B = tuple(
        note(PICKED if is_new else IGNORED, told) for is_new, told in zip(is_new_B, slate.note_B, strict=True)
    )
    return introduced, replace(slate, heard_BK=is_heard(history, slate.track_BK), note_B=told_B)


def introduce(history: History, track_S: Int32) -> History:
    """Let newcomers begin with a history of the tracks that they picked; whoever has a history keeps it."""
    is_new_B = ~history.track_BL.any(axis=1)
    if not is_new_B.any() or not len(track_S):
        return history
    missing = max(len(track_S) - history.track_BL.shape[1], 0)
    wide = {
        name: np.pad(getattr(history, name), ((0, 0), (missing, 0)), constant_values=fill)
        for name, fill in (
            ("track_BL", 0),
            ("action_BL", 0),
            ("at_BL", 0),
            ("play_ratio_BL", np.nan),
            ("session_BL", -1),
        )
    }
    for row in np.flatnonzero(is_new_B):
        own = as_history(track_S, int(history.as_of_B[row]))
        for name, array_BL in wide.items():
            array_BL[row, -len(track_S) :] = getattr(own, name)[0]
    return replace(history, **wide)
