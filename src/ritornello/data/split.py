"""The one place that cuts time: everything before a moment is known, everything from it on is the future.

One global cut for everybody: a model fitted on `before(sequences, T)` has seen no user's future.
"""

from dataclasses import replace

import numpy as np

from ritornello.contracts import Bool, Int64
from ritornello.data.sequence import Sequences


def before(sequences: Sequences, at: int) -> Sequences:
    """Return the events strictly older than `at` and the tracks known by then."""
    return select(sequences, sequences.at_E < at)


def between(sequences: Sequences, start: int, end: int) -> Sequences:
    """Return the events of a window, both ends included; rows keep their numbers."""
    is_inside_E = (sequences.at_E >= start) & (sequences.at_E <= end)
    return replace(select(sequences, is_inside_E), num_tracks=sequences.num_tracks)


def select(sequences: Sequences, keep_E: Bool) -> Sequences:
    """Return some of the events; the catalogue ends with the newest track that is left."""
    kept_before_E: Int64 = np.r_[0, np.cumsum(keep_E)].astype(np.int64)
    track_E = sequences.track_E[keep_E]
    return Sequences(
        start_U=kept_before_E[sequences.start_U],
        track_E=track_E,
        at_E=sequences.at_E[keep_E],
        action_E=sequences.action_E[keep_E],
        play_ratio_E=sequences.play_ratio_E[keep_E],
        session_E=sequences.session_E[keep_E],
        num_tracks=int(track_E.max(initial=0)),
    )


def warm(sequences: Sequences, *, min_item: int, min_user: int) -> Sequences:
    """Drop tracks with fewer than `min_item` events, then users with fewer than `min_user` left."""
    count_T = np.bincount(sequences.track_E, minlength=sequences.num_tracks + 1)
    of_warm_track = select(sequences, count_T[sequences.track_E] >= min_item)
    count_U = np.diff(of_warm_track.start_U)
    return select(of_warm_track, np.repeat(count_U >= min_user, count_U))
