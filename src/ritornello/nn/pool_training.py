"""Training against pools of tracks: what the learned channels share, from windows of what is known to the loop.

A batch is compared with the tracks of one pool, drawn with it; the chance that the pool holds a track is corrected for.
M tracks of a batch's pool, N played tracks, T tracks.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from torch import Tensor, nn

from ritornello.contracts import Float32, History, Int32
from ritornello.data.sequence import Sequences
from ritornello.nn import loop, losses
from ritornello.nn.validation import Heldout
from ritornello.nn.windows import Windows, cut_windows, num_batches, played_tracks, popularity, since
from ritornello.runs import Start


class Learning(Protocol):
    """The settings that this training reads; the channels' configurations have them."""

    @property
    def length(self) -> int: ...
    @property
    def folds(self) -> int: ...
    @property
    def uniform(self) -> int: ...
    @property
    def batch_events(self) -> int: ...
    @property
    def epochs(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def table_rate(self) -> float: ...
    @property
    def seed(self) -> int: ...


class PoolBatch(loop.Batch, Protocol):
    """A batch, with the tracks whose vectors it needs."""

    @property
    def pool_M(self) -> Tensor:
        """The pool: rows of tracks."""


B = TypeVar("B", bound=PoolBatch)


@dataclass(frozen=True, kw_only=True, slots=True)
class Course(Generic[B]):
    """What is one channel's own in its training.

    `batches(windows, played_N, seed)` is an epoch, `loss(batch, log_chance_M)` what a step lessens, and what `scorer()` gives
    scores all tracks for histories of one fold of users.
    """

    name: str
    model: nn.Module
    batches: Callable[[Windows, Int32, int], Iterator[B]]
    loss: Callable[[B, Tensor], Tensor]
    scorer: Callable[[], Callable[[History], Float32]]


def optimise(
    course: Course[B], sequences: Sequences, at: int, heldout: Heldout, config: Learning, *, start: Start | None
) -> loop.Curve:
    """Run the loop over windows that leave the held-out plays alone; after a start, over those that hold something new."""
    windows = cut_windows(heldout.known, np.arange(1, sequences.num_users + 1, dtype=np.int32), config.length)
    if start is not None:
        windows = since(windows, heldout.known, start.since)
    played_N = played_tracks(heldout.known)
    if len(windows.user_W) == 0 or len(played_N) == 0:
        return loop.Curve()
    popularity_T = popularity(sequences, sequences.num_tracks + 1)
    task = loop.Task(
        name=course.name,
        fingerprint=f"{config} {at} {len(sequences)} {sequences.num_tracks} {start.name if start else ''}",
        num_epochs=config.epochs,
        steps_per_epoch=num_batches(windows, num_tokens=config.batch_events, folds=config.folds),
        learning_rate=config.learning_rate,
        table_rate=config.table_rate,
        seed=config.seed,
    )

    def loss_of(batch: B) -> Tensor:
        popularity_M, uniform = popularity_T[batch.pool_M.numpy()], config.uniform / len(played_N)
        return course.loss(batch, losses.log_chances(popularity_M, num_tokens=batch.num_tokens, uniform=uniform))

    return loop.train(
        course.model,
        task,
        epoch=lambda number: course.batches(windows, played_N, config.seed * 1_000_003 + number),
        loss_of=loss_of,
        validate=(lambda: heldout.ndcg(course.scorer(), folds=config.folds)) if len(heldout.user_R) else None,
    )
