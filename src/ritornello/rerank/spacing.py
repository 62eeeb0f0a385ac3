"""Spacing: tracks of one artist do not follow each other."""

import numpy as np

from ritornello.rerank import Shortlist


def space_artists(shortlist: Shortlist, gap: int, *, before: tuple[int, ...] = ()) -> Shortlist:
    """Reorder, as little as possible, so that `gap` tracks lie between two of one artist.

    `before` are the artists of what was played just before, the newest last. Greedy: always the best track whose artist was not
    among the last `gap`, or the best one where there is none.
    """
    waiting = list(range(len(shortlist)))
    order: list[int] = []
    while waiting:
        passed = (*before, *(int(shortlist.artist_N[index]) for index in order))
        recent = set(passed[-gap:]) - {0} if gap else set()
        place = next((at for at, index in enumerate(waiting) if int(shortlist.artist_N[index]) not in recent), 0)
        order.append(waiting.pop(place))
    return shortlist.take(np.array(order, dtype=np.intp))
