"""Rules: what must not be shown."""

import numpy as np

from ritornello.contracts import Int32
from ritornello.rerank import Shortlist


def without(shortlist: Shortlist, banned: Int32) -> Shortlist:
    """Drop tracks that the user dislikes."""
    return shortlist.take(np.flatnonzero(~np.isin(shortlist.track_N, banned)))
