"""Diversity: not too much of one artist."""

import numpy as np

from ritornello.rerank import Shortlist


def cap_artists(shortlist: Shortlist, most: int) -> Shortlist:
    """Keep the best `most` tracks of every artist; tracks whose artist is unknown are all kept."""
    order_N = np.argsort(shortlist.artist_N, kind="stable")
    sorted_N = shortlist.artist_N[order_N]
    place_N = np.arange(len(shortlist)) - np.searchsorted(sorted_N, sorted_N)
    is_kept_N = np.zeros(len(shortlist), bool)
    is_kept_N[order_N] = place_N < most
    return shortlist.take(np.flatnonzero(is_kept_N | (shortlist.artist_N == 0)))
