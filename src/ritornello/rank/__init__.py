"""Rank: each model is one file and one line in this table; it orders what recall proposed.

A ranker learns from examples (candidates that recall really returned in earlier windows, and whether they were played) and
then scores a batch. S examples, F features.
"""

from dataclasses import dataclass
from typing import Protocol, Self, cast

import numpy as np
from numpy.typing import NDArray

from ritornello import plugins
from ritornello.contracts import Bool, Float32, Int32, RankBatch


@dataclass(frozen=True, kw_only=True, slots=True)
class Examples:
    """Labelled candidates; rows of one request share `request_S` and lie together. `weight_S` makes up for sampling."""

    feature_SF: Float32
    label_S: Bool
    request_S: Int32
    weight_S: Float32
    feature_names: tuple[str, ...]


class Ranker(Protocol):
    """What every ranker can do."""

    def fit(self, examples: Examples) -> Self:
        """Learn to order a request's candidates."""
        ...

    def score(self, batch: RankBatch) -> Float32:
        """Return scores [B, N], higher is better, -inf in the padding; other candidates do not change a score."""
        ...

    def contributions(self, feature_PF: Float32) -> Float32:
        """Return how much each feature moved each score [P, F]; they sum to the score up to a constant."""
        ...

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the fitted state."""
        ...

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> Self:
        """Take over a fitted state that `arrays` gave."""
        ...


RANKERS = {
    "logistic": "ritornello.rank.logistic:Logistic",
    "trees": "ritornello.rank.trees:Trees",
}


def make(name: str, settings: dict[str, object] | None = None) -> Ranker:
    """Build the ranker of that name, or of a "module:Class" path, with its defaults overridden by `settings`.

    Raises:
        ValueError: for a name that is neither, or a setting the ranker does not have.
    """
    component = plugins.find("ranker", name, RANKERS)
    return cast(Ranker, plugins.configured(component, settings, where=f"rank.{name}"))
