"""Personal FM on the histories of a workspace: what three skips take from an artist, and what a like gives back.

    python benchmarks/personal_fm.py WS [--users N] [--json F]

Users begin a session now. The artist of the first track is skipped three times, each time with its best track in the
stream (or the first one again), then one of its tracks is liked; exposure is the share of the artist in the next K
tracks. Users whose first track has no known artist are left out. Histories are those of the workspace, the skips and the
like are made up.
B users, K list length.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ritornello import request, scenes
from ritornello.artifacts import Workspace
from ritornello.contracts import Bool, History, Int32
from ritornello.data.sequence import encode
from ritornello.data.sessions import SESSION_GAP_MS
from ritornello.data.simulate import simulated_mark
from ritornello.pipeline import Pipeline
from ritornello.schema import ONE_MINUTE_MS, Action
from spread import spread

K = 10
SKIPS = 3
SKIPPED_SHARE = 0.05
LEAST_EVENTS = 20


def main() -> None:
    """Measure and print exposures with standard errors."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--users", type=int, default=300, help="how many users with enough events, by chance")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    workspace = Workspace(given.workspace)
    served = request.open_workspace(workspace)
    sequences, pipeline = served.prepared.sequences, served.bundle.pipeline
    user_U = np.flatnonzero(np.diff(sequences.start_U) >= LEAST_EVENTS)
    user_B = np.sort(np.random.default_rng(given.seed).permutation(user_U)[: given.users])
    at = request.newest_moment(served.prepared)
    history = encode(sequences, user_B, np.full(len(user_B), at, np.int64))
    figures = simulated_mark(workspace) | measure(pipeline, history)
    print(figures)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


def measure(pipeline: Pipeline, history: History) -> dict[str, object]:
    """Return exposures before, after three skips and after a like, and how often the next track changes after a skip."""
    before_BK = stream(pipeline, history)
    is_used_B = pipeline.stats.artist_T[before_BK[:, 0]] > 0
    history, before_BK = history.rows(np.flatnonzero(is_used_B)), before_BK[is_used_B]
    first_B = before_BK[:, 0]
    artist_B = pipeline.stats.artist_T[first_B]
    skipped, slate_BK, differs_B = history, before_BK, np.zeros(len(first_B), bool)
    for turn in range(SKIPS):
        is_own_BK = of_artist(pipeline, slate_BK, artist_B)
        own_B = np.where(is_own_BK.any(axis=1), slate_BK[np.arange(len(slate_BK)), is_own_BK.argmax(axis=1)], first_B)
        skipped = after(skipped, own_B, Action.PLAY, SKIPPED_SHARE)
        slate_BK = stream(pipeline, skipped)
        if turn == 0:
            differs_B = slate_BK[:, 0] != first_B
    liked_BK = stream(pipeline, after(skipped, first_B, Action.LIKE, np.nan))
    exposures = {"before": before_BK, "after_three_skips": slate_BK, "after_a_like": liked_BK}
    return {
        "users": len(first_B),
        "next_differs_after_a_skip": spread(differs_B),
        **{name: spread(of_artist(pipeline, track_BK, artist_B).mean(axis=1)) for name, track_BK in exposures.items()},
    }


def stream(pipeline: Pipeline, history: History) -> Int32:
    """Return the next tracks, without chance, so that what is seen is the answer to the events."""
    return scenes.make("personal_fm", {"explore": 0.0}).recommend(pipeline, history, K).track_BK


def of_artist(pipeline: Pipeline, track_BK: Int32, artist_B: Int32) -> Bool:
    """Tell which slots are of each row's artist."""
    return np.asarray(pipeline.stats.artist_T[track_BK] == artist_B[:, None])


def after(history: History, track_B: Int32, action: Action, play_ratio: float) -> History:
    """Return histories a minute later, with one more event each, in one running session."""
    new = {"track_BL": track_B, "action_BL": int(action), "at_BL": history.as_of_B, "play_ratio_BL": play_ratio}
    is_new_B = history.as_of_B - history.at_BL[:, -1] >= SESSION_GAP_MS
    new["session_BL"] = history.session_BL[:, -1] + is_new_B
    wider = {}
    for name, value_B in new.items():
        array_BL = getattr(history, name)
        column_B: NDArray[np.generic] = np.broadcast_to(np.asarray(value_B, array_BL.dtype), (len(history),))
        wider[name] = np.concatenate([array_BL, column_B[:, None]], axis=1)
    return replace(history, as_of_B=history.as_of_B + ONE_MINUTE_MS, **wider)


if __name__ == "__main__":
    main()
