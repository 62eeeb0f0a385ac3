"""Labels derived from an event, in one place: listened share, finish, skip, chorus, and what counts as a listen.

A log that has plays only has no listened share: it stays unknown (NaN), finish, skip and chorus stay unknown too, and a
play counts as a listen. A song is judged by its chorus, about 60 s or 40 % in: a play that ends before both is a skip.
"""

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Float32, Int8, Int64
from ritornello.schema import Action

FINISH_RATIO = 0.9
CHORUS_RATIO = 0.4
CHORUS_MS = 60_000

LISTENS = (Action.PLAY, Action.LIKE, Action.PLAYLIST_ADD, Action.DOWNLOAD, Action.SHARE)
IS_LISTEN_A = np.isin(np.arange(max(Action) + 1), LISTENS)


def play_ratio(played_ms_E: NDArray[np.float64], track_ms_E: NDArray[np.float64]) -> Float32:
    """Return the listened share in [0, 1], NaN where either side is unknown.

    >>> play_ratio(np.array([90.0, np.nan, 300.0]), np.array([180.0, 180.0, 200.0])).tolist()
    [0.5, nan, 1.0]
    """
    known_E = track_ms_E > 0
    ratio_E = np.divide(played_ms_E, track_ms_E, out=np.full(len(played_ms_E), np.nan), where=known_E)
    share_E: Float32 = np.clip(ratio_E, 0.0, 1.0).astype(np.float32)
    return share_E


def is_finish(play_ratio_E: Float32) -> Bool:
    """Tell where a play is known to have reached the end.

    >>> is_finish(np.array([0.95, 0.3, np.nan], np.float32)).tolist()
    [True, False, False]
    """
    return play_ratio_E >= FINISH_RATIO


def reaches_chorus(play_ratio_E: Float32, played_ms_E: NDArray[np.float64]) -> Bool:
    """Tell where a play is known to have got past the chorus, by share or by time.

    >>> reaches_chorus(np.array([0.2, 0.2, np.nan], np.float32), np.array([70_000.0, 9_000.0, np.nan])).tolist()
    [True, False, False]
    """
    return (play_ratio_E >= CHORUS_RATIO) | (played_ms_E >= CHORUS_MS)


def is_skip(play_ratio_E: Float32) -> Bool:
    """Tell where a play is known to have ended before the chorus.

    >>> is_skip(np.array([0.1, 0.95, np.nan], np.float32)).tolist()
    [True, False, False]
    """
    return play_ratio_E < CHORUS_RATIO


def is_listen(action_E: Int8, play_ratio_E: Float32) -> Bool:
    """Tell which events say that the user took to the track: plays that are not known to be skips, and stronger acts.

    >>> is_listen(np.array([2, 2, 1, 3], np.int8), np.array([np.nan, 0.1, np.nan, np.nan], np.float32)).tolist()
    [True, False, False, True]
    """
    is_listen_E: Bool = IS_LISTEN_A[action_E] & ~((action_E == Action.PLAY) & is_skip(play_ratio_E))
    return is_listen_E


def is_undone(row_E: NDArray[np.integer], track_E: NDArray[np.int32], action_E: Int8) -> Bool:
    """Tell which likes were taken back by a later unlike of the same row and track; events of a row are in order of time.

    Here alone it is decided what an unlike means. A like that was taken back is no sign of taste, wherever likes count.

    >>> row, track, like, unlike = np.zeros(4, np.int32), np.array([7, 8, 7, 7], np.int32), 3, 4
    >>> is_undone(row, track, np.array([like, like, unlike, like], np.int8)).tolist()
    [True, False, False, False]
    """
    is_undone_E = np.zeros(len(action_E), bool)
    if not (action_E == Action.UNLIKE).any():
        return is_undone_E
    place_V = np.flatnonzero((action_E == Action.LIKE) | (action_E == Action.UNLIKE))
    order_V = np.lexsort((place_V, track_E[place_V], row_E[place_V]))
    place_V = place_V[order_V]
    is_first_V = np.r_[True, (np.diff(row_E[place_V]) != 0) | (np.diff(track_E[place_V]) != 0)]
    group_V = np.cumsum(is_first_V) - 1
    last_G = np.maximum.reduceat(np.where(action_E[place_V] == Action.UNLIKE, place_V, -1), np.flatnonzero(is_first_V))
    is_undone_E[place_V[(action_E[place_V] == Action.LIKE) & (place_V < last_G[group_V])]] = True
    return is_undone_E


def disliked(action_E: Int8, track_E: NDArray[np.int32], at_E: Int64) -> NDArray[np.int32]:
    """Return the tracks of one user whose last verdict is a dislike; a later like takes it back, unless an unlike undoes it.

    >>> disliked(np.array([5, 5, 3], np.int8), np.array([7, 8, 8], np.int32), np.array([1, 2, 3])).tolist()
    [7]
    >>> disliked(np.array([5, 3, 4], np.int8), np.array([8, 8, 8], np.int32), np.array([1, 2, 3])).tolist()
    [8]
    """
    order_E = np.argsort(at_E, kind="stable")
    action_E, track_E = action_E[order_E], track_E[order_E]
    is_verdict_E = np.isin(action_E, [int(Action.LIKE), int(Action.DISLIKE)])
    is_verdict_E &= ~is_undone(np.zeros(len(track_E), np.int32), track_E, action_E)
    track_V, action_V = track_E[is_verdict_E][::-1], action_E[is_verdict_E][::-1]
    last, first_index = np.unique(track_V, return_index=True)
    track_D: NDArray[np.int32] = last[action_V[first_index] == Action.DISLIKE]
    return track_D
