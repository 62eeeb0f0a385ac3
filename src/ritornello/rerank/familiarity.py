"""Familiarity: the knob between what the user knows and what is new to them."""

import numpy as np

from ritornello.rerank import Shortlist


def choose(shortlist: Shortlist, k: int, familiarity: float | None) -> Shortlist:
    """Keep the best `k` tracks, `familiarity` of them heard before where the list has enough; None lets the ranker decide."""
    if familiarity is None:
        return shortlist.take(np.arange(min(k, len(shortlist))))
    heard, unheard = np.flatnonzero(shortlist.is_heard_N), np.flatnonzero(~shortlist.is_heard_N)
    num_heard = min(round(familiarity * k), len(heard))
    num_unheard = min(k - num_heard, len(unheard))
    num_heard = min(k - num_unheard, len(heard))
    return shortlist.take(np.sort(np.r_[heard[:num_heard], unheard[:num_unheard]]))
