"""Recall: each channel is one file and one line in this table; it proposes tracks for a history.

A channel learns from events before a moment (`fit`) and then scores tracks for a batch of histories (`score`), as a sparse
matrix or as vectors (see scores.py). Everything else, the best k, filters, merging, is shared code.
"""

from typing import Protocol, Self, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ritornello import plugins
from ritornello.contracts import History
from ritornello.data.knowledge import Knowledge
from ritornello.data.sequence import Sequences
from ritornello.recall.scores import Scores
from ritornello.runs import Start


class Channel(Protocol):
    """What every recall channel can do."""

    def fit(self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        """Learn from sequences that end before `at` (UTC ms)."""
        ...

    def score(self, history: History) -> Scores:
        """Return what this channel thinks of every track for every row."""
        ...

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the fitted state."""
        ...

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        """Take over a fitted state that `arrays` gave."""
        ...


@runtime_checkable
class Continued(Protocol):
    """What a channel can do whose training is dear: take up what an earlier one of its kind has learned."""

    def refit(self, earlier: Self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        """Learn from sequences that end before `at`, and go on with those of `earlier`."""
        ...


@runtime_checkable
class Resumed(Protocol):
    """What a channel can do whose weights are worth keeping from one training to the next."""

    def weights(self) -> dict[str, NDArray[np.generic]]:
        """Return what training goes on from; nothing where the channel was loaded and not trained."""
        ...

    def resume(self, start: Start, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        """Learn from sequences that end before `at` what is new since the start."""
        ...


@runtime_checkable
class Refreshed(Protocol):
    """What a channel can do that takes in new events or new tracks in moments, while a service runs."""

    def refresh(self, sequences: Sequences, at: int, knowledge: Knowledge) -> Self:
        """Return a channel as of `at`; this one goes on answering as it did."""
        ...


@runtime_checkable
class Linked(Protocol):
    """A channel that goes from the user's own tracks to others by weighted links [T, T]."""

    links_TT: csr_array


CHANNELS = {
    "popular": "ritornello.recall.popular:Popular",
    "fresh": "ritornello.recall.fresh:Fresh",
    "relisten": "ritornello.recall.relisten:Relisten",
    "item2item": "ritornello.recall.item2item:ItemToItem",
    "colisten": "ritornello.recall.item2item:CoListen",
    "transitions": "ritornello.recall.transitions:Transitions",
    "sessions": "ritornello.recall.sessions:SessionNeighbours",
    "factors": "ritornello.recall.factors:Factors",
    "neighbours": "ritornello.recall.neighbours:Neighbours",
    "vector": "ritornello.recall.vector:Vector",
    "interests": "ritornello.recall.interests:Interests",
    "graph": "ritornello.recall.graph:Graph",
}


def make(name: str, settings: dict[str, object] | None = None) -> Channel:
    """Build the channel of that name, or of a "module:Class" path, with its defaults overridden by `settings`.

    Raises:
        ValueError: for a name that is neither, or a setting the channel does not have.
    """
    component = plugins.find("recall channel", name, CHANNELS)
    return cast(Channel, plugins.configured(component, settings, where=f"recall.{name}"))


def fit(  # one channel's parts, in the order of their use
    channel: Channel,
    sequences: Sequences,
    at: int,
    knowledge: Knowledge,
    *,
    earlier: Channel | None = None,
    start: Start | None = None,
) -> Channel:
    """Fit a channel: from a `start` where there is one and the channel can, on what an `earlier` one of the same kind has
    learned where there is that, else from nothing.
    """
    if isinstance(channel, Resumed) and start is not None:
        return cast(Channel, channel.resume(start, sequences, at, knowledge))
    if isinstance(channel, Continued) and type(earlier) is type(channel):
        return cast(Channel, channel.refit(earlier, sequences, at, knowledge))
    return channel.fit(sequences, at, knowledge)


def refresh(channel: Channel, sequences: Sequences, at: int, knowledge: Knowledge) -> Channel:
    """Return a channel as of `at`, the same one where it cannot take in anything without training."""
    return cast(Channel, channel.refresh(sequences, at, knowledge)) if isinstance(channel, Refreshed) else channel
