"""Listeners: what they like, when and how much they listen, how patient they are. Nobody but the simulator reads this.

A listener has one to several interests: a genre, a direction of taste near one of its artists, a weight that swells and fades
over months (drift and return), an hour of the day. B listeners, K interests, D taste dimensions, I intents.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Float32, Int32, Int64
from ritornello.data.sources.simulator.catalogue import HOUR_G, LANGUAGE_SHARES, Catalogue, unit
from ritornello.data.sources.simulator.randomness import Draw, Float64, UInt64, keys, normal, uniforms
from ritornello.data.sources.simulator.world import World
from ritornello.schema import ONE_DAY_MS, ONE_HOUR_MS

MANY_INTERESTS = 4
NEVER_BEGAN = -1e9
GROUPS = ("newcomer", "light", "heavy", "many_genre")
TRAITS = 10
DRIFT_DAYS = 60.0  # an interest turns by its own angle in so many days


@dataclass(frozen=True, kw_only=True, slots=True)
class Interests:
    """What listeners like, and when; past a listener's number of interests the weight is 0."""

    genre_BK: Int32
    vector_BKD: Float32
    drift_BKD: Float32
    weight_BK: Float64
    period_days_BK: Float64
    phase_BK: Float64
    begins_day_BK: Float64
    hour_BK: Float64


@dataclass(frozen=True, kw_only=True, slots=True)
class Listeners(Interests):
    """The traits of some listeners; `id_B` counts from 1."""

    id_B: Int64
    key_B: UInt64
    rate_B: Float64
    joined_day_B: Float64
    shift_hours_B: Float64
    language_B: Int32
    patience_B: Float64
    skip_bias_B: Float64
    like_bias_B: Float64
    repeat_bias_B: Float64
    mainstream_B: Float64
    intent_BI: Float64

    def __len__(self) -> int:
        return len(self.id_B)

    @property
    def num_interests_B(self) -> NDArray[np.intp]:
        """Return how many interests each listener has."""
        return np.asarray((self.weight_BK > 0).sum(axis=1), dtype=np.intp)


def sessions_a_day(world: World, key_B: UInt64) -> Float64:
    """Return how often listeners listen; one uniform number of their traits tells."""
    return world.listening.rate * np.exp(world.listening.rate_spread * normal(uniforms(key_B, Draw.TRAITS, 1)[:, 0]))


def listener_keys(world: World, id_B: Int64) -> UInt64:
    """Return the keys that name listeners in every draw."""
    return keys(np.full(len(id_B), world.seed + 1, np.uint64), id_B)


def invent_listeners(world: World, catalogue: Catalogue, id_B: Int64) -> Listeners:
    """Invent the listeners of these ids; each comes out the same whoever else is asked for."""
    settings = world.listening
    key_B = listener_keys(world, id_B)
    trait_BN = uniforms(key_B, Draw.TRAITS, TRAITS)
    is_newcomer_B = trait_BN[:, 1] < settings.newcomers
    late_day_B = world.days * (0.5 + 0.5 * trait_BN[:, 2])
    intent_BI = np.array(world.sessions.intents) * np.exp(0.5 * normal(uniforms(key_B, Draw.SESSION, 4)))
    interests = invent_interests(world, catalogue, key_B)
    return Listeners(
        id_B=id_B,
        key_B=key_B,
        rate_B=sessions_a_day(world, key_B),
        joined_day_B=np.where(is_newcomer_B, late_day_B, 0.0),
        shift_hours_B=2.0 * normal(trait_BN[:, 3]),
        language_B=np.searchsorted(np.cumsum(LANGUAGE_SHARES), trait_BN[:, 4]).clip(0, 7).astype(np.int32),
        patience_B=world.sessions.patience * np.exp(0.35 * normal(trait_BN[:, 5])),
        skip_bias_B=0.5 * normal(trait_BN[:, 6]),
        like_bias_B=0.9 * normal(trait_BN[:, 7]) - 0.4,
        repeat_bias_B=np.exp(0.6 * normal(trait_BN[:, 8])),
        mainstream_B=settings.mainstream + settings.mainstream_spread * normal(trait_BN[:, 9]),
        intent_BI=intent_BI / intent_BI.sum(axis=1, keepdims=True),
        genre_BK=interests.genre_BK,
        vector_BKD=interests.vector_BKD,
        drift_BKD=interests.drift_BKD,
        weight_BK=interests.weight_BK,
        period_days_BK=interests.period_days_BK,
        phase_BK=interests.phase_BK,
        begins_day_BK=interests.begins_day_BK,
        hour_BK=interests.hour_BK,
    )


def invent_interests(world: World, catalogue: Catalogue, key_B: UInt64) -> Interests:
    """Give each listener interests around artists that they know, popular ones more often than others."""
    settings = world.listening
    num_interests, dimensions = settings.max_interests, catalogue.vector_AD.shape[1]
    draw_BKN = uniforms(key_B, Draw.INTERESTS, num_interests * (7 + 2 * dimensions)).reshape(
        len(key_B), num_interests, -1
    )
    has_BK = np.cumprod(draw_BKN[:, :, 0] < settings.more_interests, axis=1)
    has_BK = np.concatenate([np.ones((len(key_B), 1)), has_BK[:, :-1]], axis=1)
    cum_A = np.cumsum(np.sqrt(catalogue.fame_A))
    anchor_BK = np.searchsorted(cum_A, draw_BKN[:, :, 1] * cum_A[-1]).clip(0, len(cum_A) - 1)
    genre_BK = catalogue.genre_A[anchor_BK]
    turn_BKD = normal(draw_BKN[:, :, 7 : 7 + dimensions]) / np.sqrt(dimensions)
    drift_BKD = normal(draw_BKN[:, :, 7 + dimensions :]) / np.sqrt(dimensions)
    near_BKD = 0.6 * catalogue.vector_AD[anchor_BK] + 0.4 * catalogue.centroid_GD[genre_BK]
    vector_BKD = unit((near_BKD + settings.interest_lean * turn_BKD).reshape(-1, dimensions)).reshape(turn_BKD.shape)
    weight_BK = has_BK * -np.log(draw_BKN[:, :, 2])
    low, high = settings.swing_days
    begins_BK = np.where(
        (draw_BKN[:, :, 5] < settings.begins_share) & (np.arange(num_interests) > 0),
        world.days * (0.2 + 0.7 * draw_BKN[:, :, 6]),
        NEVER_BEGAN,
    )
    return Interests(
        genre_BK=genre_BK.astype(np.int32),
        vector_BKD=vector_BKD,
        drift_BKD=(settings.drift_lean * drift_BKD).astype(np.float32),
        weight_BK=weight_BK / weight_BK.sum(axis=1, keepdims=True),
        period_days_BK=low * (high / low) ** draw_BKN[:, :, 3],
        phase_BK=2.0 * np.pi * draw_BKN[:, :, 4],
        begins_day_BK=begins_BK,
        hour_BK=HOUR_G[genre_BK] + 3.0 * normal(draw_BKN[:, :, 6]),
    )


def interest_weights(world: World, listeners: Listeners, row_R: NDArray[np.intp], at_R: Int64) -> Float64:
    """Return how strong each interest is at a moment [R, K]: swelling and fading, begun or not, and at its hour."""
    settings, switches = world.listening, world.switches
    day_R1 = ((at_R - world.start_ms) / ONE_DAY_MS)[:, None]
    exponent_RK = np.zeros((len(row_R), listeners.weight_BK.shape[1]))
    if switches.drift:
        turn_RK = 2.0 * np.pi * day_R1 / listeners.period_days_BK[row_R] + listeners.phase_BK[row_R]
        exponent_RK += settings.swing * np.sin(turn_RK)
        exponent_RK -= np.where(day_R1 < listeners.begins_day_BK[row_R], 5.0, 0.0)
    if switches.clock:
        hour_R1 = ((at_R % ONE_DAY_MS) / ONE_HOUR_MS)[:, None]
        exponent_RK += settings.hour_pull * np.cos(2.0 * np.pi * (hour_R1 - listeners.hour_BK[row_R]) / 24.0)
    strength_RK = listeners.weight_BK[row_R] * np.exp(exponent_RK)
    return np.asarray(strength_RK / strength_RK.sum(axis=1, keepdims=True), dtype=np.float64)


def interest_vectors(world: World, listeners: Listeners, row_R: NDArray[np.intp], at_R: Int64) -> Float32:
    """Return where each interest points at a moment [R, K, D]: it turns slowly, if tastes drift."""
    vector_RKD = listeners.vector_BKD[row_R]
    if world.switches.drift:
        days_R11 = ((at_R - world.start_ms) / ONE_DAY_MS).astype(np.float32)[:, None, None]
        vector_RKD = vector_RKD + listeners.drift_BKD[row_R] * (days_R11 / np.float32(DRIFT_DAYS))
        vector_RKD /= np.linalg.norm(vector_RKD, axis=2, keepdims=True)
    return vector_RKD


def groups(world: World, listeners: Listeners) -> dict[str, Bool]:
    """Tell who belongs to which group; a listener may belong to several."""
    median = world.listening.rate
    heavy = median * np.exp(world.listening.rate_spread * 0.8416)  # the 80th percentile of a log-normal
    return {
        "newcomer": listeners.joined_day_B > 0,
        "light": listeners.rate_B < median,
        "heavy": listeners.rate_B > heavy,
        "many_genre": listeners.num_interests_B >= MANY_INTERESTS,
    }


def pick(weight_BN: NDArray[np.floating], uniform_B: Float64) -> NDArray[np.intp]:
    """Draw a column per row by weight; rows without any weight get column 0.

    >>> pick(np.array([[0.0, 2.0], [0.0, 0.0]]), np.array([0.1, 0.9])).tolist()
    [1, 0]
    """
    cum_BN = np.cumsum(weight_BN, axis=1)
    place_B = (cum_BN <= (uniform_B * cum_BN[:, -1])[:, None]).sum(axis=1)
    return np.where(cum_BN[:, -1] > 0, np.minimum(place_B, weight_BN.shape[1] - 1), 0)
