"""Histories as sparse rows: what was listened to, and what was heard.

B batch, L history length, T tracks (with PADDING), E events.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ritornello.contracts import Bool, History
from ritornello.data.labels import LISTENS, is_listen
from ritornello.data.sparse import sum_pairs
from ritornello.schema import PADDING

HEARD_ACTIONS = [int(action) for action in LISTENS]


def listened(history: History) -> Bool:
    """Tell which slots of a history [B, L] hold a listen."""
    return np.asarray((history.track_BL != PADDING) & is_listen(history.action_BL, history.play_ratio_BL))


def query(history: History, weight_BL: NDArray[np.floating], num_tracks: int) -> csr_array:
    """Sum each row's listens into one sparse row; tracks that came after the model was fitted are left out."""
    is_used_BL = listened(history) & (history.track_BL <= num_tracks) & (weight_BL > 0)
    row_E, slot_E = np.nonzero(is_used_BL)
    return sum_pairs(row_E, history.track_BL[row_E, slot_E], weight_BL[row_E, slot_E], (len(history), num_tracks + 1))


def heard(history: History, num_columns: int) -> csr_array:
    """Mark the tracks each row has played, finished or not, in a matrix of `num_columns`."""
    is_heard_BL = np.isin(history.action_BL, HEARD_ACTIONS) & (history.track_BL < num_columns)
    row_E, slot_E = np.nonzero(is_heard_BL & (history.track_BL != PADDING))
    return sum_pairs(row_E, history.track_BL[row_E, slot_E], np.ones(len(row_E)), (len(history), num_columns))
