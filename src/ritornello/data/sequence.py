"""Sequences: everybody's events as flat mapped arrays; History: the same events as one padded batch.

The one history encoder of the project. Training windows, evaluation at a moment T and the live service all call
`encode`, so that what a model learns from is what it is served with. U users, E events, B batch, L history length.
"""

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Float32, History, Int8, Int32, Int64
from ritornello.data.labels import is_listen, is_undone
from ritornello.data.sessions import number_sessions
from ritornello.schema import Action


@dataclass(frozen=True, kw_only=True, slots=True)
class Sequences:
    """Events by user, then by time. User u owns `start_U[u]:start_U[u + 1]`; row 0 is PADDING and owns none.

    Rows are numbered by first appearance, so the tracks known before a moment are the rows up to some `num_tracks`
    (row 0 included in no count), whatever comes later.
    """

    start_U: Int64
    track_E: Int32
    at_E: Int64
    action_E: Int8
    play_ratio_E: Float32
    session_E: Int32
    num_tracks: int

    @property
    def num_users(self) -> int:
        """Number of user rows, PADDING not counted."""
        return len(self.start_U) - 2

    @property
    def user_E(self) -> Int32:
        """The user of each event."""
        return np.repeat(np.arange(len(self.start_U) - 1, dtype=np.int32), np.diff(self.start_U))

    def __len__(self) -> int:
        return len(self.track_E)

    def save(self, folder: Path) -> None:
        """Write one .npy file per array."""
        for field in fields(self):
            if field.name != "num_tracks":
                np.save(folder / f"{field.name}.npy", getattr(self, field.name))
        (folder / "sequences.json").write_text(json.dumps({"num_tracks": self.num_tracks}))

    @classmethod
    def load(cls, folder: Path) -> "Sequences":
        """Map the arrays that `save` wrote; nothing is read until it is used."""
        arrays = {
            field.name: np.load(folder / f"{field.name}.npy", mmap_mode="r")
            for field in fields(cls)
            if field.name != "num_tracks"
        }
        return cls(num_tracks=json.loads((folder / "sequences.json").read_text())["num_tracks"], **arrays)


def from_events(
    user_E: Int32,
    track_E: Int32,
    at_E: Int64,
    action_E: Int8,
    play_ratio_E: Float32,
    *,
    num_users: int,
    num_tracks: int,
) -> Sequences:
    """Build sequences from events in any order; events of one user at the same moment keep their order."""
    order_E = np.lexsort((at_E, user_E))
    count_U = np.bincount(user_E, minlength=num_users + 1)
    return Sequences(
        start_U=np.r_[0, np.cumsum(count_U)].astype(np.int64),
        track_E=track_E[order_E],
        at_E=at_E[order_E],
        action_E=action_E[order_E],
        play_ratio_E=play_ratio_E[order_E],
        session_E=number_sessions(user_E[order_E], at_E[order_E]),
        num_tracks=num_tracks,
    )


def listens(sequences: Sequences) -> Bool:
    """Tell which events say that the user took to the track, by all that the sequences know: a like may be undone later."""
    is_listen_E = is_listen(sequences.action_E, sequences.play_ratio_E)
    if not (sequences.action_E == Action.UNLIKE).any():
        return is_listen_E
    return np.asarray(is_listen_E & ~is_undone(sequences.user_E, sequences.track_E, sequences.action_E))


def encode(
    sequences: Sequences,
    user_B: NDArray[np.integer],
    as_of_B: Int64,
    *,
    end_B: Int64 | None = None,
    max_events: int | None = None,
) -> History:
    """Encode what each user did strictly before `as_of_B`, or the events before position `end_B` where given.

    `max_events` keeps the newest that many; users out of range have no events. A like that was undone by then is told as the
    unlike that followed: it happened, and says nothing of the user's taste.
    """
    history = encode_as_logged(sequences, user_B, as_of_B, end_B=end_B, max_events=max_events)
    if not (history.action_BL == Action.UNLIKE).any():
        return history
    row_E, slot_E = np.nonzero(history.track_BL)
    is_undone_E = is_undone(row_E, history.track_BL[row_E, slot_E], history.action_BL[row_E, slot_E])
    action_BL = history.action_BL.copy()
    action_BL[row_E[is_undone_E], slot_E[is_undone_E]] = Action.UNLIKE
    return replace(history, action_BL=action_BL)


def encode_as_logged(
    sequences: Sequences,
    user_B: NDArray[np.integer],
    as_of_B: Int64,
    *,
    end_B: Int64 | None = None,
    max_events: int | None = None,
) -> History:
    """Encode events as `encode` does, each like as it was: for a window that stands for many moments, of which some came before
    the unlike.
    """
    known_B = np.where((user_B > 0) & (user_B <= sequences.num_users), user_B, 0).astype(np.int32)
    start_B = sequences.start_U[known_B]
    if end_B is None:
        end_B = end_before(sequences, known_B, as_of_B)
    if max_events is not None:
        start_B = np.maximum(start_B, end_B - max_events)
    length = max(1, int((end_B - start_B).max(initial=0)))
    position_BL = end_B[:, None] - length + np.arange(length)
    is_event_BL = position_BL >= start_B[:, None]
    position_BL = np.where(is_event_BL, position_BL, 0)

    def take(array_E: NDArray[np.generic], fill: float) -> NDArray[np.generic]:
        if len(array_E) == 0:
            return np.full(position_BL.shape, fill, dtype=array_E.dtype)
        return np.where(is_event_BL, array_E[position_BL], np.array(fill, dtype=array_E.dtype))

    return History(
        user_B=np.asarray(user_B, dtype=np.int32),
        as_of_B=np.asarray(as_of_B, dtype=np.int64),
        track_BL=take(sequences.track_E, 0),  # type: ignore[arg-type]  # numpy loses the element type in `where`
        action_BL=take(sequences.action_E, 0),  # type: ignore[arg-type]
        at_BL=take(sequences.at_E, 0),  # type: ignore[arg-type]
        play_ratio_BL=take(sequences.play_ratio_E, np.nan),  # type: ignore[arg-type]
        session_BL=take(sequences.session_E, -1),  # type: ignore[arg-type]
    )


def before_plays(sequences: Sequences, event_R: NDArray[np.integer]) -> Int64:
    """Return the position before which each play's history ends: before its own search, where it was searched for.

    Who has typed a title has said what comes next; to repeat it is no prediction.
    """
    before_R = np.maximum(event_R - 1, 0)
    is_own_search_R = (
        (sequences.action_E[before_R] == Action.SEARCH)
        & (sequences.track_E[before_R] == sequences.track_E[event_R])
        & (event_R > sequences.start_U[np.searchsorted(sequences.start_U, event_R, side="right") - 1])
    )
    return np.asarray(event_R - is_own_search_R, dtype=np.int64)


def end_before(sequences: Sequences, user_B: Int32, as_of_B: Int64) -> Int64:
    """Return for each row the position after the user's last event strictly older than the moment."""
    low_B = sequences.start_U[user_B].copy()
    high_B = sequences.start_U[user_B + 1].copy()
    while np.any(low_B < high_B):  # one binary search for all rows at once
        middle_B = (low_B + high_B) // 2
        is_open_B = low_B < high_B
        is_older_B = np.zeros(len(user_B), dtype=bool)
        is_older_B[is_open_B] = sequences.at_E[middle_B[is_open_B]] < as_of_B[is_open_B]
        low_B = np.where(is_open_B & is_older_B, middle_B + 1, low_B)
        high_B = np.where(is_open_B & ~is_older_B, middle_B, high_B)
    return np.asarray(low_B, dtype=np.int64)
