"""What listeners bring along: tracks they knew before the first day of the log.

B listeners, N tracks each.
"""

import numpy as np

from ritornello.data.sources.simulator import appeal
from ritornello.data.sources.simulator.catalogue import Catalogue
from ritornello.data.sources.simulator.choice import Origin, Situation, choose
from ritornello.data.sources.simulator.listeners import Listeners
from ritornello.data.sources.simulator.memory import PLACES, Memory
from ritornello.data.sources.simulator.randomness import DRAWS, Draw, keys, uniforms
from ritornello.data.sources.simulator.world import World

OLDEST_DAYS = 300.0


def fill_libraries(world: World, catalogue: Catalogue, listeners: Listeners, memory: Memory) -> None:
    """Let each listener remember tracks to their taste; who listens much remembers more."""
    size_B = np.clip(world.listening.library * np.sqrt(listeners.rate_B / world.listening.rate), 1, PLACES * 2 // 3)
    at_B = np.full(len(listeners), world.start_ms)
    mood = appeal.Mood(listeners)
    everybody_B = np.arange(len(listeners))
    mood.begin(world, listeners, everybody_B, at_B)
    for number in range(int(np.ceil(size_B.max(initial=0)))):
        row_R = everybody_B[size_B > number]
        key_R = keys(keys(listeners.key_B[row_R], DRAWS + Draw.LIBRARY), number)
        draw_RN = uniforms(key_R, Draw.LIBRARY, 2)
        unknown_R = np.full(len(row_R), -1, np.int32)
        situation = Situation(row_R=row_R, key_R=key_R, at_R=at_B[row_R], last_track_R=unknown_R)
        track_R = choose(world, catalogue, listeners, memory, mood, situation, Origin.BROWSE)
        quality_R = appeal.taste(world, catalogue, listeners, mood, row_R, track_R[:, None])[:, 0]
        day_R = listeners.joined_day_B[row_R] - OLDEST_DAYS ** draw_RN[:, 0]
        place_R = memory.find(row_R, track_R[:, None])[:, 0]
        place_R = memory.make_room(row_R, track_R, catalogue.artist_T[track_R], place_R, day_R)
        memory.plays_BM[row_R, place_R] += np.floor(-3.0 * np.log(draw_RN[:, 1]))
        is_skip_R = np.zeros(len(row_R), bool)
        memory.record(row_R, place_R, day_R, is_skip_R=is_skip_R, bond_R=appeal.bond(quality_R))
