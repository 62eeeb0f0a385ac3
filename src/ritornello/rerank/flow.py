"""Flow: an order in which each track follows well from the one before.

N tracks of a shortlist, T tracks of the catalogue.
"""

import numpy as np
from scipy.sparse import csr_array

from ritornello.rerank import Shortlist
from ritornello.rerank.rules import spread_of


def follow_links(shortlist: Shortlist, links_TT: csr_array, *, weight: float, gap: int) -> Shortlist:
    """Reorder greedily by score plus up to `weight` standard deviations for the link from the track before.

    The strongest link of a track counts in full. No artist comes again within `gap` tracks where there is another.
    """
    if len(shortlist) < 2:
        return shortlist
    size = links_TT.shape[0]
    is_known_N = shortlist.track_N < size
    known_N = np.where(is_known_N, shortlist.track_N, 0)
    link_NN = np.asarray(links_TT[known_N][:, known_N].toarray()) * (is_known_N[:, None] & is_known_N)
    strongest_N1 = np.maximum(link_NN.max(axis=1, keepdims=True), 1e-9)
    gain_NN = weight * spread_of(shortlist.score_N) * link_NN / strongest_N1
    waiting_N, order = np.ones(len(shortlist), bool), [0]
    waiting_N[0] = False
    while waiting_N.any():
        near = shortlist.artist_N[order[-gap:]] if gap else shortlist.artist_N[:0]
        is_free_N = waiting_N & ~np.isin(shortlist.artist_N, near[near > 0])
        allowed_N = is_free_N if is_free_N.any() else waiting_N
        value_N = np.where(allowed_N, shortlist.score_N + gain_NN[order[-1]], -np.inf)
        order.append(int(value_N.argmax()))
        waiting_N[order[-1]] = False
    return shortlist.take(np.array(order, dtype=np.intp))
