"""Session: what was skipped, liked or finished since the listener sat down, and what it says about the next track.

E events of the session in order, N tracks of a shortlist.
"""

import numpy as np

from ritornello.contracts import Float32, History, Int8, Int32
from ritornello.data.labels import is_finish, is_skip
from ritornello.data.sessions import SESSION_GAP_MS
from ritornello.rerank import Shortlist
from ritornello.rerank.rules import reordered, spread_of
from ritornello.schema import PADDING, Action

PRAISE = tuple(int(action) for action in (Action.LIKE, Action.PLAYLIST_ADD, Action.DOWNLOAD, Action.SHARE))


def running(history: History, row: int) -> slice:
    """Return the slots of the session that is still running at the moment of the request; none after a long pause."""
    length = history.track_BL.shape[1]
    is_over = history.as_of_B[row] - history.at_BL[row, -1] >= SESSION_GAP_MS
    if is_over or history.track_BL[row, -1] == PADDING:
        return slice(length, length)
    return slice(int(np.argmax(history.session_BL[row] == history.session_BL[row, -1])), length)


def weariness(artist_E: Int32, action_E: Int8, play_ratio_E: Float32, *, tired: float) -> dict[int, float]:
    """Return how much each artist was skipped: a skip adds one, a finish takes one off, praise clears it and goes to -1.

    A dislike is as good as `tired` skips.

    >>> play, like, ratio = 2, 3, [0.1, 0.1, np.nan, 0.1]
    >>> weariness(np.array([7, 7, 7, 8]), np.array([play, play, like, play]), np.array(ratio), tired=3.0)
    {7: -1.0, 8: 1.0}
    """
    count: dict[int, float] = {}
    skip_E, finish_E = is_skip(play_ratio_E), is_finish(play_ratio_E)
    for event, artist in enumerate(artist_E.tolist()):
        before = count.get(artist, 0.0)
        if action_E[event] in PRAISE:
            count[artist] = -1.0
        elif action_E[event] == Action.DISLIKE:
            count[artist] = max(before, 0.0) + tired
        elif action_E[event] == Action.PLAY and (skip_E[event] or finish_E[event]):
            count[artist] = max(before, 0.0) + 1.0 if skip_E[event] else max(before - 1.0, min(before, 0.0))
    count.pop(PADDING, None)  # nobody is tired of an artist whom nobody knows
    return count


def spare(shortlist: Shortlist, weary: dict[int, float], *, tired: float, penalty: float) -> Shortlist:
    """Move tracks down by `penalty` standard deviations for each skip of their artist; drop artists skipped `tired` times."""
    if not weary or len(shortlist) == 0:
        return shortlist
    count_N = np.array([weary.get(artist, 0.0) for artist in shortlist.artist_N.tolist()])
    moved = reordered(shortlist, shortlist.score_N - penalty * spread_of(shortlist.score_N) * count_N)
    is_over_N = np.array([weary.get(artist, 0.0) >= tired for artist in moved.artist_N.tolist()])
    return moved.take(np.flatnonzero(~is_over_N))
