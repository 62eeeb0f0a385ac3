"""Re-rank: small named steps from a ranked list to what is shown; a scene is a visible chain of them.

A step takes a Shortlist and gives a Shortlist. N tracks of one user, best first.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Float32, Int32


@dataclass(frozen=True, kw_only=True, slots=True)
class Shortlist:
    """Ranked tracks of one user; `index_N` is each track's slot in the candidates it came from, artist 0 is unknown."""

    index_N: NDArray[np.intp]
    track_N: Int32
    score_N: Float32
    is_heard_N: Bool
    artist_N: Int32

    def __len__(self) -> int:
        return len(self.track_N)

    def take(self, order_K: NDArray[np.intp]) -> "Shortlist":
        """Return some of the tracks, in the order given."""
        return Shortlist(
            index_N=self.index_N[order_K],
            track_N=self.track_N[order_K],
            score_N=self.score_N[order_K],
            is_heard_N=self.is_heard_N[order_K],
            artist_N=self.artist_N[order_K],
        )

    def rescored(self, score_N: Float32) -> "Shortlist":
        """Return the same tracks in the same order with other scores."""
        return replace(self, score_N=score_N)
