"""What a play is worth as a label: how far it got by share and by seconds, less where nobody may have been listening.

Judging a song costs time, so time says more than the click. A play that got past the chorus was taken to; from there on its
grade grows with the share or with the seconds, whichever says more: half of a long track is more listening than half of a
short one. What ends by itself while the user does nothing for long says little of taste: it is discounted. A grade is a
label: it may look at what came after the play, no feature may. E events, T tracks.
"""

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Float32
from ritornello.data.labels import is_finish, reaches_chorus
from ritornello.data.outcomes import plays_acted_on
from ritornello.data.sequence import Sequences
from ritornello.schema import ONE_MINUTE_MS, PADDING, Action

TAKEN = 0.5  # a play that got past the chorus, however soon it ended then
FULL_MS = 4 * ONE_MINUTE_MS  # so much listening is a whole song's, as scrobblers count it, however long the track is
QUIET_MS = 15 * ONE_MINUTE_MS  # four or five songs in a row: who listens to choose has mostly done something by then
PASSIVE_WORTH = 0.5  # what is left of a grade: to let a track run on says something, less than to stay at it
NO_LENGTHS = np.full(1, np.nan, np.float32)  # of PADDING alone
ENDORSED = (Action.LIKE, Action.PLAYLIST_ADD, Action.DOWNLOAD, Action.SHARE)


def grades_of_plays(sequences: Sequences, track_ms_T: Float32) -> Float32:
    """Return the grade of every event that is a play [E]: 0 to 1, NaN for other events; lengths are NaN where unknown.

    A play whose share is unknown is worth 1, as a plain label has it; so is one that a like or another such act belongs to.
    """
    ratio_E = np.asarray(sequences.play_ratio_E)
    track_E = np.asarray(sequences.track_E)
    track_ms_E = track_ms_T[np.where(track_E < len(track_ms_T), track_E, PADDING)].astype(np.float64)
    grade_E = grade(ratio_E, ratio_E * track_ms_E, is_passive(sequences))
    play_E = plays_acted_on(sequences)
    is_endorsement_E = np.isin(sequences.action_E, ENDORSED) & (play_E >= 0)
    grade_E[play_E[is_endorsement_E]] = 1.0
    return np.where(sequences.action_E == Action.PLAY, grade_E, np.nan).astype(np.float32)


def grade(play_ratio_E: Float32, played_ms_E: NDArray[np.float64], is_passive_E: Bool) -> Float32:
    """Return what plays are worth by how far they got; seconds may be unknown (NaN).

    Half of a song of three minutes and of one of ten, a minute of the latter, ten seconds, a whole song, the same in passing,
    and a play of which nothing is known:

    >>> share = np.array([0.5, 0.5, 0.1, 0.05, 1.0, 1.0, np.nan], np.float32)
    >>> played_ms = 1000 * np.array([90.0, 300.0, 60.0, 10.0, 180.0, 180.0, np.nan])
    >>> passing = np.array([False] * 5 + [True, False])
    >>> grade(share, played_ms, passing).round(2).tolist()
    [0.5, 1.0, 0.5, 0.0, 1.0, 0.5, 1.0]
    """
    extent_E = np.clip(np.fmax(play_ratio_E, played_ms_E / FULL_MS), TAKEN, 1.0)
    reached_E = np.where(reaches_chorus(play_ratio_E, played_ms_E), extent_E, 0.0)
    grade_E = np.where(np.isfinite(play_ratio_E), reached_E, 1.0)
    return (grade_E * np.where(is_passive_E, PASSIVE_WORTH, 1.0)).astype(np.float32)


def is_passive(sequences: Sequences) -> Bool:
    """Tell which plays ran on by themselves: in a stretch of whole plays of one session, and nothing else, that is long.

    A skip, an early end, a search, a like, any other event: the hand is there, and the stretch is over.
    """
    is_still_E = (sequences.action_E == Action.PLAY) & is_finish(np.asarray(sequences.play_ratio_E))
    key_E = (sequences.user_E.astype(np.int64) << 32) | sequences.session_E
    is_new_E = np.ones(len(sequences), bool)
    is_new_E[1:] = (np.diff(key_E) != 0) | ~is_still_E[1:] | ~is_still_E[:-1]
    start_R = np.flatnonzero(is_new_E)  # R: runs
    end_R = np.r_[start_R[1:], len(sequences)][: len(start_R)] - 1
    at_E = np.asarray(sequences.at_E)
    is_long_R = at_E[end_R] - at_E[start_R] >= QUIET_MS
    return np.asarray(np.repeat(is_long_R, end_R - start_R + 1) & is_still_E)
