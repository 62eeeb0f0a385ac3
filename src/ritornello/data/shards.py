"""Events of a log of any size in user order: spilled to disk by user range, then sorted one range at a time.

Users are numbered before, so a range of users is a stretch of the sorted arrays and is written at their end.
E events of one batch or one range, U users.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Float32, Int8, Int32, Int64

CHUNK_EVENTS = 1_000_000
SHARD_EVENTS = 4_000_000  # about 300 MB while it is sorted

Records = NDArray[np.void]
RECORD = np.dtype([("user", "<i4"), ("track", "<i4"), ("at", "<i8"), ("action", "i1"), ("play_ratio", "<f4")])


@dataclass(frozen=True, kw_only=True, slots=True)
class EventBatch:
    """Some events with their row numbers, in ingest order."""

    user_E: Int32
    track_E: Int32
    at_E: Int64
    action_E: Int8
    play_ratio_E: Float32

    def __len__(self) -> int:
        return len(self.user_E)

    def rows(self, row_E: NDArray[np.intp] | Bool) -> "EventBatch":
        """Return some of the events."""
        return EventBatch(**{field.name: getattr(self, field.name)[row_E] for field in fields(self)})


def assign_shards(count_U: Int64, *, shard_events: int = SHARD_EVENTS) -> NDArray[np.int16]:
    """Cut users into ranges of about `shard_events` events; returns the range of each user.

    >>> assign_shards(np.array([0, 3, 3, 3]), shard_events=4).tolist()
    [0, 0, 0, 1]
    """
    before_U = np.cumsum(count_U) - count_U
    return (before_U // shard_events).astype(np.int16)


def to_records(batch: EventBatch) -> Records:
    """Pack columns into rows."""
    records = np.empty(len(batch), RECORD)
    for name in RECORD.names or ():
        records[name] = getattr(batch, f"{name}_E")
    return records


def read_chunks(path: Path) -> Iterator[Records]:
    """Read a file of records piece by piece."""
    with path.open("rb") as file:
        while len(records := np.fromfile(file, RECORD, count=CHUNK_EVENTS)):
            yield records


def spill(records: Records, shard_U: NDArray[np.int16], folder: Path) -> None:
    """Append each event to the file of its user's range, in the order given."""
    shard_E = shard_U[records["user"]]
    order_E = np.argsort(shard_E, kind="stable")
    shard_S, start_S = np.unique(shard_E[order_E], return_index=True)
    for shard, rows in zip(shard_S, np.split(records[order_E], start_S[1:]), strict=True):
        with shard_path(folder, int(shard)).open("ab") as file:
            rows.tofile(file)


def shard_path(folder: Path, shard: int) -> Path:
    """Return where a range's events are spilled to."""
    return folder / f"shard-{shard:05}.bin"


def read_shard(folder: Path, shard: int) -> EventBatch:
    """Read a range's events back; none is a range that one user with very many events has leapt over."""
    path = shard_path(folder, shard)
    records = np.fromfile(path, RECORD) if path.exists() else np.empty(0, RECORD)
    return EventBatch(**{f"{name}_E": np.ascontiguousarray(records[name]) for name in RECORD.names or ()})


def sort_events(batch: EventBatch) -> EventBatch:
    """Sort by user, then by time, ties in ingest order; of exact duplicates the first stays."""
    if len(batch) == 0:
        return batch
    # One integer key sorts three times faster than two; a range has at most SHARD_EVENTS users, so that the key fits.
    span = int(np.ptp(batch.at_E)) + 1
    assert (int(np.ptp(batch.user_E)) + 1) * span < 2**63, "the sort key does not fit"
    key_E = (batch.user_E - batch.user_E.min()).astype(np.int64) * span + (batch.at_E - batch.at_E.min())
    ordered = batch.rows(np.argsort(key_E, kind="stable"))
    return ordered.rows(~is_duplicate(ordered))


def is_duplicate(ordered: EventBatch) -> Bool:
    """Tell which sorted events repeat an earlier one of the same user, moment, track and action."""
    is_duplicate_E = np.zeros(len(ordered), dtype=bool)
    follows_E = (np.diff(ordered.user_E) == 0) & (np.diff(ordered.at_E) == 0)
    tied_T = np.flatnonzero(np.r_[follows_E, False] | np.r_[False, follows_E])  # few: the sort below is over ties only
    tied = ordered.rows(tied_T)
    order_T = np.lexsort((tied.action_E, tied.track_E, tied.at_E, tied.user_E))
    grouped = tied.rows(order_T)
    columns = (grouped.user_E, grouped.at_E, grouped.track_E, grouped.action_E)
    repeats_T = np.logical_and.reduce([np.diff(column) == 0 for column in columns])
    is_duplicate_E[tied_T[order_T[1:][repeats_T]]] = True
    return is_duplicate_E
