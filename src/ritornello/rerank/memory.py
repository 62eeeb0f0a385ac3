"""Memory: which of the heard tracks come first, by how strongly the listener remembers them now."""

import numpy as np

from ritornello.contracts import Float32
from ritornello.rerank import Shortlist


def order_heard(shortlist: Shortlist, strength_N: Float32, weight: float) -> Shortlist:
    """Deal the heard tracks out anew over the places that heard tracks have, by score and memory; the others stay.

    `strength_N` is above 0 for what is remembered. Its logarithm and the score are measured in standard deviations of the
    heard tracks, `weight` is that of the logarithm. Places keep their scores.
    """
    place_H = np.flatnonzero(shortlist.is_heard_N)
    remembered_H = strength_N[place_H]
    if weight <= 0 or not (remembered_H > 0).any():
        return shortlist
    memory_H = np.log(np.maximum(remembered_H, remembered_H[remembered_H > 0].min()))
    value_H = standard(shortlist.score_N[place_H]) + weight * standard(memory_H)
    order_N = np.arange(len(shortlist))
    order_N[place_H] = place_H[np.lexsort((shortlist.track_N[place_H], -value_H))]
    return shortlist.take(order_N).rescored(shortlist.score_N)


def standard(value_H: Float32) -> Float32:
    """Return values around 0 in standard deviations, zeros where all are equal.

    >>> standard(np.array([1.0, 3.0], np.float32)).tolist()
    [-1.0, 1.0]
    """
    deviation = float(value_H.std())
    return np.asarray((value_H - value_H.mean()) / deviation if deviation > 0 else 0.0 * value_H, dtype=np.float32)
