"""Track vectors: the table of a channel that compares vectors, and an index that finds the best of a large one.

Up to MANY tracks the product with every vector is cheap. Above, an approximate index (see index/ann.py) finds SPARE times as
many tracks as are wanted, and the products themselves order those: what the index holds is rounded, what is compared is not.
The index is made with the vectors and goes with them into the bundle: examples, evaluation and service search the same one.

T tracks, D dimensions, N tracks asked about.
"""

import logging
from functools import cache, cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ritornello import index
from ritornello.contracts import Bool, Float32, Int32
from ritornello.index import Index
from ritornello.index.filter import without
from ritornello.index.lists import is_installed
from ritornello.schema import PADDING

MANY = 200_000
SPARE = 2
FOLDER = "index"

logger = logging.getLogger(__name__)


class TrackVectors:
    """The vectors of all tracks; PADDING and tracks of which nothing is known have zeros, and are never found."""

    def __init__(self, vector_TD: Float32, searched: Index | None = None) -> None:
        self.vector_TD = vector_TD
        self.searched = searched

    def __len__(self) -> int:
        return len(self.vector_TD)

    @classmethod
    def made(cls, vector_TD: Float32) -> Self:
        """Take vectors as they were trained, and make the index of many."""
        tracks = cls(vector_TD)
        if len(tracks) > MANY and can_search():
            known_N = np.flatnonzero(tracks.is_known_T).astype(np.int32)
            tracks.searched = index.make("ann").build(known_N, vector_TD[known_N])
        return tracks

    @cached_property
    def is_known_T(self) -> Bool:
        """Which tracks have a vector; to tell, all are read."""
        return np.asarray(self.vector_TD.any(axis=1))

    def knows(self, track_N: NDArray[np.integer]) -> Bool:
        """Tell which of some tracks have a vector."""
        if self.searched is None:
            return np.asarray(self.is_known_T[track_N])
        return np.asarray(self.vector_TD[track_N].any(axis=-1))

    def near(self, query_KD: Float32, k: int, apart_N: Int32) -> Int32:
        """Return the tracks, at least `k`, whose product with some query that is not zeros is largest, none of those apart.

        Only where there is an index, which may miss some.
        """
        assert self.searched is not None
        found = self.searched.search(query_KD[query_KD.any(axis=1)], SPARE * k, without(apart_N))
        return np.unique(found.track_QK[found.track_QK != PADDING])

    def save(self, folder: Path) -> None:
        """Write the index, where there is one, into a folder beside the vectors."""
        if self.searched is not None:
            self.searched.save(folder / FOLDER)

    def load(self, folder: Path) -> None:
        """Map the index that `save` wrote, where it wrote one."""
        if (folder / FOLDER).is_dir() and can_search():
            self.searched = index.make("ann").load(folder / FOLDER)


@cache
def can_search() -> bool:
    """Tell whether large catalogues can have an index; where they cannot, say so once."""
    if not is_installed():
        logger.warning(
            "faiss is not installed: of more than %d tracks all vectors are compared at every request, some 35 ms a "
            "million; pip install 'ritornello[index]'",
            MANY,
        )
    return is_installed()
