"""Continuation: which tracks go on with those of a playlist, as the catalogue's other playlists tell.

Playlists that share tracks with the given ones, rare tracks rather, vote for the rest of theirs (neighbours as in V-SKNN,
Ludewig and Jannach 2018, over playlists); what is everywhere is damped (RP3beta, Paudel et al. 2017); artists and albums
of the given tracks raise their others. Nothing is trained: a query is a few sparse products.
Q queries, P playlists, T tracks (with PADDING), G groups.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import msgspec
import numpy as np
from scipy.sparse import csr_array

from ritornello.contracts import Float32
from ritornello.data.facts import Groups
from ritornello.data.sparse import inverse, keep_best, scale_rows

FromZero = Annotated[float, msgspec.Meta(ge=0)]


class ContinuationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings: `neighbours` playlists vote, with their likeness to the power of `amplify`.

    `damping` is the power of a track's number of playlists that its votes are divided by; `artist` and `album` is what a
    track gains, against the best vote, where all of the given tracks are of its artist or its album.
    """

    neighbours: Annotated[int, msgspec.Meta(ge=1)] = 2000
    amplify: FromZero = 2.5
    damping: FromZero = 0.3
    artist: FromZero = 0.5
    album: FromZero = 1.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Playlisted:
    """All playlists, ready to be asked: what a track says for a playlist, who is in it, how many playlists hold a track."""

    says_TP: csr_array
    member_PT: csr_array
    count_T: Float32


@lru_cache(maxsize=2)  # an opened workspace has one set of playlists; a second one is there while bundles change
def playlisted(playlists: Groups) -> Playlisted:
    """Weigh playlists once for all that ask."""
    member_PT = playlists.member_GT
    count_T = np.asarray(member_PT.sum(axis=0), dtype=np.float32).ravel()
    length_P = np.diff(member_PT.indptr)
    rarity_T = np.log1p(len(length_P) / np.maximum(count_T, 1))
    by_length_PT = scale_rows(member_PT, np.sqrt(inverse(length_P)))
    return Playlisted(says_TP=scale_rows(csr_array(by_length_PT.T), rarity_T), member_PT=member_PT, count_T=count_T)


def continued(
    playlists: Groups, query_QT: csr_array, config: ContinuationConfig, *, artists: Groups, albums: Groups
) -> csr_array:
    """Score what may follow the tracks of each query [Q, T], 1 the best vote; their own tracks are left out."""
    known = playlisted(playlists)
    likeness_QP = csr_array(query_QT @ known.says_TP)
    likeness_QP.sort_indices()
    likeness_QP.data[is_same(query_QT, likeness_QP, known.member_PT)] = 0
    likeness_QP = keep_best(likeness_QP, config.neighbours)
    likeness_QP.data **= np.float32(config.amplify)
    votes_QT = csr_array(likeness_QP @ known.member_PT)
    votes_QT.data *= (np.maximum(known.count_T, 1) ** -np.float32(config.damping))[votes_QT.indices]
    votes_QT = scale_rows(votes_QT, inverse(np.asarray(votes_QT.max(axis=1).todense(), dtype=np.float64).ravel()))
    total_QT = votes_QT
    for groups, gain in ((artists, config.artist), (albums, config.album)):
        if gain and len(groups):
            total_QT = csr_array(total_QT + np.float32(gain) * shared(groups, query_QT, known.count_T))
    total_QT = csr_array(total_QT - total_QT.multiply(query_QT > 0))
    total_QT.eliminate_zeros()
    return total_QT


def is_same(
    query_QT: csr_array, likeness_QP: csr_array, member_PT: csr_array
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell which entries are playlists of the very tracks of their query; a playlist is no neighbour of itself.

    The indices of `likeness_QP` are sorted.
    """
    row_E = np.repeat(np.arange(query_QT.shape[0]), np.diff(likeness_QP.indptr))
    shared_QP = csr_array((query_QT > 0).astype(np.float32) @ csr_array(member_PT.T))
    shared_QP.sort_indices()
    size_Q, size_P = np.diff(query_QT.indptr), np.diff(member_PT.indptr)
    is_all_E = (shared_QP.data == size_P[shared_QP.indices]) & (shared_QP.data == size_Q[row_E])
    return np.asarray(is_all_E)


def shared(groups: Groups, query_QT: csr_array, count_T: Float32) -> csr_array:
    """Return the share of a query's tracks that are of the same group, less for tracks that fewer playlists hold."""
    member_TG = csr_array(groups.member_GT.T)
    size_Q = np.asarray(query_QT.sum(axis=1), dtype=np.float64).ravel()
    share_QG = scale_rows(csr_array(query_QT @ member_TG), inverse(size_Q))
    shared_QT = csr_array(share_QG @ groups.member_GT)
    weight_T = np.log1p(count_T) / max(float(np.log1p(count_T).max()), 1e-9)
    shared_QT.data *= weight_T[shared_QT.indices]
    return shared_QT
