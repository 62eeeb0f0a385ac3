"""Windows of a log: what is known at a cut, who is judged, and by which targets.

E events, R rows (judged users), P (row, track) pairs, T tracks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool
from ritornello.data import split
from ritornello.data.labels import LISTENS, is_undone
from ritornello.data.sequence import Sequences
from ritornello.data.sessions import number_sessions
from ritornello.evaluation.scoring import Targets
from ritornello.schema import ONE_DAY_MS, ONE_SECOND_MS, Action

Stats = dict[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """The log known at `at`, reduced to tracks and users with enough events, and the targets until `end`.

    `num_plays` and `num_cold_plays` count the window's plays by known users, and those of tracks that are not known.
    """

    at: int
    end: int
    known: Sequences
    targets: Targets
    num_plays: int
    num_cold_plays: int

    @property
    def is_warm_T(self) -> Bool:
        """The tracks that may be recommended."""
        return warm_tracks(self.known)


def split_windows(
    sequences: Sequences, until_ms: int | None, *, test_days: float, cuts: int, min_item: int, min_user: int
) -> list[Window]:
    """Cut the log at `until_ms` and at cuts - 1 earlier moments, each `test_days` before the one after it.

    Raises:
        ValueError: when the log is empty, the arguments are out of range, or a window has no targets.
    """
    if cuts < 1 or test_days <= 0 or min_user < 1 or min_item < 1:
        raise ValueError(
            f"cuts, min_item and min_user start at 1 and test_days is above 0: found {cuts}, {min_item}, {min_user}, "
            f"{test_days}"
        )
    newest_cut = cut_of(sequences, until_ms, test_days)
    step = round(test_days * ONE_DAY_MS)
    return [
        split_window(sequences, newest_cut - number * step, step, min_item=min_item, min_user=min_user)
        for number in range(cuts)
    ]


def cut_of(sequences: Sequences, until_ms: int | None, test_days: float) -> int:
    """Return the moment to cut at: the given one, or `test_days` before the newest event.

    Raises:
        ValueError: when there are no events to take it from.
    """
    if until_ms is not None:
        return until_ms
    if len(sequences) == 0:
        raise ValueError("the log has no events: there is nothing to evaluate on")
    return int(sequences.at_E.max()) - round(test_days * ONE_DAY_MS)


def split_window(sequences: Sequences, at: int, length_ms: int, *, min_item: int, min_user: int) -> Window:
    """Return one window with its targets.

    Raises:
        ValueError: when it has no targets.
    """
    known = known_at(sequences, at, min_item=min_item, min_user=min_user)
    inside = split.between(sequences, at, at + length_ms)
    is_play_E = (inside.action_E == Action.PLAY) & (np.diff(known.start_U) > 0)[inside.user_E]
    user_E, track_E = inside.user_E[is_play_E], inside.track_E[is_play_E]
    is_warm_E = is_among(track_E, warm_tracks(known))
    size = np.int64(sequences.num_tracks + 1)
    played_P = np.unique(user_E[is_warm_E] * size + track_E[is_warm_E])
    if len(played_P) == 0:
        raise ValueError(
            f"no targets in the window at {at} (UTC ms): of {len(inside)} events none is a play, by a user with at "
            f"least {min_user} events before it, of a track with at least {min_item}"
        )
    is_listen_E = np.isin(known.action_E, [int(action) for action in LISTENS])
    is_listen_E &= ~is_undone(known.user_E, known.track_E, known.action_E)
    heard = np.unique(known.user_E[is_listen_E] * size + known.track_E[is_listen_E])
    user_R, row_P = np.unique(played_P // size, return_inverse=True)
    return Window(
        at=at,
        end=at + length_ms,
        known=known,
        targets=Targets(
            user_R=user_R.astype(np.int32),
            row_P=row_P,
            track_P=(played_P % size).astype(np.int32),
            is_repeat_P=np.isin(played_P, heard),
        ),
        num_plays=len(track_E),
        num_cold_plays=int((~is_warm_E).sum()),
    )


def known_at(sequences: Sequences, at: int, *, min_item: int, min_user: int) -> Sequences:
    """Return the log before `at`, reduced, as if it had never held anything else: sessions are counted anew."""
    known = split.warm(split.before(sequences, at), min_item=min_item, min_user=min_user)
    return replace(known, session_E=number_sessions(known.user_E, known.at_E))


def warm_tracks(known: Sequences) -> Bool:
    """Tell which tracks of the catalogue have an event."""
    return np.bincount(known.track_E, minlength=known.num_tracks + 1) > 0


def is_among(track_E: NDArray[np.integer], is_warm_T: Bool) -> Bool:
    """Look tracks up in a mask that may end before them.

    >>> is_among(np.array([1, 5]), np.array([False, True])).tolist()
    [True, False]
    """
    is_among_E: Bool = is_warm_T[np.minimum(track_E, len(is_warm_T) - 1)] & (track_E < len(is_warm_T))
    return is_among_E


def pooled_stats(windows: Sequence[Window]) -> Stats:
    """Describe the windows; counts of rows are summed, `T` (epoch seconds) is the newest cut's."""
    newest = windows[0]
    targets = sum(len(window.targets.row_P) for window in windows)
    eval_users = sum(len(window.targets.user_R) for window in windows)
    users = np.unique(np.concatenate([window.targets.user_R for window in windows]))
    plays, cold_plays = (sum(getattr(window, name) for window in windows) for name in ("num_plays", "num_cold_plays"))
    return {
        "T": newest.at / ONE_SECOND_MS,
        "oldest_T": windows[-1].at / ONE_SECOND_MS,
        "cuts": len(windows),
        "test_days": (newest.end - newest.at) / ONE_DAY_MS,
        "train_events": len(newest.known),
        "users": int((np.diff(newest.known.start_U) > 0).sum()),
        "items": int(newest.is_warm_T.sum()),
        "test_events": plays,
        "test_events_cold_share": cold_plays / max(1, plays),
        "eval_users": eval_users,
        "distinct_eval_users": len(users),
        "targets": targets,
        "targets_per_user": targets / eval_users,
        "repeat_target_share": sum(int(window.targets.is_repeat_P.sum()) for window in windows) / targets,
    }
