"""Exploration: seeded chance, so that a list is fresh every day, and so that a stream learns about what it would not play."""

import numpy as np

from ritornello.contracts import Float32
from ritornello.rerank import Shortlist


def shuffle_softly(shortlist: Shortlist, temperature: float, generator: np.random.Generator) -> Shortlist:
    """Reorder by score plus Gumbel noise: a draw without replacement from softmax(score / temperature).

    Scores are measured in standard deviations of the list (Kool et al. 2019 for the sampling).
    """
    if len(shortlist) < 2 or temperature <= 0:
        return shortlist
    scaled_N = shortlist.score_N / max(float(shortlist.score_N.std()), 1e-9)
    noisy_N = scaled_N + temperature * generator.gumbel(size=len(shortlist))
    return shortlist.take(np.lexsort((shortlist.track_N, -noisy_N)))


def explore(best: Shortlist, rest: Shortlist, rate: float, generator: np.random.Generator) -> tuple[Shortlist, Float32]:
    """Give each slot of `best`, with probability `rate`, to a track of `rest` by chance; return the list and propensities.

    A slot's propensity is the probability of its track given the slots before it: 1 - rate for the next of the best, rate
    over the number of tracks left to draw from otherwise, 1 where there is nothing to draw from.
    """
    drawn = generator.random(len(best)) < rate
    rest_order = generator.permutation(len(rest)).tolist()
    chosen: list[Shortlist] = []
    propensity_K = np.ones(len(best), np.float32)
    num_best, num_rest = 0, 0
    for slot, is_drawn in enumerate(drawn.tolist()):
        left = len(rest) - num_rest
        if is_drawn and left:
            chosen.append(rest.take(np.array([rest_order[num_rest]], dtype=np.intp)))
            propensity_K[slot] = rate / left
            num_rest += 1
        else:
            chosen.append(best.take(np.array([num_best], dtype=np.intp)))
            propensity_K[slot] = 1 - rate if left else 1.0
            num_best += 1
    return joined(best, chosen), propensity_K


def joined(like: Shortlist, parts: list[Shortlist]) -> Shortlist:
    """Put shortlists one after another; none of them leaves an empty one of the kind of `like`."""
    return Shortlist(
        index_N=np.concatenate([like.index_N[:0], *(part.index_N for part in parts)]),
        track_N=np.concatenate([like.track_N[:0], *(part.track_N for part in parts)]),
        score_N=np.concatenate([like.score_N[:0], *(part.score_N for part in parts)]),
        is_heard_N=np.concatenate([like.is_heard_N[:0], *(part.is_heard_N for part in parts)]),
        artist_N=np.concatenate([like.artist_N[:0], *(part.artist_N for part in parts)]),
    )
