"""Policies for the closed loop: a bundle live or frozen, single channels, and what needs no training.

A pipeline answers as it does everywhere else; around it stands only what every service has: slates of a few tracks, nothing
that is not out yet, nothing twice on a day. R rows (some of B listeners), K slate length.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import History, Int32, Int64
from ritornello.data.sequence import Sequences
from ritornello.data.sources.simulator.engine import SLATE, Engine
from ritornello.data.sources.simulator.oracle import Oracle
from ritornello.data.sources.simulator.policy import Ask, Events, Mixture, Offer, Policy
from ritornello.data.sources.simulator.world import LoggingConfig
from ritornello.evaluation.loop_history import LoopHistory
from ritornello.pipeline import Pipeline
from ritornello.scenes import Scene
from ritornello.schema import ONE_DAY_MS, PADDING

RANDOM = LoggingConfig(uniform=1.0, popular=0.0, genre=0.0, again=0.0)
CHANNEL_ONLY = ("popular", "relisten", "item2item")
BASELINES = ("oracle", "random", *CHANNEL_ONLY)
LIVE, FROZEN = "live", "frozen"
BUNDLES = (LIVE, FROZEN)
POLICIES = (*BASELINES, *BUNDLES)
SHOWN = 256  # tracks offered last, which the next slates leave out
DAY_LENGTH = 30
NOON = ONE_DAY_MS // 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Shop:
    """What policies are made from: the bundle's pipeline, the log that it learned from, and how rows translate.

    `user_of_id` and `row_T` turn the world's listeners and tracks into rows of the log, `track_R` goes back (-1: none).
    """

    pipeline: Pipeline
    known: Sequences
    user_of_id: Int32
    row_T: Int32
    track_R: Int32
    scene: Scene | None


def make_policy(name: str, engine: Engine, shop: Shop | None) -> Policy:
    """Build a policy for the engine's listeners.

    Raises:
        ValueError: for a name that is none of POLICIES.
    """
    if name == "oracle":
        return Oracle(engine)
    if name == "random":
        return Mixture(engine.catalogue, RANDOM, len(engine.listeners), start_ms=engine.world.start_ms)
    assert shop is not None, f"{name} is made from a bundle"
    if name in CHANNEL_ONLY:
        only = replace(shop.pipeline, channels={name: shop.pipeline.channels[name]}, rankers={})
        return PipelinePolicy(replace(shop, pipeline=only, scene=None), engine, is_live=True)
    if name in BUNDLES:
        return PipelinePolicy(shop, engine, is_live=name == LIVE)
    raise ValueError(f"policy {name!r} is unknown; allowed are {', '.join(POLICIES)}")


class PipelinePolicy:
    """Offer a pipeline's slates, or what a scene makes of them; a frozen one never learns what happened.

    A list of the day is asked for once a day, a stream before every play, or once a session where it is frozen.
    """

    def __init__(self, shop: Shop, engine: Engine, *, is_live: bool) -> None:
        size = len(engine.listeners)
        self.shop = shop
        self.is_live = is_live
        self.is_daily = shop.scene is not None and shop.scene.moment(NOON) != NOON
        self.released_at_T: Int64 = engine.catalogue.released_at_T
        self.history = LoopHistory(shop.known, shop.user_of_id[engine.listeners.id_B])
        self.width = DAY_LENGTH if self.is_daily else SLATE
        self.slate_BK: Int32 = np.full((size, self.width), -1, np.int32)
        self.next_B: NDArray[np.intp] = np.full(size, self.width, np.intp)
        self.period_B: Int64 = np.full(size, -1, np.int64)
        self.shown_BW: Int32 = np.full((size, SHOWN), -1, np.int32)
        self.shown_day_BW: Int64 = np.full((size, SHOWN), -1, np.int64)
        self.num_shown_B = np.zeros(size, np.int64)

    def offer(self, ask: Ask) -> Offer:
        period_R = ask.at_R // ONE_DAY_MS if self.is_daily else ask.session_R
        is_stale_R = self.period_B[ask.row_R] != period_R
        if not self.is_daily:
            is_stale_R |= self.next_B[ask.row_R] >= self.width
            is_stale_R |= self.is_live and self.shop.scene is not None
        index_N = np.flatnonzero(is_stale_R)
        if len(index_N):
            row_N = ask.row_R[index_N]
            self.slate_BK[row_N] = self.slates(row_N, ask.at_R[index_N])
            self.next_B[row_N] = 0
            self.period_B[row_N] = period_R[index_N]
        place_R = self.next_B[ask.row_R]
        track_R = np.where(
            place_R < self.width, self.slate_BK[ask.row_R, np.minimum(place_R, self.width - 1)], np.int32(-1)
        )
        self.next_B[ask.row_R] += 1
        self.remember_shown(ask, track_R)
        return Offer(track_R=track_R, propensity_R=np.full(len(track_R), np.nan))

    def observe(self, events: Events) -> None:
        row_E = self.shop.row_T[events.track_R]
        is_known_E = row_E != PADDING
        self.history.add(
            events.row_R[is_known_E],
            row_E[is_known_E],
            events.at_R[is_known_E],
            events.action_R[is_known_E],
            events.played_ms_R[is_known_E],
            events.track_ms_R[is_known_E],
        )

    def slates(self, row_R: NDArray[np.intp], at_R: Int64) -> Int32:
        """Return the next slates [R, K] as catalogue tracks, -1 where the pipeline knows no more."""
        most_shown = 0 if self.is_daily else int(np.minimum(self.num_shown_B[row_R], SHOWN).max(initial=0))
        if self.shop.scene is not None:
            moment_R = np.array([self.shop.scene.moment(int(at)) for at in at_R], np.int64)
            history = self._history(row_R, moment_R)
            found_RN = self.shop.scene.recommend(self.shop.pipeline, history, self.width + most_shown).track_BK
        else:
            history = self._history(row_R, at_R)
            found_RN = self.shop.pipeline.recommend(history, self.width + most_shown).track_BK
        track_RN = np.where(found_RN == PADDING, -1, self.shop.track_R[found_RN])
        is_good_RN = (track_RN >= 0) & (self.released_at_T[track_RN] <= at_R[:, None])
        if not self.is_daily:
            today_RW = self.shown_day_BW[row_R] == (at_R // ONE_DAY_MS)[:, None]
            seen_RW = np.where(today_RW, self.shown_BW[row_R], -2)
            is_good_RN &= ~(track_RN[:, :, None] == seen_RW[:, None, :]).any(axis=2)
        order_RN = np.argsort(~is_good_RN, axis=1, kind="stable")[:, : self.width]
        slate_RK = np.where(
            np.take_along_axis(is_good_RN, order_RN, axis=1), np.take_along_axis(track_RN, order_RN, axis=1), -1
        )
        return slate_RK.astype(np.int32)

    def remember_shown(self, ask: Ask, track_R: Int32) -> None:
        """Keep what was offered, so that it is not offered again on the same day."""
        slot_R = self.num_shown_B[ask.row_R] % SHOWN
        self.shown_BW[ask.row_R, slot_R] = track_R
        self.shown_day_BW[ask.row_R, slot_R] = ask.at_R // ONE_DAY_MS
        self.num_shown_B[ask.row_R] += 1

    def _history(self, row_R: NDArray[np.intp], at_R: Int64) -> History:
        history = self.history.encode(row_R, at_R, is_live=self.is_live)
        return replace(history, user_B=self.history.user_B[row_R])
