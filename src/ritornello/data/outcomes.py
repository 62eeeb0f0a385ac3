"""What became of a play or an offer, link by link: play > finish > like, and beside them skip, addition to a playlist, share.

An act on a track belongs to the latest play of that track in the same session. T outcomes, E events, R events asked about.
"""

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Float32, Int64
from ritornello.data.labels import is_finish, is_skip
from ritornello.data.sequence import Sequences
from ritornello.schema import Action

OUTCOMES = ("play", "finish", "like", "add", "skip", "share")
PLAY, FINISH, LIKE, ADD, SKIP, SHARE = range(len(OUTCOMES))
GIVEN = {
    PLAY: (),
    FINISH: (PLAY,),
    LIKE: (PLAY, FINISH),
    ADD: (PLAY,),
    SKIP: (PLAY,),
    SHARE: (),
}  # the links before each


def outcomes_of_plays(sequences: Sequences) -> Float32:
    """Return the outcomes of every event that is a play [E, T]: 0 and 1, and the listened share; NaN where unknown.

    A log that never tells of likes says nothing about them: the column is NaN throughout.
    """
    is_play_E = sequences.action_E == Action.PLAY
    ratio_E = np.asarray(sequences.play_ratio_E)
    is_told_E = np.isfinite(ratio_E)
    outcome_ET = np.full((len(sequences), len(OUTCOMES)), np.nan, np.float32)
    outcome_ET[:, PLAY] = 1.0
    outcome_ET[:, FINISH] = np.where(is_told_E, is_finish(ratio_E), np.nan)
    outcome_ET[:, SKIP] = np.where(is_told_E, is_skip(ratio_E), np.nan)
    outcome_ET[:, SHARE] = ratio_E
    play_E = plays_acted_on(sequences)
    for column, action in ((LIKE, Action.LIKE), (ADD, Action.PLAYLIST_ADD)):
        is_act_E = sequences.action_E == action
        if is_act_E.any():
            outcome_ET[:, column] = 0.0
            outcome_ET[play_E[is_act_E & (play_E >= 0)], column] = 1.0
    outcome_ET[~is_play_E] = np.nan
    return outcome_ET


def plays_acted_on(sequences: Sequences) -> Int64:
    """Return for each event the position of the latest play of its track in its session, itself included; else -1."""
    position_E = np.arange(len(sequences))
    key_E = (sequences.user_E.astype(np.int64) << 32) | sequences.session_E
    order_E = np.lexsort((position_E, sequences.track_E, key_E))
    is_new_E = np.ones(len(sequences), bool)
    is_new_E[1:] = (np.diff(key_E[order_E]) != 0) | (np.diff(np.asarray(sequences.track_E)[order_E]) != 0)
    place_E = np.arange(len(sequences))
    start_E = np.maximum.accumulate(np.where(is_new_E, place_E, 0))
    is_play_E = np.asarray(sequences.action_E)[order_E] == Action.PLAY
    last_E = np.maximum.accumulate(np.where(is_play_E, place_E, -1))
    found_E = np.where(last_E >= start_E, order_E[last_E], -1)
    play_E = np.empty(len(sequences), np.int64)
    play_E[order_E] = found_E
    return play_E


def merge_outcomes(outcome_ET: Float32, group_E: NDArray[np.integer], num_groups: int) -> Float32:
    """Return the outcomes of several plays of a track as one [groups, T]: the best of each, and a skip only if all were."""
    merged = np.full((num_groups, outcome_ET.shape[1]), np.nan, np.float32)
    for column in range(outcome_ET.shape[1]):
        value_E = outcome_ET[:, column]
        is_told_E = np.isfinite(value_E)
        extreme = np.minimum if column == SKIP else np.maximum
        start = np.full(num_groups, np.inf if column == SKIP else -np.inf, np.float32)
        extreme.at(start, group_E[is_told_E], value_E[is_told_E])
        merged[:, column] = np.where(np.isfinite(start), start, np.nan)
    return merged
