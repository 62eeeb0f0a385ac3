"""The world at work: a batch of listeners lives through its sessions, track by track, all of them at once.

Listeners do not see each other, so that any batch can be simulated alone; every draw is named by listener, session and step.
In each step every listener who is in a session meets one track: their own choice, or the policy's offer. When a session
ends the listener waits for the next one, which need not be at the same moment as anybody else's. B listeners, R rows (those
in a session), P rows among them that play.
"""

from copy import copy, deepcopy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Int32, Int64
from ritornello.data.sources.simulator import appeal, chain, choice
from ritornello.data.sources.simulator.catalogue import Catalogue
from ritornello.data.sources.simulator.choice import Intent, Origin, Situation
from ritornello.data.sources.simulator.library import fill_libraries
from ritornello.data.sources.simulator.listeners import invent_listeners, pick
from ritornello.data.sources.simulator.log import HOME, RADIO, UNKNOWN, Log, LogRows
from ritornello.data.sources.simulator.memory import Memory, Rows
from ritornello.data.sources.simulator.policy import Ask, Events, Policy
from ritornello.data.sources.simulator.randomness import Draw, Float64, UInt64, keys, uniform, uniforms
from ritornello.data.sources.simulator.schedule import Schedule, schedule
from ritornello.data.sources.simulator.sitting import ROUND, Sitting
from ritornello.data.sources.simulator.world import World
from ritornello.schema import ONE_DAY_MS, ONE_SECOND_MS, Action

SEARCH_MS = 4 * ONE_SECOND_MS  # from typing to the first note
GLANCE_MS = 2 * ONE_SECOND_MS
ACT_MS = 40  # an act follows the end of its track at once, each kind at its own moment
SLATE = 10  # offers of one request
LOOPS_FROM = 3  # plays of a session, before anything comes round again
WAITING_STEPS = 6  # sessions begin in batches: nobody notices, and a batch costs little more than one


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One track met by each listener of `row_R`: its origin, what the listener thinks of it, whether it is played."""

    row_R: Rows
    key_R: UInt64
    at_R: Int64
    track_R: Int32
    origin_R: NDArray[np.intp]
    propensity_R: Float64
    place_R: Int64
    memory_R: Rows
    quality_R: Float64
    appeal_R: Float64
    is_played_R: Bool


class Engine:
    """A batch of listeners with their memories; `run` lets them live through some days under a policy.

    `offered_share` fixes how much of the listening comes from the policy; without it that is up to each session's intent.
    """

    def __init__(self, world: World, catalogue: Catalogue, id_B: Int64, *, offered_share: float | None = None) -> None:
        self.world = world
        self.catalogue = catalogue
        self.offered_share = offered_share
        self.listeners = invent_listeners(world, catalogue, id_B)
        self.memory = Memory(
            len(id_B), satiation_days=world.appeal.satiation_days, annoyance_days=world.appeal.annoyance_days
        )
        self.sitting = Sitting(self.listeners)
        fill_libraries(world, catalogue, self.listeners, self.memory)

    def fork(self) -> "Engine":
        """Return the same listeners in the same state, for another policy to meet."""
        twin = copy(self)
        twin.memory, twin.sitting = deepcopy(self.memory), deepcopy(self.sitting)
        return twin

    def run(self, policy: Policy, log: Log, first_day: int, last_day: int) -> None:
        """Live from the first day up to before the last one; write down what happens."""
        plan = schedule(self.world, self.listeners, first_day, last_day)
        width = plan.start_BS.shape[1]
        next_B = np.zeros(len(self.listeners), np.intp)
        active_R = np.zeros(0, np.intp)
        waiting_R = np.flatnonzero(plan.start_BS[:, 0] > 0)
        rounds = 0
        while len(active_R) or len(waiting_R):
            if len(waiting_R) and (rounds % WAITING_STEPS == 0 or not len(active_R)):
                self.begin_sessions(plan, waiting_R, next_B[waiting_R])
                next_B[waiting_R] += 1
                active_R = np.concatenate([active_R, waiting_R])
                waiting_R = waiting_R[:0]
            self.step(active_R, policy, log)
            is_over_R = self.sitting.is_over(active_R, self.world.sessions.max_steps)
            ended_R, active_R = active_R[is_over_R], active_R[~is_over_R]
            ended_R = ended_R[next_B[ended_R] < width]
            has_more_R = plan.start_BS[ended_R, next_B[ended_R]] > 0
            waiting_R = np.concatenate([waiting_R, ended_R[has_more_R]])
            rounds += 1

    def begin_sessions(self, plan: Schedule, row_R: Rows, place_R: Rows) -> None:
        """Begin the next session of each row."""
        self.sitting.begin(
            self.world,
            self.catalogue,
            self.listeners,
            self.memory,
            row_R,
            at_R=plan.start_BS[row_R, place_R],
            deadline_R=plan.deadline_BS[row_R, place_R],
            number_R=plan.number_BS[row_R, place_R],
        )

    def step(self, row_R: Rows, policy: Policy, log: Log) -> None:
        """Let every row meet one track."""
        sitting = self.sitting
        situation = Situation(
            row_R=row_R,
            key_R=keys(sitting.key_B[row_R], sitting.num_steps_B[row_R]),
            at_R=sitting.at_B[row_R],
            last_track_R=sitting.last_track_B[row_R],
        )
        sitting.num_steps_B[row_R] += 1
        track_R, origin_R, propensity_R = self.next_tracks(situation, policy)
        self.live(self.meet(situation, track_R, origin_R, propensity_R), policy, log)

    def next_tracks(self, situation: Situation, policy: Policy) -> tuple[Int32, NDArray[np.intp], Float64]:
        """Return the track that each listener meets, where it comes from, and the chance with which it was offered."""
        sitting, row_R = self.sitting, situation.row_R
        origin_R = choice.origins(
            self.world,
            self.listeners,
            situation,
            sitting.intent_B[row_R],
            is_first_R=sitting.num_plays_B[row_R] == 0,
            has_library_R=np.asarray(sitting.pull_BM[row_R].max(axis=1) > 0),
            bad_offers_R=sitting.bad_offers_B[row_R],
            offered_share=self.offered_share,
        )
        track_R = sitting.played_again(row_R)
        loops_R = track_R >= 0
        origin_R = np.where(loops_R, Origin.LIBRARY, origin_R)
        propensity_R = np.full(len(row_R), np.nan)
        index_C = np.flatnonzero(origin_R == Origin.OFFER)
        if len(index_C):
            offered = situation.take(index_C)
            offer = policy.offer(self.ask(offered))
            track_R[index_C], propensity_R[index_C] = self.filled(offer.track_R, offered), offer.propensity_R
        for origin in (Origin.ARTIST, Origin.SEARCH, Origin.BROWSE):
            index_C = np.flatnonzero(origin_R == origin)
            if len(index_C):
                track_R[index_C] = choice.choose(
                    self.world,
                    self.catalogue,
                    self.listeners,
                    self.memory,
                    sitting.mood,
                    situation.take(index_C),
                    origin,
                )
        index_C = np.flatnonzero((origin_R == Origin.LIBRARY) & ~loops_R)
        track_R[index_C] = self.from_library(row_R[index_C], situation.key_R[index_C])
        return track_R, origin_R, propensity_R

    def filled(self, track_C: Int32, offered: Situation) -> Int32:
        """Return offers with something popular in every place that a policy left empty: a service shows no gaps."""
        empty_C = np.flatnonzero(track_C < 0)
        if len(empty_C) == 0:
            return track_C
        chance_C = uniform(offered.key_R[empty_C], Draw.OFFER)
        filled_C = track_C.copy()
        everything_C = np.zeros(len(empty_C), np.int32)
        filled_C[empty_C] = self.catalogue.by_release.draw(everything_C, offered.at_R[empty_C], chance_C)
        return filled_C

    def ask(self, situation: Situation) -> Ask:
        """Return what a policy may know when it is asked."""
        row_R = situation.row_R
        return Ask(
            row_R=row_R,
            id_R=self.listeners.id_B[row_R],
            at_R=situation.at_R,
            key_R=situation.key_R,
            session_R=self.sitting.number_B[row_R],
            place_R=self.sitting.num_offers_B[row_R],
        )

    def from_library(self, row_R: Rows, key_R: UInt64) -> Int32:
        """Draw from what listeners remember; what was drawn does not come again in this session, unless it loops."""
        place_R = pick(self.sitting.pull_BM[row_R], uniform(key_R, Draw.CHOICE))
        self.sitting.pull_BM[row_R, place_R] = 0.0
        return self.memory.track_BM[row_R, place_R]

    def meet(self, situation: Situation, track_R: Int32, origin_R: NDArray[np.intp], propensity_R: Float64) -> Step:
        """Let listeners judge their track: how much it appeals, and whether it is played at all."""
        world, memory, row_R = self.world, self.memory, situation.row_R
        place_R, day_R = memory.find(row_R, track_R[:, None])[:, 0], self.days(situation.at_R)
        quality_R = appeal.taste(world, self.catalogue, self.listeners, self.sitting.mood, row_R, track_R[:, None])[
            :, 0
        ]
        appeal_R = (
            quality_R
            + appeal.exposure(world, memory, row_R, place_R, day_R)
            + appeal.annoyance(world, memory, row_R, self.catalogue.artist_T[track_R], day_R)
        )
        is_played_R = (origin_R != Origin.OFFER) | self.sitting.is_autoplay_B[row_R]
        judged_C = np.flatnonzero(~is_played_R)
        is_played_R[judged_C] = chain.is_played(world, situation.key_R[judged_C], appeal_R[judged_C])
        return Step(
            row_R=row_R,
            key_R=situation.key_R,
            at_R=situation.at_R,
            track_R=track_R,
            origin_R=origin_R,
            propensity_R=propensity_R,
            place_R=self.sitting.num_offers_B[row_R],
            memory_R=place_R,
            quality_R=quality_R,
            appeal_R=appeal_R,
            is_played_R=is_played_R,
        )

    def live(self, met: Step, policy: Policy, log: Log) -> None:
        """Let the step happen: what is shown, played, done about it; then memory, patience and the clock."""
        for origin, action in ((Origin.OFFER, Action.IMPRESSION), (Origin.SEARCH, Action.SEARCH)):
            index_C = np.flatnonzero(met.origin_R == origin)
            if len(index_C):
                rows = self.rows_of(met, index_C, met.at_R[index_C], int(action))
                self.write(rows, met.row_R[index_C], policy, log)
        played_P = np.flatnonzero(met.is_played_R)
        row_P, track_P = met.row_R[played_P], met.track_R[played_P]
        before_P = np.array([0, 0, SEARCH_MS, 0, GLANCE_MS])[met.origin_R[played_P]]
        start_P = met.at_R[played_P] + before_P
        play = chain.listen(
            self.world,
            met.key_R[played_P],
            met.appeal_R[played_P],
            self.catalogue.track_ms_T[track_P],
            bias_R=self.listeners.skip_bias_B[row_P],
            is_passive_R=self.sitting.intent_B[row_P] == Intent.FOCUS,
        )
        did_PN = chain.acts(
            self.world,
            met.key_R[played_P],
            met.appeal_R[played_P],
            play,
            bias_R=self.listeners.like_bias_B[row_P],
            is_liked_R=self.memory.is_liked(row_P, met.memory_R[played_P]),
        )
        heard = self.rows_of(met, played_P, start_P, int(Action.PLAY), played_ms_P=play.played_ms_R)
        self.write(heard, row_P, policy, log)
        acted_D, act_D = np.nonzero(did_PN)
        if len(acted_D):
            at_D = start_P[acted_D] + play.played_ms_R[acted_D] + ACT_MS * (1 + act_D)
            acted = self.rows_of(met, played_P[acted_D], at_D, np.array(chain.ACTS)[act_D])
            self.write(acted, row_P[acted_D], policy, log)
        likes_P = did_PN[:, chain.ACTS.index(Action.LIKE)]
        self.remember(met, played_P, play, likes_P)
        self.move_on(met, played_P, play, likes_P, start_P)

    def write(self, rows: LogRows, row_P: Rows, policy: Policy, log: Log) -> None:
        """Write rows down and tell the policy."""
        log.add(rows)
        policy.observe(
            Events(
                row_R=row_P,
                at_R=rows.at_R,
                track_R=rows.track_R,
                action_R=rows.action_R,
                played_ms_R=rows.played_ms_R,
                track_ms_R=rows.track_ms_R,
            )
        )

    def remember(self, met: Step, played_P: Rows, play: chain.Play, likes_P: Bool) -> None:
        """Let what was heard sink in."""
        memory, row_P = self.memory, met.row_R[played_P]
        track_P, day_P = met.track_R[played_P], self.days(met.at_R[played_P])
        artist_P = self.catalogue.artist_T[track_P]
        place_P = memory.make_room(row_P, track_P, artist_P, met.memory_R[played_P], day_P)
        memory.is_liked_BM[row_P[likes_P], place_P[likes_P]] = True
        bond_P = appeal.bond(met.quality_R[played_P], memory.is_liked(row_P, place_P))
        memory.record(row_P, place_P, day_P, is_skip_R=~play.is_past_chorus_R, bond_R=bond_P)

    def move_on(self, met: Step, played_P: Rows, play: chain.Play, likes_P: Bool, start_P: Int64) -> None:
        """Turn the clock, spend and restore patience, and settle whether a track is to be played again at once."""
        settings, sitting, row_R = self.world.sessions, self.sitting, met.row_R
        row_P = row_R[played_P]
        is_offer_R = met.origin_R == Origin.OFFER
        is_bad_P, is_good_P, is_offer_P = ~play.is_past_chorus_R, play.is_finish_R, is_offer_R[played_P]
        patience_B = sitting.patience_B
        patience_B[row_R] -= settings.ignore_cost * (is_offer_R & ~met.is_played_R)
        patience_B[row_P] += (
            settings.finish_gain * is_good_P + settings.like_gain * likes_P - settings.skip_cost * is_bad_P
        )
        patience_B[row_P] = np.minimum(patience_B[row_P], 1.5 * self.listeners.patience_B[row_P])
        sitting.num_offers_B[row_R] += is_offer_R
        bad_P = sitting.bad_offers_B[row_P] + (is_offer_P & is_bad_P)
        sitting.bad_offers_B[row_P] = np.where(is_offer_P & is_good_P, 0, bad_P)
        sitting.at_B[row_R] += GLANCE_MS + chain.pause_ms(met.key_R)
        sitting.at_B[row_P] += start_P - met.at_R[played_P] + play.played_ms_R
        sitting.play(row_P, met.track_R[played_P])
        self.loop(met.key_R[played_P], row_P, is_good_P)

    def loop(self, key_P: UInt64, row_P: Rows, is_good_P: Bool) -> None:
        """Settle who plays the last few tracks again: a finished track may begin a round, a skipped one ends it."""
        if not self.world.switches.repeats:
            return
        settings, sitting = self.world.sessions, self.sitting
        draw_PN = uniforms(key_P, Draw.LOOP, 2)
        is_looping_P = sitting.loop_B[row_P] > 0
        longest_P = np.minimum(sitting.num_plays_B[row_P], ROUND)
        starts_P = np.where(longest_P >= LOOPS_FROM, settings.loop, 0.0)
        goes_on_P = is_good_P & (draw_PN[:, 0] < np.where(is_looping_P, settings.loop_on, starts_P))
        drawn_P = 1 + (np.sqrt(draw_PN[:, 1]) * longest_P).astype(np.int64)  # longer rounds are more usual
        length_P = np.where(is_looping_P, sitting.loop_B[row_P], drawn_P)
        sitting.loop_B[row_P] = np.where(goes_on_P, length_P, 0)

    def rows_of(
        self,
        met: Step,
        index_P: Rows,
        at_P: Int64,
        action: int | NDArray[np.integer],
        *,
        played_ms_P: Int64 | None = None,
    ) -> LogRows:
        """Return an action of some rows as the log holds it; what was offered carries its request, an impression its chance."""
        row_P, track_P = met.row_R[index_P], met.track_R[index_P]
        is_offer_P = met.origin_R[index_P] == Origin.OFFER
        id_P, place_P = self.listeners.id_B[row_P], met.place_R[index_P]
        request_P = (id_P << 28) + (self.sitting.number_B[row_P] << 12) + place_P // SLATE
        is_shown = is_offer_P if isinstance(action, int) and action == Action.IMPRESSION else np.zeros(len(row_P), bool)
        return LogRows(
            id_R=id_P,
            at_R=at_P,
            track_R=track_P,
            action_R=np.full(len(row_P), action, np.int8),
            played_ms_R=np.full(len(row_P), UNKNOWN, np.int64) if played_ms_P is None else played_ms_P,
            track_ms_R=self.catalogue.track_ms_T[track_P],
            scene_R=np.where(self.sitting.is_autoplay_B[row_P], RADIO, HOME).astype(np.int8),
            source_R=met.origin_R[index_P].astype(np.int8),
            request_R=np.where(is_offer_P, request_P, UNKNOWN),
            position_R=np.where(is_offer_P, place_P % SLATE, UNKNOWN).astype(np.int16),
            propensity_R=np.where(is_shown, met.propensity_R[index_P], np.nan).astype(np.float32),
            appeal_R=met.appeal_R[index_P].astype(np.float32),
            patience_R=self.sitting.patience_B[row_P].astype(np.float32),
            intent_R=self.sitting.intent_B[row_P].astype(np.int8),
        )

    def days(self, at_R: Int64) -> Float64:
        """Return moments as days since the start of the world."""
        return (at_R - self.world.start_ms) / ONE_DAY_MS
