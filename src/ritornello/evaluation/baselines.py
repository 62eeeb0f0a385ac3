"""Textbook baselines of the live protocol, written on their own so that they also check the channels.

Markov chain on the last track; V-SKNN (Ludewig and Jannach 2018); own tracks, newest first. What they leave open is
filled with popularity halved every week. B batch, L history, T tracks, S sessions, K list length.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from ritornello.contracts import Bool, History, Int32
from ritornello.data.sequence import Sequences
from ritornello.data.sessions import SESSION_GAP_MS
from ritornello.schema import ONE_DAY_MS, PADDING, Action

BASELINES = ("markov", "session_knn", "personal_recency")
LAGS = 5
SESSION_EVENTS = 20
SESSION_DECAY = 0.9
NEIGHBOURS = 200
HALF_LIFE_DAYS = 7.0
DENSE = 10_000_000  # scores held at a time: 80 MB
TIE_WEIGHT = 1e-6  # popularity breaks ties, and only ties

Score = Callable[[History], csr_array]
Answer = Callable[[History], Int32]


def fit_baselines(known: Sequences, at: int, k: int) -> dict[str, Answer]:
    """Learn from the log before `at`; each baseline then gives lists of `k`."""
    plays = Plays(known)
    share_T = plays.popularity(at)
    scores: tuple[Score, ...] = (
        fit_markov(plays),
        fit_session_knn(plays),
        lambda history: personal_recency(history, plays.num_columns),
    )

    def answer_with(score: Score) -> Answer:
        size = max(1, DENSE // plays.num_columns)

        def answer(history: History) -> Int32:
            starts = range(0, len(history), size)
            return np.concatenate([best(score(history.rows(slice(one, one + size))), share_T, k) for one in starts])

        return answer

    return {name: answer_with(score) for name, score in zip(BASELINES, scores, strict=True)}


class Plays:
    """The plays of a log with a number for each session."""

    def __init__(self, known: Sequences) -> None:
        is_play_E = known.action_E == Action.PLAY
        self.track_E = known.track_E[is_play_E]
        self.at_E = known.at_E[is_play_E]
        user_E = known.user_E[is_play_E]
        is_start_E = np.r_[True, (np.diff(user_E) != 0) | (np.diff(self.at_E) >= SESSION_GAP_MS)][: len(user_E)]
        self.session_E = np.cumsum(is_start_E) - 1
        self.num_columns = known.num_tracks + 1

    def popularity(self, at: int) -> NDArray[np.float64]:
        """Return each track's share of the plays, halved in weight every week."""
        weight_E = np.exp2(-(at - self.at_E) / (HALF_LIFE_DAYS * ONE_DAY_MS))
        weight_T = np.bincount(self.track_E, weights=weight_E, minlength=self.num_columns)
        return np.asarray(weight_T / max(weight_T.sum(), 1e-300), dtype=np.float64)


def fit_markov(plays: Plays) -> Score:
    """Count what follows a track in its session, 1 / lag for each of the next five; ask with the last track."""
    shape = (plays.num_columns, plays.num_columns)
    next_TT = csr_array(shape)
    for lag in range(1, LAGS + 1):
        is_pair_E = plays.session_E[lag:] == plays.session_E[:-lag]
        before, after = plays.track_E[:-lag][is_pair_E], plays.track_E[lag:][is_pair_E]
        next_TT = csr_array(next_TT + csr_array((np.full(len(before), 1.0 / lag), (before, after)), shape=shape))

    def score(history: History) -> csr_array:
        back_BL = places_back(history)
        return csr_array(sparse_rows(history, back_BL == 0, np.ones(back_BL.shape), shape[0]) @ next_TT)

    return score


def fit_session_knn(plays: Plays) -> Score:
    """Find the 200 past sessions most like the running one, its newest tracks weighing most, and let them vote."""
    shape = (int(plays.session_E.max(initial=0)) + 1, plays.num_columns)
    heard_ST = csr_array((np.ones(len(plays.track_E)), (plays.session_E, plays.track_E)), shape=shape)
    heard_ST.sum_duplicates()
    heard_ST.data[:] = 1.0
    size_S = np.maximum(np.diff(heard_ST.indptr), 1)
    unit_TS = csr_array((diags_array(1.0 / np.sqrt(size_S)) @ heard_ST).T)

    def score(history: History) -> csr_array:
        back_BL = places_back(history)
        is_used_BL = is_running_session(history) & (back_BL >= 0) & (back_BL < SESSION_EVENTS)
        asked_BT = sparse_rows(history, is_used_BL, SESSION_DECAY**back_BL, shape[1])
        return csr_array(keep_largest(csr_array(asked_BT @ unit_TS), NEIGHBOURS) @ heard_ST)

    return score


def personal_recency(history: History, num_columns: int) -> csr_array:
    """Score a user's own tracks by their newest play."""
    back_BL = places_back(history)
    track_BL = np.where((back_BL >= 0) & (history.track_BL < num_columns), history.track_BL, PADDING)
    score_BT = np.zeros((len(history), num_columns))
    np.maximum.at(score_BT, (np.arange(len(history))[:, None], track_BL), 1.0 / (2.0 + np.maximum(back_BL, 0)))
    score_BT[:, PADDING] = 0.0
    return csr_array(score_BT)


def places_back(history: History) -> NDArray[np.int64]:
    """Count plays back from each row's newest, 0 for the newest; -1 where there is none."""
    is_play_BL = (history.track_BL != PADDING) & (history.action_BL == Action.PLAY)
    later_BL = np.cumsum(is_play_BL[:, ::-1], axis=1)[:, ::-1] - is_play_BL
    return np.where(is_play_BL, later_BL, -1)


def is_running_session(history: History) -> Bool:
    """Mark the events with no gap between them and now; after a gap the newest event alone."""
    back_BL = places_back(history)
    next_at_BL = np.concatenate([history.at_BL[:, 1:], history.as_of_B[:, None]], axis=1)
    has_gap_BL = next_at_BL - history.at_BL >= SESSION_GAP_MS
    after_gap_BL = np.maximum.accumulate(has_gap_BL[:, ::-1], axis=1)[:, ::-1]
    running_BL: Bool = (~after_gap_BL & (back_BL >= 0)) | (back_BL == 0)
    return running_BL


def sparse_rows(history: History, is_used_BL: Bool, weight_BL: NDArray[np.floating], num_columns: int) -> csr_array:
    """Sum the weights of a row's tracks."""
    row_P, slot_P = np.nonzero(is_used_BL & (history.track_BL < num_columns))
    pairs = (row_P, history.track_BL[row_P, slot_P])
    return csr_array((weight_BL[row_P, slot_P], pairs), shape=(len(history), num_columns))


def keep_largest(matrix: csr_array, k: int) -> csr_array:
    """Drop what is smaller than the k-th largest entry of its row; entries equal to it stay."""
    for start, stop in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        value_P = matrix.data[start:stop]
        if stop - start > k:
            value_P[value_P < np.partition(value_P, -k)[-k]] = 0.0
    matrix.eliminate_zeros()
    return matrix


def best(score_BT: csr_array, share_T: NDArray[np.float64], k: int) -> Int32:
    """Return each row's `k` best tracks; equal scores, and places left open, go by popularity."""
    total_B = np.asarray(score_BT.sum(axis=1)).ravel()
    scaled_BT = csr_array(diags_array(1.0 / np.maximum(total_B, 1e-12)) @ score_BT).toarray()
    scaled_BT += TIE_WEIGHT * share_T
    scaled_BT[:, PADDING] = -1.0
    k = min(k, scaled_BT.shape[1] - 1)
    kept_BK = np.argpartition(-scaled_BT, k - 1, axis=1)[:, :k]
    order_BK = np.argsort(-np.take_along_axis(scaled_BT, kept_BK, axis=1), axis=1, kind="stable")
    return np.take_along_axis(kept_BK, order_BK, axis=1).astype(np.int32)
