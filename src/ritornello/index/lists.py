"""Lists: vectors grouped around centres and rounded to eight bits, held and searched by faiss.

A vector lies in the list of the centre nearest to it; a search looks at the lists whose centres have the largest products with
the query. (Lists by product, as faiss makes them by itself, suit vectors of one length alone: a long centre draws all.)

Q queries, K found tracks, D dimensions, N tracks, T all track numbers up to the largest, L lists, P lists looked at.
"""

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Float32, Int32
from ritornello.extras import needing
from ritornello.index.filter import Filter

ABSENT = -1
MOST_LISTS = 32_767  # the list of a track is held as int16
FEW_EXCLUDED = 20_000  # above, one bit a track is tested faster than a hash table, and is smaller
BLOCK = 250_000  # vectors that are filled up, and whose lists are sought, at a time
STEP = 16  # faiss compares so many dimensions at once, and one after the other where that does not divide them: 10 times slower


class Ivf(Protocol):
    """The part of faiss.IndexIVF that is used; the types that faiss declares contradict what it does."""

    nlist: int
    ntotal: int
    d: int

    def __getattr__(self, name: str) -> Any: ...


class Lists:
    """A faiss index of vectors filled up with zeros, the dimension they had before, and in which list each track lies."""

    def __init__(
        self, ivf: Ivf, dimension: int, list_T: NDArray[np.int16], content: NDArray[np.generic] | None = None
    ) -> None:
        self.ivf = ivf
        self.content = content  # what a mapped index reads has to live as long
        self.dimension = dimension
        self.list_T = list_T
        self.centre_LD: Float32 = ivf.quantizer.reconstruct_n(0, ivf.nlist)  # filled up, as the vectors are
        self.nearest = _faiss().IndexFlatL2(ivf.d)
        self.nearest.add(self.centre_LD)

    @classmethod
    def learn(cls, vector_ND: Float32, *, num_lists: int, iterations: int, seed: int) -> Self:
        """Learn centres and the range of each dimension from a sample of the vectors."""
        faiss = _faiss()
        filled_ND = _filled(vector_ND)
        dimension = filled_ND.shape[1]
        ivf = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(dimension),
            dimension,
            num_lists,
            faiss.ScalarQuantizer.QT_8bit,
            faiss.METRIC_INNER_PRODUCT,
        )
        means = faiss.Clustering(dimension, num_lists)
        means.niter, means.seed = iterations, seed
        means.min_points_per_centroid = 1  # the caller chose how many vectors a list gets: no advice on the terminal
        means.max_points_per_centroid = len(filled_ND)
        nearest = faiss.IndexFlatL2(dimension)
        means.train(filled_ND, nearest)
        centre_LD = nearest.reconstruct_n(0, num_lists)
        ivf.quantizer.add(centre_LD)
        ivf.sq.train(filled_ND - centre_LD[nearest.search(filled_ND, 1)[1].ravel()])
        ivf.is_trained = True
        return cls(ivf, vector_ND.shape[1], np.zeros(0, np.int16))

    def __len__(self) -> int:
        return int(self.ivf.ntotal)

    def add(self, track_N: Int32, vector_ND: Float32) -> None:
        """Put tracks into the lists of their nearest centres; those that were here are replaced."""
        faiss = _faiss()
        if len(track_N) == 0:
            return
        self.remove(track_N)
        blocks = [slice(start, start + BLOCK) for start in range(0, len(vector_ND), BLOCK)]
        list_N = np.concatenate([self.nearest.search(_filled(vector_ND[rows]), 1)[1].ravel() for rows in blocks])
        if len(self) == 0:
            self._reserve(list_N)
        for rows in blocks:
            block_ND, key_N, block_list_N = _filled(vector_ND[rows]), track_N[rows].astype(np.int64), list_N[rows]
            self.ivf.add_core(len(key_N), *map(faiss.swig_ptr, (block_ND, key_N, block_list_N)))
        list_T = np.full(max(len(self.list_T), int(track_N.max()) + 1), ABSENT, np.int16)
        list_T[: len(self.list_T)] = self.list_T
        list_T[track_N] = list_N
        self.list_T = list_T

    def _reserve(self, list_N: NDArray[np.int64]) -> None:
        """Give each list the memory it will need; grown step by step, lists hold up to twice that."""
        for list_number, count in enumerate(np.bincount(list_N, minlength=self.ivf.nlist).tolist()):
            self.ivf.invlists.resize(list_number, count)
            self.ivf.invlists.resize(list_number, 0)

    def remove(self, track_N: Int32) -> None:
        """Forget tracks."""
        faiss = _faiss()
        known_N = track_N[self.lists_of(track_N) != ABSENT]
        if len(known_N):
            self.ivf.remove_ids(faiss.IDSelectorBatch(known_N.astype(np.int64)))
            self.list_T[known_N] = ABSENT

    def lists_of(self, track_N: Int32) -> NDArray[np.int16]:
        """Return the list of each track, ABSENT for unknown ones."""
        list_N = np.full(len(track_N), ABSENT, np.int16)
        is_inside_N = track_N < len(self.list_T)
        list_N[is_inside_N] = self.list_T[track_N[is_inside_N]]
        return list_N

    def search(self, query_QD: Float32, k: int, *, probes: int, allowed: Filter | None) -> tuple[Float32, Int32]:
        """Return scores and tracks [Q, K] of the best `probes` lists, ABSENT where there are fewer."""
        faiss = _faiss()
        selector, _owner = _selector(allowed)
        settings = faiss.SearchParametersIVF(nprobe=min(probes, self.ivf.nlist), sel=selector)
        score_QK, track_QK = self.ivf.search(_filled(query_QD), k, params=settings)
        return score_QK, track_QK.astype(np.int32)

    def search_in(self, list_P: NDArray[np.int64], query_QD: Float32, k: int, allowed: Filter) -> tuple[Float32, Int32]:
        """Return scores and tracks [Q, K] of some lists, all of them looked at."""
        faiss = _faiss()
        selector, _owner = _selector(allowed)
        settings = faiss.SearchParametersIVF(nprobe=len(list_P), sel=selector)
        query_QD = _filled(query_QD)
        list_QP = np.tile(list_P, (len(query_QD), 1))
        centre_QP = np.ascontiguousarray(query_QD @ self.centre_LD[list_P].T)
        score_QK = np.empty((len(query_QD), k), np.float32)
        key_QK = np.empty((len(query_QD), k), np.int64)
        inputs = [faiss.swig_ptr(array) for array in (list_QP, centre_QP, score_QK, key_QK)]
        self.ivf.search_preassigned_c(len(query_QD), faiss.swig_ptr(query_QD), k, *inputs, False, settings)
        return score_QK, key_QK.astype(np.int32)

    def num_rough(self, vector_ND: Float32) -> int:
        """Count vectors that lie outside the learnt ranges: they are cut to them, and keep less than 9/10 of themselves."""
        vector_ND = _filled(vector_ND)
        gap_ND = vector_ND - self.centre_LD[self.nearest.search(vector_ND, 1)[1].ravel()]
        error_ND = self.ivf.sq.decode(self.ivf.sq.compute_codes(gap_ND)) - gap_ND
        return int((np.linalg.norm(error_ND, axis=1) > 0.1 * np.linalg.norm(vector_ND, axis=1)).sum())

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the lists as arrays, which can be saved and mapped."""
        content: NDArray[np.uint8] = _faiss().serialize_index(self.ivf)
        return {"lists": content, "list_T": self.list_T, "dimension": np.array([self.dimension])}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[np.generic]], *, is_mapped: bool) -> Self:
        """Take over what `arrays` gave; mapped arrays are read where they lie.

        Raises:
            ValueError: when they are cut short.
        """
        faiss, content = _faiss(), arrays["lists"]
        try:
            if is_mapped:
                ivf = faiss.read_index(faiss.ZeroCopyIOReader(faiss.swig_ptr(content), content.size))
            else:
                ivf = faiss.deserialize_index(content)
        except RuntimeError as error:
            raise ValueError(f"the lists of an index cannot be read: {str(error).splitlines()[0]}") from error
        return cls(
            ivf,
            int(arrays["dimension"].item()),
            arrays["list_T"].astype(np.int16, copy=False),
            content if is_mapped else None,
        )


def is_installed() -> bool:
    """Tell whether there is a faiss to search with."""
    try:
        import_module("faiss")
    except ImportError:
        return False
    return True


def _faiss() -> ModuleType:
    with needing("index", "the index ann needs faiss", otherwise="use the index exact"):
        return import_module("faiss")


def _filled(vector_ND: Float32) -> Float32:
    """Return vectors with zeros after them, as many as fill the last step."""
    missing = -vector_ND.shape[1] % STEP
    return np.pad(vector_ND, ((0, 0), (0, missing))) if missing else vector_ND


def _selector(allowed: Filter | None) -> tuple[object, object]:
    """Return what faiss asks about every track, and the object that has to live as long."""
    faiss = _faiss()
    if allowed is None:
        return None, None
    if allowed.is_allowed:
        return faiss.IDSelectorBitmap(allowed.bits), None
    if len(allowed.track_F) <= FEW_EXCLUDED:
        named = faiss.IDSelectorBatch(allowed.track_F.astype(np.int64))
    else:
        named = faiss.IDSelectorBitmap(allowed.bits)
    return faiss.IDSelectorNot(named), named
