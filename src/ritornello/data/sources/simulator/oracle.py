"""The oracle: a policy that reads listeners' minds and offers what they would listen to longest. A bound, not a rival.

Greedy: for each session it looks through the catalogue (or the most popular part of a large one) for the tracks to the
session's taste, and at each step offers the one with the most expected minutes. R rows, N tracks.
"""

from dataclasses import dataclass, field

import numpy as np

from ritornello.contracts import Int32
from ritornello.data.sources.simulator import appeal, chain
from ritornello.data.sources.simulator.choice import Intent
from ritornello.data.sources.simulator.engine import Engine
from ritornello.data.sources.simulator.memory import Rows
from ritornello.data.sources.simulator.policy import Ask, Events, Offer
from ritornello.data.sources.simulator.randomness import Float64
from ritornello.schema import ONE_DAY_MS

POOL = 20_000
BEST = 64
ROWS = 64  # sessions at a time, to bound memory


@dataclass
class Oracle:
    """Offer the track that the listener would spend most time with."""

    engine: Engine
    best_BN: Int32 = field(init=False)
    session_B: Rows = field(init=False)

    def __post_init__(self) -> None:
        size = len(self.engine.listeners)
        self.best_BN = np.full((size, BEST), -1, np.int32)
        self.session_B = np.full(size, -1, np.intp)
        weight_T = self.engine.catalogue.weight_T
        self.pool_N = np.sort(np.argsort(-weight_T, kind="stable")[:POOL]).astype(np.int32)

    def offer(self, ask: Ask) -> Offer:
        is_new_R = self.session_B[ask.row_R] != ask.session_R
        for start in range(0, int(is_new_R.sum()), ROWS):
            row_R = ask.row_R[is_new_R][start : start + ROWS]
            self.best_BN[row_R] = self.to_taste(row_R, ask.at_R[is_new_R][start : start + ROWS])
        self.session_B[ask.row_R] = ask.session_R
        track_RN = self.best_BN[ask.row_R]
        minutes_RN = np.where(track_RN >= 0, self.expected(ask, np.maximum(track_RN, 0)), -np.inf)
        best_R = minutes_RN.argmax(axis=1)
        everybody_R = np.arange(len(best_R))
        track_R = track_RN[everybody_R, best_R]
        self.best_BN[ask.row_R, best_R] = -1  # once a session
        return Offer(track_R=track_R, propensity_R=np.where(track_R >= 0, 1.0, np.nan))

    def observe(self, events: Events) -> None:
        """Learn nothing: it knows."""

    def to_taste(self, row_R: Rows, at_R: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Int32:
        """Return the tracks that are most to the taste of sessions that begin [R, BEST]."""
        engine = self.engine
        pool_RN = np.broadcast_to(self.pool_N, (len(row_R), len(self.pool_N)))
        taste_RN = appeal.taste(
            engine.world, engine.catalogue, engine.listeners, engine.sitting.mood, row_R, np.ascontiguousarray(pool_RN)
        )
        taste_RN[engine.catalogue.released_at_T[pool_RN] > at_R[:, None]] = -np.inf
        kept = min(BEST, taste_RN.shape[1])
        best_RN = np.argpartition(-taste_RN, kept - 1, axis=1)[:, :kept]
        track_RN = np.full((len(row_R), BEST), -1, np.int32)
        is_out_RN = np.take_along_axis(taste_RN, best_RN, axis=1) > -np.inf
        track_RN[:, :kept] = np.where(is_out_RN, self.pool_N[best_RN], -1)
        return track_RN

    def expected(self, ask: Ask, track_RN: Int32) -> Float64:
        """Return the expected ms of listening to each track now [R, N]."""
        engine, row_R = self.engine, ask.row_R
        world, memory, sitting = engine.world, engine.memory, engine.sitting
        day_R1 = ((ask.at_R - world.start_ms) / ONE_DAY_MS)[:, None]
        place_RN = memory.find(row_R, track_RN)
        quality_RN = appeal.taste(world, engine.catalogue, engine.listeners, sitting.mood, row_R, track_RN)
        felt_RN = quality_RN + appeal.exposure(world, memory, row_R[:, None], place_RN, day_R1)
        flat_P = np.repeat(row_R, track_RN.shape[1])
        artist_P = engine.catalogue.artist_T[track_RN].ravel()
        day_P = np.repeat(day_R1[:, 0], track_RN.shape[1])
        felt_P = felt_RN.ravel() + appeal.annoyance(world, memory, flat_P, artist_P, day_P)
        ms_P = chain.expected_ms(
            world,
            felt_P,
            engine.catalogue.track_ms_T[track_RN].ravel(),
            bias_R=engine.listeners.skip_bias_B[flat_P],
            is_passive_R=sitting.intent_B[flat_P] == Intent.FOCUS,
        )
        chance_P = np.where(sitting.is_autoplay_B[flat_P], 1.0, chain.p_play(world, felt_P, np.zeros(len(felt_P))))
        return np.asarray((ms_P * chance_P).reshape(track_RN.shape), dtype=np.float64)
