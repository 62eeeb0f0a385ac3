"""Track vectors: the table of a channel that compares vectors, and an index that finds the best of a large one.

Up to MANY tracks the product with every vector is cheap. Above, an approximate index (see index/ann.py) finds SPARE times as
many tracks as are wanted, and the products themselves order those: what the index holds is rounded, what is compared is not.
The index is made with the vectors and goes with them into the bundle: examples, evaluation and service search the same one.

T tracks, D dimensions, N tracks asked about.
"""

import logging
from collections.abc import Mapping
from functools import cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Float32, Int32
from ritornello.index import Index
from ritornello.index.ann import Ann, AnnConfig
from ritornello.index.filter import without
from ritornello.index.lists import Lists, is_installed
from ritornello.schema import PADDING

MANY = 200_000
SPARE = 2
INDEX = "index-"

logger = logging.getLogger(__name__)


class TrackVectors:
    """The vectors of all tracks; PADDING and tracks of which nothing is known have zeros, and are never found.

    Where there is an index, it knows the first `num_indexed` of them; later ones are compared one by one.
    """

    def __init__(self, vector_TD: Float32, searched: Index | None = None, num_indexed: int | None = None) -> None:
        self.vector_TD = vector_TD
        self.searched = searched
        self.num_indexed = len(vector_TD) if num_indexed is None else num_indexed
        # To tell which tracks have a vector all are read: for many, an index tells.
        self.is_known_T = np.zeros(0, bool) if searched is not None else np.asarray(vector_TD.any(axis=1))

    def __len__(self) -> int:
        return len(self.vector_TD)

    @classmethod
    def made(cls, vector_TD: Float32) -> Self:
        """Take vectors as they were trained, and make the index of many."""
        tracks = cls(vector_TD)
        if len(tracks) > MANY and can_search():
            known_N = np.flatnonzero(tracks.is_known_T).astype(np.int32)
            tracks.searched = Ann(AnnConfig()).build(known_N, vector_TD[known_N])
        return tracks

    def grown(self, vector_TD: Float32) -> Self:
        """Return these vectors with those of newer tracks behind them, without making the index anew."""
        return type(self)(vector_TD, self.searched, self.num_indexed)

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
        newer_N = np.setdiff1d(np.arange(self.num_indexed, len(self), dtype=np.int32), apart_N)
        return np.concatenate([np.unique(found.track_QK[found.track_QK != PADDING]), newer_N])

    def arrays(self, name: str) -> dict[str, NDArray[np.generic]]:
        """Return the vectors under that name, and the index beside them."""
        lists = self.searched.lists.arrays() if isinstance(self.searched, Ann) and self.searched.lists else {}
        return {name: self.vector_TD, **{f"{INDEX}{part}": array for part, array in lists.items()}}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[np.generic]], name: str) -> Self:
        """Take over what `arrays` gave."""
        lists = {part.removeprefix(INDEX): array for part, array in arrays.items() if part.startswith(INDEX)}
        searched: Index | None = None
        if lists and can_search():
            searched = Ann(AnnConfig()).take(Lists.restore(lists, is_mapped=True), is_mapped=True)
        return cls(np.asarray(arrays[name], dtype=np.float32), searched)


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
