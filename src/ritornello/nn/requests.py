"""Training requests: moments drawn out of everybody's sequences, each with some of the plays that came next.

A request's history is read by the same functions as a served one. W windows, B requests, L distinct tracks of a history,
R targets of a request, M tracks of the pool, K interests.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ritornello.contracts import Int32, Int64
from ritornello.data.distinct import distinct, live_interests
from ritornello.data.labels import is_listen
from ritornello.data.sequence import Sequences, encode
from ritornello.nn.windows import Windows, shuffled
from ritornello.schema import Action

if TYPE_CHECKING:
    from ritornello.recall.interests import InterestsConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestBatch:
    """Requests of one fold of users; `slot_BL` and `target_BR` give places in `pool_M`, the tracks whose vectors are needed."""

    fold: int
    pool_M: Tensor
    slot_BL: Tensor
    weight_BL: Tensor
    own_BLF: Tensor
    request_BF: Tensor
    is_live_BK: Tensor
    target_BR: Tensor
    is_target_BR: Tensor
    num_tokens: int

    @property
    def facts(self) -> str:
        """Say what the batch holds."""
        return f"{len(self.slot_BL)} requests with {self.num_tokens} events and {len(self.pool_M)} tracks"


def repeated(windows: Windows, config: "InterestsConfig") -> Windows:
    """Return each window once for each of its requests: `requests` of them, fewer where it has fewer moments to ask at."""
    number_W = np.clip(windows.length_W - 1, 1, config.requests)
    return windows.rows(np.repeat(np.arange(len(windows.user_W)), number_W))


def draw_requests(
    sequences: Sequences, window: Windows, config: "InterestsConfig", generator: np.random.Generator
) -> tuple[Int64, Int64]:
    """Return where each request's history ends and the event it comes with: the next one, or any ahead for a share `far`.

    Who is asked for a track comes from the last one, or from a pause of weeks.
    """
    first_B = np.maximum(window.end_W - window.length_W, sequences.start_U[window.user_W] + 1)
    end_B = generator.integers(first_B, window.end_W)
    any_B = generator.integers(end_B, window.end_W)
    return end_B, np.where(generator.random(len(end_B)) < config.far, any_B, end_B)


def draw_targets(
    sequences: Sequences, user_B: Int32, event_B: Int64, config: "InterestsConfig", generator: np.random.Generator
) -> tuple[Int32, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Return tracks [B, R] among the next `reach` events from each request on, near ones more often, and which are plays."""
    share_BR = generator.random((len(event_B), config.targets)) ** 2  # the nth is drawn with a chance of about n^-0.5
    place_BR = event_B[:, None] + (share_BR * config.reach).astype(np.int64)
    end_B1 = sequences.start_U[user_B + 1][:, None]
    is_there_BR = place_BR < end_B1
    place_BR = np.minimum(place_BR, end_B1 - 1)
    action_BR = sequences.action_E[place_BR]
    is_play_BR = (action_BR == Action.PLAY) & is_listen(action_BR, sequences.play_ratio_E[place_BR])
    return sequences.track_E[place_BR], is_there_BR & is_play_BR


def read_requests(
    sequences: Sequences, windows: Windows, played_N: Int32, config: "InterestsConfig", generator: np.random.Generator
) -> RequestBatch:
    """Draw requests out of windows and encode them, with `uniform` more tracks out of `played_N` in the pool."""
    window = repeated(windows, config)
    user_B = window.user_W
    end_B, event_B = draw_requests(sequences, window, config, generator)
    track_BR, is_target_BR = draw_targets(sequences, user_B, event_B, config, generator)
    history = encode(sequences, user_B, sequences.at_E[event_B], end_B=end_B, max_events=config.length)
    read = distinct(
        history, length=config.length, half_life_days=config.half_life_days, num_tracks=sequences.num_tracks
    )
    drawn_N = played_N[generator.integers(0, len(played_N), config.uniform)]
    every = np.concatenate([read.track_BL.ravel(), track_BR.ravel(), drawn_N, [0]])
    pool_M, slot = np.unique(every, return_inverse=True)
    num_own, num_all = read.track_BL.size, read.track_BL.size + track_BR.size
    return RequestBatch(
        fold=int(user_B[0]) % config.folds,
        pool_M=torch.from_numpy(pool_M.astype(np.int64)),
        slot_BL=torch.from_numpy(slot[:num_own].reshape(read.track_BL.shape)),
        weight_BL=torch.from_numpy(read.weight_BL),
        own_BLF=torch.from_numpy(read.own_BLF.astype(np.int64)),
        request_BF=torch.from_numpy(read.request_BF.astype(np.int64)),
        is_live_BK=torch.from_numpy(live_interests(read.count_B, config.interests, dynamic=config.dynamic)),
        target_BR=torch.from_numpy(slot[num_own:num_all].reshape(track_BR.shape)),
        is_target_BR=torch.from_numpy(is_target_BR & (read.count_B > 0)[:, None]),
        num_tokens=spanned(sequences, window, end_B, event_B, config),
    )


def spanned(sequences: Sequences, window: Windows, end_B: Int64, event_B: Int64, config: "InterestsConfig") -> int:
    """Return how many events the requests of all windows look at, an event that several look at counted once."""
    first_W = np.flatnonzero(np.r_[True, np.diff(window.end_W) != 0])  # the requests of a window lie together
    oldest_W = np.minimum.reduceat(np.maximum(end_B - config.length, sequences.start_U[window.user_W]), first_W)
    newest_W = np.maximum.reduceat(np.minimum(event_B + config.reach, sequences.start_U[window.user_W + 1]), first_W)
    return int((newest_W - oldest_W).sum())


def request_batches(
    sequences: Sequences, windows: Windows, played_N: Int32, config: "InterestsConfig", *, seed: int
) -> Iterator[RequestBatch]:
    """Return one epoch in random order."""
    generator = np.random.default_rng(seed)
    for part in shuffled(windows, num_tokens=config.batch_events, folds=config.folds, generator=generator):
        yield read_requests(sequences, part, played_N, config, generator)
