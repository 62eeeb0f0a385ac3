"""When people listen: sessions by the day of the week and the hour of the day, whatever any policy does.

Session starts depend on the listener alone, so that two policies meet the same sessions. B listeners, N days, S sessions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Int64
from ritornello.data.sources.simulator.listeners import Listeners
from ritornello.data.sources.simulator.randomness import Draw, Float64, keys, uniforms
from ritornello.data.sources.simulator.world import World
from ritornello.schema import ONE_DAY_MS, ONE_HOUR_MS, ONE_MINUTE_MS

A_DAY = 4  # sessions at most
PAUSE_MS = 46 * ONE_MINUTE_MS  # a session ends so long before the next one
CLOSEST_MS = 75 * ONE_MINUTE_MS
# How much people listen by hour, on working days and at weekends.
WEEKDAY_H = np.array([3, 2, 1, 1, 1, 2, 5, 9, 10, 9, 8, 8, 9, 8, 8, 9, 10, 12, 12, 11, 10, 9, 7, 5], np.float64)
WEEKEND_H = np.array([5, 4, 3, 2, 1, 1, 2, 3, 5, 8, 10, 10, 10, 9, 9, 9, 10, 10, 10, 10, 10, 10, 9, 7], np.float64)
RATE_W = np.array([0.95, 0.95, 1.0, 1.0, 1.1, 1.05, 0.95])  # Monday first


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Each listener's sessions in order of time: start and latest end in UTC ms (0: no such session), and their number."""

    start_BS: Int64
    deadline_BS: Int64
    number_BS: Int64


def schedule(world: World, listeners: Listeners, first_day: int, last_day: int) -> Schedule:
    """Draw the sessions of the days from `first_day` up to before `last_day`."""
    days_N = np.arange(first_day, last_day)
    start_BND = np.full((len(listeners), len(days_N), A_DAY), np.iinfo(np.int64).max)
    weekday_N = (days_N + world.start_ms // ONE_DAY_MS + 3) % 7
    for place, day in enumerate(days_N):
        draw_BN = uniforms(keys(listeners.key_B, int(day)), Draw.SCHEDULE, 1 + A_DAY)
        rate_B = listeners.rate_B * RATE_W[weekday_N[place]]
        has_BD = how_many(rate_B, draw_BN[:, 0])[:, None] > np.arange(A_DAY)
        hour_BD = hours(world, listeners, draw_BN[:, 1:], is_weekend=weekday_N[place] >= 5)
        at_BD = world.start_ms + int(day) * ONE_DAY_MS + (hour_BD * ONE_HOUR_MS).astype(np.int64)
        is_on_BD = has_BD & (listeners.joined_day_B[:, None] <= day)
        start_BND[:, place] = np.sort(np.where(is_on_BD, at_BD, np.iinfo(np.int64).max), axis=1)
    number_BS = np.broadcast_to(
        (days_N[:, None] * A_DAY + np.arange(A_DAY)).ravel(), (len(listeners), len(days_N) * A_DAY)
    )
    return packed(start_BND.reshape(len(listeners), -1), number_BS)


def packed(start_BS: Int64, number_BS: NDArray[np.integer]) -> Schedule:
    """Drop sessions that begin too close to the one before and move the gaps to the end."""
    never = np.iinfo(np.int64).max
    order_BS = np.argsort(start_BS, axis=1, kind="stable")
    start_BS = np.take_along_axis(start_BS, order_BS, axis=1)
    width = max(1, int((start_BS < never).sum(axis=1).max(initial=0)))
    start_BS, number_BS = start_BS[:, :width].copy(), np.take_along_axis(number_BS, order_BS, axis=1)[:, :width]
    for place in range(1, width):  # what follows too closely becomes part of the session before: it never starts
        newest_B = np.where(start_BS[:, :place] < never, start_BS[:, :place], -1).max(axis=1)
        start_BS[start_BS[:, place] - newest_B < CLOSEST_MS, place] = never
    order_BS = np.argsort(start_BS, axis=1, kind="stable")
    start_BS = np.take_along_axis(start_BS, order_BS, axis=1)
    number_BS = np.take_along_axis(number_BS, order_BS, axis=1)
    after_BS = np.concatenate([start_BS[:, 1:], np.full((len(start_BS), 1), never)], axis=1)
    deadline_BS = np.where(after_BS < never, after_BS - PAUSE_MS, never)
    is_used_BS = start_BS < never
    return Schedule(
        start_BS=np.where(is_used_BS, start_BS, 0),
        deadline_BS=deadline_BS,
        number_BS=np.asarray(number_BS, dtype=np.int64),
    )


def how_many(rate_B: Float64, uniform_B: Float64) -> NDArray[np.intp]:
    """Draw from the Poisson distribution of each rate, cut at `A_DAY`, by inversion."""
    chance_B = np.exp(-rate_B)
    below_B = chance_B.copy()
    count_B = np.zeros(len(rate_B), np.intp)
    for number in range(1, A_DAY + 1):
        count_B += uniform_B > below_B
        chance_B = chance_B * rate_B / number
        below_B = below_B + chance_B
    return count_B


def hours(world: World, listeners: Listeners, uniform_BD: Float64, *, is_weekend: bool) -> Float64:
    """Return hours of the day: by the common rhythm, shifted by the listener's own; evenly, if the clock is off."""
    if not world.switches.clock:
        return 24.0 * uniform_BD
    cum_H = np.r_[0.0, np.cumsum(WEEKEND_H if is_weekend else WEEKDAY_H)]
    hour_BD = np.interp(uniform_BD * cum_H[-1], cum_H, np.arange(25.0))
    return np.asarray((hour_BD + listeners.shift_hours_B[:, None]) % 24.0, dtype=np.float64)
