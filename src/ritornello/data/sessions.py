"""Sessions: runs of a user's events with less than 30 minutes between neighbours."""

import numpy as np

from ritornello.contracts import Int32, Int64
from ritornello.schema import ONE_MINUTE_MS

SESSION_GAP_MS = 30 * ONE_MINUTE_MS


def number_sessions(user_E: Int32, at_E: Int64) -> Int32:
    """Number each user's sessions from 0; events are sorted by user, then by time.

    >>> number_sessions(np.array([1, 1, 1, 2], np.int32), np.array([0, 60_000, 9_000_000, 0])).tolist()
    [0, 0, 1, 0]
    """
    if len(user_E) == 0:
        return np.zeros(0, np.int32)
    is_new_user_E = np.r_[True, user_E[1:] != user_E[:-1]]
    starts_E = is_new_user_E | np.r_[False, np.diff(at_E) >= SESSION_GAP_MS]
    count_E = np.cumsum(starts_E, dtype=np.int32)
    first_E = np.flatnonzero(is_new_user_E)
    return count_E - np.repeat(count_E[first_E], np.diff(np.r_[first_E, len(user_E)]))
