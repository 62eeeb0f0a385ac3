"""Plays to predict one by one: each with its user's history just before it, known from the log.

E events, R scored rows, P plays.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ritornello.contracts import Bool, History, Int32, Int64
from ritornello.data import split
from ritornello.data.sequence import Sequences, before_plays, encode, from_events
from ritornello.data.sessions import SESSION_GAP_MS
from ritornello.evaluation.window_split import is_among, known_at, warm_tracks
from ritornello.schema import ONE_DAY_MS, Action

RECENT_PLAYS = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveRows:
    """The scored rows: plays of tracks known at `at` by users known then, in time order.

    `row_R` numbers all plays of the window by known users, those of unknown tracks included. `sequences` holds what is
    known and then the window's events of known tracks; a row's history ends before position `end_R`.
    """

    at: int
    end: int
    known: Sequences
    sequences: Sequences
    num_rows: int
    row_R: Int64
    user_R: Int32
    track_R: Int32
    at_R: Int64
    end_R: Int64
    is_repeat_R: Bool
    is_session_start_R: Bool

    def __len__(self) -> int:
        return len(self.row_R)

    def parts(self) -> dict[str, Bool]:
        """Return the rows of each part."""
        return {
            "all": np.ones(len(self), bool),
            "repeat": self.is_repeat_R,
            "new": ~self.is_repeat_R,
            "session_start": self.is_session_start_R,
            "in_session": ~self.is_session_start_R,
        }

    def batches(self, row_R: NDArray[np.intp], size: int) -> Iterator[tuple[NDArray[np.intp], History]]:
        """Yield the given rows with their histories, short histories first: like lengths need little padding."""
        length_R = self.end_R - self.sequences.start_U[self.user_R]
        ordered_R = row_R[np.argsort(length_R[row_R], kind="stable")]
        for start in range(0, len(ordered_R), size):
            row_B = ordered_R[start : start + size]
            yield row_B, encode(self.sequences, self.user_R[row_B], self.at_R[row_B], end_B=self.end_R[row_B])


def live_rows(
    sequences: Sequences, user_ids: pl.Series, at: int, *, test_days: float, min_item: int, min_user: int
) -> LiveRows:
    """Return the plays of [at, at + test_days] with what was known before each.

    Tracks unknown at the cut do not enter a history, but they move the session's clock. Rows are numbered by time, then
    by user in the identifier's own order; ties within a user stay in the order of the log.

    Raises:
        ValueError: when no play can be scored.
    """
    end = at + round(test_days * ONE_DAY_MS)
    known = known_at(sequences, at, min_item=min_item, min_user=min_user)
    window = split.between(sequences, at, end)
    is_known_U = np.diff(known.start_U) > 0
    both = append(known, split.select(window, is_known_U[window.user_E]))
    is_warm_E = is_among(both.track_E, warm_tracks(known))
    kept_before_E: Int64 = np.cumsum(is_warm_E) - is_warm_E
    is_row_E = (both.at_E >= at) & (both.action_E == Action.PLAY)
    event_R = np.flatnonzero(is_row_E)
    place_of_id_U = np.r_[0, np.argsort(user_ids.arg_sort().to_numpy())]
    event_R = event_R[np.lexsort((event_R, place_of_id_U[both.user_E[event_R]], both.at_E[event_R]))]
    row_R = np.flatnonzero(is_warm_E[event_R])
    if len(row_R) == 0:
        raise ValueError(
            f"no play to predict in the {test_days:g} days from {at} (UTC ms): of {len(window)} events none is a play, by "
            f"a user with at least {min_user} events before, of a track with at least {min_item}"
        )
    scored_R = event_R[row_R]
    before_R = before_plays(both, scored_R)
    warm = split.select(both, is_warm_E)
    return LiveRows(
        at=at,
        end=end,
        known=known,
        sequences=warm,
        num_rows=len(event_R),
        row_R=row_R.astype(np.int64),
        user_R=both.user_E[scored_R],
        track_R=both.track_E[scored_R],
        at_R=both.at_E[scored_R],
        end_R=kept_before_E[before_R].astype(np.int64),
        is_repeat_R=was_played_recently(warm)[kept_before_E[scored_R]],
        is_session_start_R=both.at_E[scored_R] - both.at_E[before_R - 1] >= SESSION_GAP_MS,
    )


def append(known: Sequences, later: Sequences) -> Sequences:
    """Return one log of both, sessions counted through."""

    def joined(name: str) -> NDArray[np.generic]:
        return np.concatenate([getattr(known, name), getattr(later, name)])

    return from_events(
        *(joined(name) for name in ("user_E", "track_E", "at_E", "action_E", "play_ratio_E")),  # type: ignore[arg-type]
        num_users=known.num_users,
        num_tracks=max(known.num_tracks, int(later.track_E.max(initial=0))),
    )


def was_played_recently(sequences: Sequences) -> Bool:
    """Tell for each event whether its track is among the user's 200 plays before it."""
    is_play_E = sequences.action_E == Action.PLAY
    plays_before_E = np.cumsum(is_play_E) - is_play_E
    user_E = sequences.user_E
    order_E = np.lexsort((np.arange(len(user_E)), sequences.track_E, user_E))
    pair_E = user_E[order_E] * np.int64(sequences.num_tracks + 1) + sequences.track_E[order_E]
    # The newest play of the same pair so far: a running maximum, which may reach back into an earlier pair.
    newest_E = np.maximum.accumulate(np.where(is_play_E[order_E], np.arange(len(order_E)), -1))
    previous_E = np.r_[-1, newest_E[:-1]]
    is_same_pair_E = (previous_E >= 0) & (pair_E[previous_E] == pair_E)
    back_E = plays_before_E[order_E] - plays_before_E[order_E[previous_E]]
    recently_E = np.zeros(len(order_E), bool)
    recently_E[order_E] = is_same_pair_E & (back_E <= RECENT_PLAYS)
    return recently_E
