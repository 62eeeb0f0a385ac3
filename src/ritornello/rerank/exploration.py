"""Exploration: seeded noise, so that a list is fresh every day and the same all day."""

import numpy as np

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
