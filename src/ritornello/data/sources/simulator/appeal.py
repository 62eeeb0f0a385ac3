"""How much a track appeals to a listener now, in logits: the one place where taste, mood and exposure come together.

appeal = taste (the best of the interests, at this moment) + quirk (this listener's own view of this track) + renown (most
like what all like, some do not) + language + mood + familiarity - satiation - annoyance. Familiarity rises with the first
listens, satiation with many recent ones: an inverted U over exposures (Berlyne 1971) that heals with time. R rows (some of
B listeners), N tracks, K interests, D taste dimensions.
"""

import numpy as np

from ritornello.contracts import Bool, Float32, Int32, Int64
from ritornello.data.sources.simulator.catalogue import Catalogue
from ritornello.data.sources.simulator.listeners import Listeners, interest_vectors, interest_weights, pick
from ritornello.data.sources.simulator.memory import Memory, Rows
from ritornello.data.sources.simulator.randomness import Draw, Float64, keys, normal, uniform
from ritornello.data.sources.simulator.world import World

GLOBAL_LANGUAGE = 0  # heard everywhere


class Mood:
    """What each listener's running session brings along [B]: where interests point, how strong each is, how lively it is."""

    def __init__(self, listeners: Listeners) -> None:
        self.vector_BKD: Float32 = listeners.vector_BKD.copy()
        self.strength_BK: Float64 = listeners.weight_BK.copy()
        self.advantage_BK: Float32 = np.zeros(self.strength_BK.shape, np.float32)
        self.energy_B: Float64 = np.full(len(listeners), 0.5)

    def begin(
        self,
        world: World,
        listeners: Listeners,
        row_R: Rows,
        at_R: Int64,
        *,
        front_R: Float64 | None = None,
        energy_R: Float64 | float = 0.5,
    ) -> None:
        """Set the mood of sessions that begin now; a uniform `front_R` draws the interest that stands in front."""
        strength_RK = interest_weights(world, listeners, row_R, at_R)
        if front_R is not None:
            strength_RK[np.arange(len(row_R)), pick(strength_RK, front_R)] *= 3.0
            strength_RK /= strength_RK.sum(axis=1, keepdims=True)
        self.vector_BKD[row_R] = interest_vectors(world, listeners, row_R, at_R)
        self.strength_BK[row_R] = strength_RK
        self.advantage_BK[row_R] = world.appeal.interest_weight * np.log(np.maximum(strength_RK, 1e-30))
        self.energy_B[row_R] = energy_R


def taste(
    world: World, catalogue: Catalogue, listeners: Listeners, mood: Mood, row_R: Rows, track_RN: Int32
) -> Float64:
    """Return what listeners think of tracks [R, N] apart from how often they heard them."""
    settings = world.appeal
    match_RNK = np.einsum("rkd,rnd->rnk", mood.vector_BKD[row_R], catalogue.vector_TD[track_RN])
    match_RNK += mood.advantage_BK[row_R][:, None, :]
    appeal_RN = settings.taste * (match_RNK.max(axis=2) - settings.taste_zero)
    quirk_RN = normal(uniform(keys(listeners.key_B[row_R, None], track_RN), Draw.TASTE))
    language_RN = catalogue.language_T[track_RN]
    is_foreign_RN = (language_RN != GLOBAL_LANGUAGE) & (language_RN != listeners.language_B[row_R, None])
    mood_RN = settings.mood * (catalogue.energy_T[track_RN] - mood.energy_B[row_R, None]) ** 2
    return np.asarray(
        appeal_RN
        + settings.quirk * quirk_RN
        + listeners.mainstream_B[row_R, None] * catalogue.renown_T[track_RN]
        - settings.language * is_foreign_RN
        - mood_RN,
        dtype=np.float64,
    )


def exposure(world: World, memory: Memory, row_R: Rows, place_R: Rows, day_R: Float64) -> Float64:
    """Return what having heard a track before adds, or takes away."""
    settings, switches = world.appeal, world.switches
    gain_R = np.zeros(place_R.shape)
    if switches.repeats:
        plays_R = memory.plays(row_R, place_R)
        gain_R += settings.familiar * (1.0 - np.exp(-plays_R / settings.familiar_plays))
    if switches.satiation:
        recent_R = memory.recent(row_R, place_R, day_R)
        gain_R -= settings.satiation * np.maximum(0.0, recent_R - settings.satiation_from)
    return gain_R


def annoyance(world: World, memory: Memory, row_R: Rows, artist_R: Int32, day_R: Float64) -> Float64:
    """Return what skipped tracks of the artist take away."""
    if not world.switches.negatives:
        return np.zeros(len(row_R))
    skips_R = np.minimum(memory.annoyance(row_R, artist_R, day_R), world.appeal.annoyance_max)
    return -world.appeal.annoyance * skips_R


def bond(quality_R: Float64, is_liked_R: Bool | bool = False) -> Float64:
    """Return how much tracks bind their listener: what pleased comes back more often, what is liked even more."""
    return np.clip(0.3 * quality_R, -1.5, 1.5) + 0.4 * np.asarray(is_liked_R)
