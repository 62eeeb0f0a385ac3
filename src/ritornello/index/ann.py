"""Ann: the lists of vectors whose centres agree with the query, eight bits a dimension (Jegou et al. 2011; faiss).

Vectors are put into the list of their nearest centre and kept as the rounded difference from it, 64 bytes for 64 dimensions.
A search looks at a number of best lists. A filter that keeps a share s of the tracks leaves less to find in each list, so it
looks at s ** -widen times as many; where fewer lists hold all that the filter leaves, it looks at those and misses nothing.
Few tracks altogether are searched exactly: there is nothing to learn centres from.

Q queries, K found tracks, D dimensions, N tracks, L lists, F tracks of a filter, S a sample of them, B rows, P lists looked at.
"""

import logging
from math import ceil, sqrt
from pathlib import Path
from typing import Annotated, Literal, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from ritornello.artifacts import replace_folder
from ritornello.config import FromOne, FromZero
from ritornello.contracts import Float32, Int32
from ritornello.index.checks import checked_k, checked_pairs, checked_tracks, checked_vectors
from ritornello.index.exact import Exact, ExactConfig
from ritornello.index.facts import Facts, read_facts, refuse_mapped, write_facts
from ritornello.index.filter import Filter
from ritornello.index.found import Found, best_of, best_of_interests, nothing
from ritornello.index.lists import ABSENT, MOST_LISTS, Lists

logger = logging.getLogger(__name__)
ENOUGH = 4  # the lists looked at hold on average so many times the tracks asked for: a long answer is not cut short
Positive = Annotated[float, msgspec.Meta(gt=0)]


class AnnConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How vectors are grouped, and how many groups a search looks at.

    There are `lists` * sqrt(tracks) lists, `most_lists` at most, learnt from `sample` vectors a list in `iterations` rounds. A
    search looks at `probes` of them, one with several vectors at `probes_many` for each vector, which gives only its nearest
    tracks to the answer. Up to `small` tracks are searched exactly.
    """

    lists: Positive = 2.5
    most_lists: Annotated[int, msgspec.Meta(ge=1, le=MOST_LISTS)] = 8192
    sample: FromOne = 48
    iterations: FromOne = 8
    probes: FromOne = 128
    probes_many: FromOne = 64
    widen: Annotated[float, msgspec.Meta(ge=0)] = 0.25
    small: FromZero = 10_000
    seed: FromZero = 0


class Ann:
    """Search the lists whose centres agree with the query."""

    Config = AnnConfig
    version = ""
    is_mapped = False

    def __init__(self, config: AnnConfig) -> None:
        self.config = config
        self.few: Exact | None = Exact(ExactConfig())
        self.lists: Lists | None = None  # exactly one of the two is there

    def __len__(self) -> int:
        return len(self.lists or self.few or ())

    @property
    def dimension(self) -> int | None:
        """Length of the vectors; None before there are any."""
        return self.lists.dimension if self.lists is not None else self._exact.dimension

    @property
    def _exact(self) -> Exact:
        assert self.few is not None
        return self.few

    def build(self, track_N: Int32, vector_ND: Float32) -> Self:
        track_N, vector_ND = checked_pairs(track_N, vector_ND, None)
        self.is_mapped = False
        if len(track_N) <= self.config.small or len(track_N) == 0:
            self.few, self.lists = Exact(ExactConfig()).build(track_N, vector_ND), None
            return self
        num_lists = max(1, min(round(self.config.lists * sqrt(len(track_N))), self.config.most_lists, len(track_N)))
        num_samples = min(self.config.sample * num_lists, len(track_N))
        row_S = np.random.default_rng(self.config.seed).choice(len(track_N), num_samples, replace=False)
        lists = Lists.learn(
            vector_ND[row_S], num_lists=num_lists, iterations=self.config.iterations, seed=self.config.seed
        )
        lists.add(track_N, vector_ND)
        self.few, self.lists = None, lists
        return self

    def search(self, query_QD: Float32, k: int, allowed: Filter | None = None) -> Found:
        return self._search(query_QD, k, allowed, self.config.probes)

    def _search(self, query_QD: Float32, k: int, allowed: Filter | None, probes: int) -> Found:
        if self.lists is None:
            return self._exact.search(query_QD, k, allowed)
        k = checked_k(k)
        query_QD = checked_vectors(query_QD, axes=2, dimension=self.dimension, what="queries")
        share = 1.0 if allowed is None or len(self) == 0 else self._share(self.lists, allowed)
        if k == 0 or len(query_QD) == 0 or len(self) == 0 or share <= 0:
            return nothing(len(query_QD), k)
        enough = ENOUGH * k / (share * len(self)) * self.lists.ivf.nlist
        probes = ceil(max(probes * share**-self.config.widen, min(enough, self.lists.ivf.nlist)))
        list_P = None if allowed is None else self._lists_holding(self.lists, allowed, probes)
        if allowed is not None and list_P is not None:
            score_QK, track_QK = self.lists.search_in(list_P, query_QD, k, allowed)
        else:
            score_QK, track_QK = self.lists.search(query_QD, k, probes=probes, allowed=allowed)
        return best_of(np.maximum(track_QK, 0), score_QK, k)

    def search_many(self, query_BKD: Float32, k: int, allowed: Filter | None = None) -> Found:
        query_BKD = checked_vectors(query_BKD, axes=3, dimension=self.dimension, what="queries")
        is_present_BK = np.asarray(query_BKD.any(axis=2))
        found = self._search(query_BKD[is_present_BK], k, allowed, self.config.probes_many)
        return best_of_interests(found, is_present_BK, k)

    def _share(self, lists: Lists, allowed: Filter) -> float:
        """Return which share of the tracks a filter keeps; a long one is judged by a sample, and never taken for empty."""
        list_S = lists.lists_of(_sample(allowed.track_F))
        num_named = int(np.count_nonzero(list_S != ABSENT)) / max(1, len(list_S)) * len(allowed.track_F)
        num_kept = num_named if allowed.is_allowed else len(lists) - num_named
        if len(list_S) < len(allowed.track_F):
            num_kept = max(num_kept, 1.0)
        return min(1.0, num_kept / len(lists))

    def _lists_holding(self, lists: Lists, allowed: Filter, probes: int) -> NDArray[np.int64] | None:
        """Return the lists that hold all the allowed tracks, where they are no more than would be looked at anyway."""
        for track_F in (_sample(allowed.track_F), allowed.track_F) if allowed.is_allowed else ():
            list_P = np.unique(lists.lists_of(track_F))
            if len(list_P) > probes + 1:
                return None
        return list_P[list_P != ABSENT].astype(np.int64) if allowed.is_allowed else None

    def add(self, track_N: Int32, vector_ND: Float32) -> None:
        refuse_mapped(is_mapped=self.is_mapped)
        if self.lists is None:
            exact = self._exact
            exact.add(track_N, vector_ND)
            if len(exact) > self.config.small:
                self.build(exact.track_N, exact.vector_ND)
            return
        track_N, vector_ND = checked_pairs(track_N, vector_ND, self.dimension)
        if num_rough := self.lists.num_rough(vector_ND):
            logger.warning(
                "index: %d of %d added vectors lie outside the ranges learnt at build and are cut to them: build it again",
                num_rough,
                len(track_N),
            )
        self.lists.add(track_N, vector_ND)

    def remove(self, track_N: Int32) -> None:
        refuse_mapped(is_mapped=self.is_mapped)
        if self.lists is None:
            self._exact.remove(track_N)
        else:
            self.lists.remove(checked_tracks(track_N))

    def save(self, folder: Path) -> None:
        with replace_folder(folder) as fresh:
            write_facts(fresh, Facts(index="ann", version=self.version))
            if self.lists is None:
                self._exact.save(fresh / "few")
            else:
                for name, array in self.lists.arrays().items():
                    np.save(fresh / f"{name}.npy", array)

    def load(self, folder: Path, *, mmap: bool = True) -> Self:
        self.version = read_facts(folder, "ann").version
        if (folder / "few").is_dir():
            self.few, self.lists = Exact(ExactConfig()).load(folder / "few", mmap=mmap), None
            self.is_mapped = mmap
            return self
        mode: Literal["r"] | None = "r" if mmap else None
        try:
            arrays = {path.stem: np.load(path, mmap_mode=mode, allow_pickle=False) for path in folder.glob("*.npy")}
            return self.take(Lists.restore(arrays, is_mapped=mmap), is_mapped=mmap)
        except (ValueError, KeyError, OSError, EOFError) as error:
            raise ValueError(f"the index in {folder} cannot be read: {error}; build it again") from error

    def take(self, lists: Lists, *, is_mapped: bool) -> Self:
        """Search these lists, which nobody may change where they are mapped."""
        self.few, self.lists, self.is_mapped = None, lists, is_mapped
        return self


def _sample(track_F: Int32) -> Int32:
    """Return about 4,000 of many tracks, spread over all of them."""
    return track_F[:: max(1, len(track_F) // 4000)]
