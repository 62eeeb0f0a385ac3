"""Training windows: pieces of everybody's sequences, batched by length, as the learned channels read them.

Every event is in one window; a window is read as a `History` by the one encoder, from mapped arrays, so that memory does not
depend on the log. W windows, B batch, L history length, M tracks of the pool.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ritornello.contracts import Bool, Int32, Int64
from ritornello.data import own_plays
from ritornello.data.sequence import Sequences, encode_as_logged, listens
from ritornello.data.tokens import is_own_search, is_target, requests, tokens


@dataclass(frozen=True, kw_only=True, slots=True)
class Windows:
    """Where the windows of some users lie: rows of `Sequences`, a window's events end before `end_W`."""

    user_W: Int32
    end_W: Int64
    length_W: Int64

    def rows(self, chosen_W: "Bool | Int64") -> "Windows":
        """Return some of the windows."""
        return Windows(user_W=self.user_W[chosen_W], end_W=self.end_W[chosen_W], length_W=self.length_W[chosen_W])


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """How windows are read: which events, how many tracks more, and which requests.

    A position's request is that of the next event, or, for a share `far` of them, of any event ahead: a user comes from the
    last track, or from a pause of weeks.
    """

    source: str
    uniform: int
    far: float
    folds: int
    num_tokens: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """One batch of windows; `slot_BL` gives each event's place in `pool_M`, the tracks whose vectors are needed.

    `is_asked_BL` marks the events after which a request may come.
    """

    fold: int
    pool_M: Tensor
    slot_BL: Tensor
    strength_BL: Tensor
    is_asked_BL: Tensor
    is_key_BL: Tensor
    is_target_BL: Tensor
    event_BLF: Tensor
    request_BLF: Tensor
    jump_BL: Tensor
    own_BLLF: Tensor
    is_own_BLL: Tensor
    num_tokens: int

    @property
    def facts(self) -> str:
        """Say what the batch holds."""
        return f"{len(self.slot_BL)} windows with {self.num_tokens} events and {len(self.pool_M)} tracks"


def cut_windows(sequences: Sequences, user_U: Int32, length: int) -> Windows:
    """Cut each user's events into windows of `length`, the newest full; users with one event have nothing to predict."""
    start_U, end_U = sequences.start_U[user_U], sequences.start_U[user_U + 1]
    num_U = -(-(end_U - start_U) // length)
    user_W = np.repeat(user_U, num_U).astype(np.int32)
    place_W = np.arange(len(user_W)) - np.repeat(np.cumsum(num_U) - num_U, num_U)
    end_W = np.repeat(end_U, num_U) - place_W * length
    length_W = np.minimum(length, end_W - np.repeat(start_U, num_U))
    windows = Windows(user_W=user_W, end_W=end_W.astype(np.int64), length_W=length_W.astype(np.int64))
    return windows.rows(length_W > 1)


def since(windows: Windows, sequences: Sequences, at: int) -> Windows:
    """Return the windows that hold an event from `at` on."""
    return windows.rows(sequences.at_E[windows.end_W - 1] >= at)


def shuffled(windows: Windows, *, num_tokens: int, folds: int, generator: np.random.Generator) -> list[Windows]:
    """Return batches of about `num_tokens` events in random order, windows of one fold of users and of like length together."""
    noise_W = generator.uniform(0.8, 1.25, len(windows.user_W))
    parts: list[NDArray[np.intp]] = []
    fold_W = windows.user_W % folds
    for fold in range(folds):
        own_W = np.flatnonzero(fold_W == fold)
        order_W = own_W[np.argsort((windows.length_W * noise_W)[own_W], kind="stable")]
        batch_W = (np.cumsum(windows.length_W[order_W]) - 1) // num_tokens
        parts += np.split(order_W, np.flatnonzero(np.diff(batch_W)) + 1) if len(order_W) else []
    return [windows.rows(parts[place]) for place in generator.permutation(len(parts))]


def num_batches(windows: Windows, *, num_tokens: int, folds: int) -> int:
    """Return how many batches an epoch has."""
    return len(shuffled(windows, num_tokens=num_tokens, folds=folds, generator=np.random.default_rng(0)))


def read_batch(
    sequences: Sequences, windows: Windows, reading: Reading, *, played_N: Int32, generator: np.random.Generator
) -> Batch:
    """Encode windows, draw each position's request, and more tracks out of `played_N` into the pool."""
    end_W = windows.end_W
    as_of_W = sequences.at_E[end_W - 1]  # the last event of a window has no request after it: it is a target only
    length = int(windows.length_W.max())
    history = encode_as_logged(sequences, windows.user_W, as_of_W, end_B=end_W, max_events=length + 1)
    read = tokens(history, source=reading.source, length=length)
    outside_BL = np.arange(length) < length - windows.length_W[:, None]
    track_BL = np.where(outside_BL, 0, read.track_BL)
    jump_BL = draw_jumps(length, len(track_BL), reading.far, generator)
    at_BL = history.at_BL[:, -length:]
    is_key_BL = read.is_key_BL & ~outside_BL
    request_at_BL = np.take_along_axis(at_BL, np.minimum(np.arange(length) + jump_BL, length - 1), axis=1)
    own_BLLF, is_own_BLL = own_plays.of_positions(track_BL, is_key_BL, at_BL, request_at_BL)
    drawn_N = played_N[generator.integers(0, len(played_N), reading.uniform)]
    pool_M, slot = np.unique(np.concatenate([track_BL.ravel(), drawn_N, [0]]), return_inverse=True)
    return Batch(
        fold=int(windows.user_W[0]) % reading.folds,
        pool_M=torch.from_numpy(pool_M.astype(np.int64)),
        slot_BL=torch.from_numpy(slot[: track_BL.size].reshape(track_BL.shape)),
        strength_BL=torch.from_numpy(read.strength_BL),
        is_asked_BL=torch.from_numpy((track_BL != 0) & ~is_own_search(history)[:, -length:]),
        is_key_BL=torch.from_numpy(is_key_BL),
        is_target_BL=torch.from_numpy(is_target(history)[:, -length:] & ~outside_BL),
        event_BLF=torch.from_numpy(read.event_BLF.astype(np.int64)),
        request_BLF=torch.from_numpy(requests(at_BL, request_at_BL).astype(np.int64)),
        jump_BL=torch.from_numpy(jump_BL),
        own_BLLF=torch.from_numpy(own_BLLF),
        is_own_BLL=torch.from_numpy(is_own_BLL),
        num_tokens=int(windows.length_W.sum()),
    )


def draw_jumps(length: int, num_rows: int, far: float, generator: np.random.Generator) -> Int64:
    """Return how many events ahead [B, L] each position's request comes: 1, or for a share `far` anything up to the end."""
    left_L = np.maximum(length - 1 - np.arange(length), 1)
    any_BL = 1 + (generator.random((num_rows, length)) * left_L).astype(np.int64)
    return np.where(generator.random((num_rows, length)) < far, any_BL, 1)


def batches(sequences: Sequences, windows: Windows, *, reading: Reading, played_N: Int32, seed: int) -> Iterator[Batch]:
    """Return one epoch in random order."""
    generator = np.random.default_rng(seed)
    for part in shuffled(windows, num_tokens=reading.num_tokens, folds=reading.folds, generator=generator):
        yield read_batch(sequences, part, reading, played_N=played_N, generator=generator)


def popularity(sequences: Sequences, size: int) -> NDArray[np.float64]:
    """Return each track's share of all events."""
    count_T = np.bincount(sequences.track_E, minlength=size).astype(np.float64)
    return np.asarray(count_T / max(count_T.sum(), 1.0), dtype=np.float64)


def played_tracks(sequences: Sequences) -> Int32:
    """Return the tracks that somebody listened to."""
    is_used_E = listens(sequences)
    return np.unique(sequences.track_E[is_used_E]).astype(np.int32)
