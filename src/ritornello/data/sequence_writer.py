"""Writes the arrays of `Sequences` piece by piece, for logs that do not fit into memory."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Int64
from ritornello.data.sessions import number_sessions
from ritornello.data.shards import EventBatch

DTYPES: dict[str, np.dtype[np.generic]] = {
    "track_E": np.dtype(np.int32),
    "at_E": np.dtype(np.int64),
    "action_E": np.dtype(np.int8),
    "play_ratio_E": np.dtype(np.float32),
    "session_E": np.dtype(np.int32),
}


class GrowingArray:
    """A .npy file that is written piece by piece, its length known at the end only."""

    def __init__(self, path: Path, dtype: np.dtype[np.generic]) -> None:
        self.dtype = dtype
        self.length = 0
        self.file = path.open("wb")
        self.write_header()

    def write_header(self) -> None:
        """Write the header for the present length; numpy leaves room in it for a longer one."""
        facts = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": (self.length,)}
        self.file.seek(0)
        np.lib.format.write_array_header_1_0(self.file, facts)

    def append(self, piece: NDArray[np.generic]) -> None:
        """Add values at the end."""
        piece.astype(self.dtype, copy=False).tofile(self.file)
        self.length += len(piece)

    def close(self) -> None:
        """Finish the file."""
        self.write_header()
        self.file.close()


class SequenceWriter:
    """Takes sorted events, range of users after range, and leaves what `Sequences.load` maps."""

    def __init__(self, folder: Path, *, num_users: int, num_tracks: int) -> None:
        self.folder = folder
        self.num_tracks = num_tracks
        self.count_U: Int64 = np.zeros(num_users + 1, np.int64)
        self.last_at = 0
        self.num_known_ratios = 0
        self.arrays = {name: GrowingArray(folder / f"{name}.npy", dtype) for name, dtype in DTYPES.items()}

    @property
    def num_events(self) -> int:
        """Number of events written so far."""
        return int(self.count_U.sum())

    def append(self, ordered: EventBatch) -> None:
        """Write the events of the next range of users."""
        self.arrays["track_E"].append(ordered.track_E)
        self.arrays["at_E"].append(ordered.at_E)
        self.arrays["action_E"].append(ordered.action_E)
        self.arrays["play_ratio_E"].append(ordered.play_ratio_E)
        self.arrays["session_E"].append(number_sessions(ordered.user_E, ordered.at_E))
        self.count_U += np.bincount(ordered.user_E, minlength=len(self.count_U))
        self.last_at = max(self.last_at, int(ordered.at_E.max(initial=0)))
        self.num_known_ratios += int(np.isfinite(ordered.play_ratio_E).sum())

    def close(self) -> None:
        """Finish the files."""
        for array in self.arrays.values():
            array.close()
        np.save(self.folder / "start_U.npy", np.r_[0, np.cumsum(self.count_U)].astype(np.int64))
        (self.folder / "sequences.json").write_text(json.dumps({"num_tracks": self.num_tracks}))
