"""A user's history at a moment: the log and the live events as one, by the one history encoder.

It is what `prepare` would make of a log that the live events had been added to: impressions left out, ties in the order of
the log and then of the event ids, of exact duplicates the first. E events.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Float32, History, Int32
from ritornello.data.labels import play_ratio
from ritornello.data.sequence import Sequences, encode
from ritornello.data.sessions import number_sessions
from ritornello.data.shards import EventBatch, sort_events
from ritornello.schema import PADDING
from ritornello.serve.snapshot import Snapshot
from ritornello.serve.state import LiveEvent, LiveUser


def histories(snapshot: Snapshot, user_id: str, live: LiveUser) -> Callable[[int], History]:
    """Return the user's history as a function of the moment."""
    user = snapshot.user_row(user_id)
    both = merged(snapshot, user, live)
    user_B = np.array([user], np.int32)

    def history_at(at: int) -> History:
        return replace(encode(both, np.array([1]), np.array([at], np.int64)), user_B=user_B)

    return history_at


def merged(snapshot: Snapshot, user: int, live: LiveUser) -> Sequences:
    """Return the events of one user, who has row 1; tracks that the workspace does not know are left out."""
    logged = log_events(snapshot, PADDING if live.is_forgotten else user)
    if live.removed:
        logged = without_removed(snapshot, logged, live)
    since = live_events(snapshot, live.events)
    ordered = sort_events(join(logged, since))
    return Sequences(
        start_U=np.array([0, 0, len(ordered)], np.int64),
        track_E=ordered.track_E,
        at_E=ordered.at_E,
        action_E=ordered.action_E,
        play_ratio_E=ordered.play_ratio_E,
        session_E=number_sessions(ordered.user_E, ordered.at_E),
        num_tracks=snapshot.served.prepared.sequences.num_tracks,
    )


def log_events(snapshot: Snapshot, user: int) -> EventBatch:
    """Return what the log has of a user; nothing of one whose row lies behind those of the log."""
    sequences = snapshot.served.prepared.sequences
    user = user if user <= sequences.num_users else PADDING
    own = slice(int(sequences.start_U[user]), int(sequences.start_U[user + 1]))
    return EventBatch(
        user_E=np.ones(own.stop - own.start, np.int32),
        track_E=np.asarray(sequences.track_E[own]),
        at_E=np.asarray(sequences.at_E[own]),
        action_E=np.asarray(sequences.action_E[own]),
        play_ratio_E=np.asarray(sequences.play_ratio_E[own]),
    )


def live_events(snapshot: Snapshot, events: list[LiveEvent]) -> EventBatch:
    """Return one user's live events; the share is of the event's own track length, else of the catalogue's."""
    track_E = snapshot.tracks.rows([event.track_id for event in events])
    own_ms_E = as_floats([event.track_ms for event in events])
    batch = EventBatch(
        user_E=np.ones(len(events), np.int32),
        track_E=track_E,
        at_E=np.array([event.at for event in events], np.int64),
        action_E=np.array([event.action for event in events], np.int8),
        play_ratio_E=share(snapshot, track_E, as_floats([event.played_ms for event in events]), own_ms_E),
    )
    return batch.rows(track_E != PADDING)


def share(
    snapshot: Snapshot, track_E: Int32, played_ms_E: NDArray[np.float64], own_ms_E: NDArray[np.float64]
) -> Float32:
    """Return which share of each track was played."""
    return play_ratio(played_ms_E, np.where(own_ms_E > 0, own_ms_E, snapshot.track_ms(track_E)))


def join(first: EventBatch, second: EventBatch) -> EventBatch:
    """Return the events of both, the first ones first."""
    return EventBatch(
        user_E=np.concatenate([first.user_E, second.user_E]),
        track_E=np.concatenate([first.track_E, second.track_E]),
        at_E=np.concatenate([first.at_E, second.at_E]),
        action_E=np.concatenate([first.action_E, second.action_E]),
        play_ratio_E=np.concatenate([first.play_ratio_E, second.play_ratio_E]),
    )


def without_removed(snapshot: Snapshot, logged: EventBatch, live: LiveUser) -> EventBatch:
    """Return what is left of a user's log without what the user has taken back."""
    return logged.rows(~is_removed(snapshot, logged, [(1, *mark) for mark in live.removed]))


def is_removed(snapshot: Snapshot, batch: EventBatch, removed: list[tuple[int, str, int, int]]) -> Bool:
    """Tell which events of the log, in order of user, were taken back: by the user's row, track, moment and action."""
    is_removed_E = np.zeros(len(batch), bool)
    row_R: Int32 = snapshot.tracks.rows([track_id for _, track_id, _, _ in removed])
    for track, (user, _, at, action) in zip(row_R.tolist(), removed, strict=True):
        own = slice(*np.searchsorted(batch.user_E, (user, user + 1)))
        is_it = (batch.track_E[own] == track) & (batch.at_E[own] == at) & (batch.action_E[own] == action)
        is_removed_E[own] |= is_it
    return is_removed_E


def as_floats(numbers: list[int | None]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return numbers with NaN for the unknown ones."""
    return np.array([np.nan if number is None else number for number in numbers], np.float64)


def moment_of(live: LiveUser, now: int) -> int:
    """Return the moment just after everything that is known: clients' clocks may be a little ahead of this one's."""
    newest = live.events[-1].at if live.events else 0
    return max(now, newest, *(one.at for one in live.profile.leanings)) + 1
