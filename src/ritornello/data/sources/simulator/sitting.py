"""Sessions under way: for each listener what was settled when their session began, and what has changed since.

B listeners, M memories, R rows (some of the listeners).
"""

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Float32, Int32, Int64
from ritornello.data.sources.simulator.appeal import Mood
from ritornello.data.sources.simulator.catalogue import Catalogue
from ritornello.data.sources.simulator.choice import Intent, library_weights
from ritornello.data.sources.simulator.listeners import Listeners, pick
from ritornello.data.sources.simulator.memory import PLACES, Memory, Rows
from ritornello.data.sources.simulator.randomness import Draw, Float64, UInt64, keys, normal, uniforms
from ritornello.data.sources.simulator.world import World
from ritornello.schema import ONE_DAY_MS, ONE_HOUR_MS

ROUND = 16  # the longest loop, in tracks
FOCUS_LENGTH = 1.5  # sessions in the background last longer


class Sitting:
    """The running session of each listener, as arrays that `begin` fills and the engine changes."""

    def __init__(self, listeners: Listeners) -> None:
        size = len(listeners)
        self.mood = Mood(listeners)
        self.key_B: UInt64 = np.zeros(size, np.uint64)
        self.number_B: Int64 = np.zeros(size, np.int64)
        self.at_B: Int64 = np.zeros(size, np.int64)
        self.deadline_B: Int64 = np.zeros(size, np.int64)
        self.intent_B: NDArray[np.intp] = np.zeros(size, np.intp)
        self.is_autoplay_B: Bool = np.zeros(size, bool)
        self.plan_B: Int64 = np.zeros(size, np.int64)
        self.patience_B: Float64 = np.zeros(size)
        self.pull_BM: Float32 = np.zeros((size, PLACES), np.float32)
        self.num_steps_B: Int64 = np.zeros(size, np.int64)
        self.num_plays_B: Int64 = np.zeros(size, np.int64)
        self.num_offers_B: Int64 = np.zeros(size, np.int64)
        self.bad_offers_B: Int64 = np.zeros(size, np.int64)
        self.last_track_B: Int32 = np.full(size, -1, np.int32)
        self.played_BW: Int32 = np.full((size, ROUND), -1, np.int32)  # the newest plays, written round and round
        self.loop_B: Int64 = np.zeros(size, np.int64)  # how many plays back the next one is, 0: not looping

    def begin(
        self,
        world: World,
        catalogue: Catalogue,
        listeners: Listeners,
        memory: Memory,
        row_R: Rows,
        *,
        at_R: Int64,
        deadline_R: Int64,
        number_R: Int64,
    ) -> None:
        """Begin a session per row: what it is for, in what mood, how long it is meant to last."""
        settings = world.sessions
        key_R = keys(listeners.key_B[row_R], number_R)
        draw_RN = uniforms(key_R, Draw.SESSION, 6)
        intent_R = pick(intent_weights(world, listeners, row_R, at_R), draw_RN[:, 0])
        energy_R = np.clip(energies(world, at_R, intent_R) + 0.18 * normal(draw_RN[:, 2]), 0.0, 1.0)
        self.mood.begin(world, listeners, row_R, at_R, front_R=draw_RN[:, 1], energy_R=energy_R)
        length_R = settings.length * np.exp(settings.length_spread * normal(draw_RN[:, 3]))
        length_R = length_R * np.where(intent_R == Intent.FOCUS, FOCUS_LENGTH, 1.0)
        self.key_B[row_R] = key_R
        self.number_B[row_R] = number_R
        self.at_B[row_R] = at_R
        self.deadline_B[row_R] = deadline_R
        self.intent_B[row_R] = intent_R
        self.is_autoplay_B[row_R] = draw_RN[:, 4] < np.array(settings.autoplay)[intent_R]
        self.plan_B[row_R] = np.maximum(1, np.rint(length_R)).astype(np.int64)
        self.patience_B[row_R] = listeners.patience_B[row_R]
        for count_B in (self.num_steps_B, self.num_plays_B, self.num_offers_B, self.bad_offers_B):
            count_B[row_R] = 0
        self.last_track_B[row_R] = -1
        self.loop_B[row_R] = 0
        self.pull_BM[row_R] = library_weights(world, catalogue, listeners, memory, self.mood, row_R, at_R)

    def played_again(self, row_R: Rows) -> Int32:
        """Return the track that comes round again, -1 where a listener is not looping."""
        loop_R = self.loop_B[row_R]
        track_R = self.played_BW[row_R, (self.num_plays_B[row_R] - loop_R) % ROUND]
        return np.where(loop_R > 0, track_R, np.int32(-1))

    def play(self, row_R: Rows, track_R: Int32) -> None:
        """Count a play of the session."""
        self.played_BW[row_R, self.num_plays_B[row_R] % ROUND] = track_R
        self.num_plays_B[row_R] += 1
        self.last_track_B[row_R] = track_R

    def is_over(self, row_R: Rows, max_steps: int) -> Bool:
        """Tell whose session has ended: patience gone, enough played, no time left."""
        is_over_R: Bool = (
            (self.patience_B[row_R] <= 0)
            | (self.num_plays_B[row_R] >= self.plan_B[row_R])
            | (self.at_B[row_R] >= self.deadline_B[row_R])
            | (self.num_steps_B[row_R] >= max_steps)
        )
        return is_over_R


def intent_weights(world: World, listeners: Listeners, row_R: Rows, at_R: Int64) -> Float64:
    """Return what sessions are for, by listener and hour: background music at work, exploring in the evening."""
    weight_RI = listeners.intent_BI[row_R]
    if world.switches.clock:
        hour_R = (at_R % ONE_DAY_MS) / ONE_HOUR_MS
        is_work_R = (hour_R >= 9) & (hour_R < 17) & ((at_R // ONE_DAY_MS + 3) % 7 < 5)
        weight_RI[:, Intent.FOCUS] *= np.where(is_work_R, 2.0, 0.7)
        weight_RI[:, Intent.EXPLORE] *= np.where(hour_R >= 18, 1.4, 0.9)
    return weight_RI


def energies(world: World, at_R: Int64, intent_R: NDArray[np.intp]) -> Float64:
    """Return how lively the music should be: calm at night, lively in the afternoon, calmer in the background."""
    energy_R = np.full(len(at_R), 0.5)
    if world.switches.clock:
        energy_R += 0.22 * np.cos(2.0 * np.pi * ((at_R % ONE_DAY_MS) / ONE_HOUR_MS - 17.0) / 24.0)
    return np.where(intent_R == Intent.FOCUS, energy_R - 0.12, energy_R)
