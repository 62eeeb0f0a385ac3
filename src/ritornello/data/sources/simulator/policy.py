"""Who fills the listener's screen: what a policy is asked, what it answers, and the policy that the log was made with.

The logging policy is a mixture of four ways to choose: any track, a popular one, a popular one of a genre that the listener
has played, one that they played lately. It knows no more than a log does; the chance of each offer is known exactly, as
off-policy estimates need it. R rows (some of B listeners), G genres, W newest plays.
"""

from copy import copy
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Int8, Int32, Int64
from ritornello.data.sources.simulator.catalogue import GENRES, Catalogue
from ritornello.data.sources.simulator.listeners import pick
from ritornello.data.sources.simulator.memory import Rows
from ritornello.data.sources.simulator.randomness import Draw, Float64, UInt64, uniforms
from ritornello.data.sources.simulator.world import LoggingConfig
from ritornello.schema import Action

NEWEST = 48
JUST_PLAYED = 16  # so many plays have to lie between a play and its next offer
UNHEARD_GENRE = 0.5  # what a genre counts before its first play


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """A listener per row wants the next track of a scene: who, when, in which session, as how manyeth offer of it."""

    row_R: Rows
    id_R: Int64
    at_R: Int64
    key_R: UInt64
    session_R: Int64
    place_R: Int64


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """A track per row (catalogue row; -1: nothing) and the chance with which the policy chose it (NaN: unknown)."""

    track_R: Int32
    propensity_R: Float64


@dataclass(frozen=True, kw_only=True, slots=True)
class Events:
    """What happened, in order, as a log would hold it; `row_R` is the listener's row in the batch."""

    row_R: Rows
    at_R: Int64
    track_R: Int32
    action_R: Int8
    played_ms_R: Int64
    track_ms_R: Int64


class Policy(Protocol):
    """What chooses tracks: the logging policy, a baseline, a bundle."""

    def offer(self, ask: Ask) -> Offer:
        """Choose a track per row."""
        ...

    def observe(self, events: Events) -> None:
        """Learn what happened."""
        ...


def ways(settings: LoggingConfig) -> Float64:
    """Return the weights of the four ways, which add up to 1.

    Raises:
        ValueError: when all of them are 0.
    """
    weight_C = np.array([settings.uniform, settings.popular, settings.genre, settings.again])
    if weight_C.sum() <= 0:
        raise ValueError(
            "logging: uniform, popular, genre and again are all 0; allowed are weights of which one is above 0"
        )
    return np.asarray(weight_C / weight_C.sum(), dtype=np.float64)


class Mixture:
    """Choose by chance among four ways with known weights; any of them may be 0."""

    def __init__(self, catalogue: Catalogue, settings: LoggingConfig, num_listeners: int, *, start_ms: int) -> None:
        self.catalogue = catalogue
        self.settings = settings
        is_out_G = catalogue.by_genre.weight(np.arange(len(GENRES)), np.full(len(GENRES), start_ms)) > 0
        self.count_BG: Float64 = np.tile(np.where(is_out_G, UNHEARD_GENRE, 0.0), (num_listeners, 1))
        self.newest_BW: Int32 = np.full((num_listeners, NEWEST), -1, np.int32)
        self.num_plays_B = np.zeros(num_listeners, np.int64)
        self.released_T: Int64 = np.sort(catalogue.released_at_T)

    def twin(self, settings: LoggingConfig | None, *, owns_state: bool) -> "Mixture":
        """Return a policy of other weights that knows the same: from now on by itself, or always what this one knows."""
        twin = copy(self)
        twin.settings = settings or self.settings
        if owns_state:
            twin.count_BG, twin.newest_BW = self.count_BG.copy(), self.newest_BW.copy()
            twin.num_plays_B = self.num_plays_B.copy()
        return twin

    def offer(self, ask: Ask) -> Offer:
        draw_RN = uniforms(ask.key_R, Draw.OFFER, 3)
        weight_RC = self._weights(ask.row_R)
        way_R = pick(weight_RC, draw_RN[:, 0])
        track_R = np.full(len(ask.row_R), -1, np.int32)
        for way, choose in enumerate((self._uniform, self._popular, self._genre, self._again)):
            index_W = np.flatnonzero(way_R == way)
            if len(index_W):
                track_R[index_W] = choose(ask.row_R[index_W], ask.at_R[index_W], draw_RN[index_W])
        return Offer(track_R=track_R, propensity_R=self.propensity(ask.row_R, ask.at_R, track_R))

    def propensity(self, row_R: Rows, at_R: Int64, track_R: Int32, settings: LoggingConfig | None = None) -> Float64:
        """Return the chance with which each track is offered in this situation, or would be under other weights."""
        weight_RC = self._weights(row_R, settings)
        shelves = self.catalogue
        genre_R = shelves.genre_T[track_R]
        popularity_R = shelves.weight_T[track_R]
        zero_R = np.zeros(len(row_R), np.int32)
        out_R = (shelves.released_at_T[track_R] <= at_R) & (track_R >= 0)
        chance_RC = np.stack(
            [
                1.0 / np.maximum(self._num_released(at_R), 1),
                popularity_R / np.maximum(shelves.by_release.weight(zero_R, at_R), 1e-300),
                self._genre_chance(row_R)[np.arange(len(row_R)), genre_R]
                * popularity_R
                / np.maximum(shelves.by_genre.weight(genre_R, at_R), 1e-300),
                self._again_chance(row_R, track_R),
            ],
            axis=1,
        )
        return np.where(out_R, (weight_RC * chance_RC).sum(axis=1), 0.0)

    def observe(self, events: Events) -> None:
        is_play_R = events.action_R == Action.PLAY
        row_P, track_P = events.row_R[is_play_R], events.track_R[is_play_R]
        np.add.at(self.count_BG, (row_P, self.catalogue.genre_T[track_P]), 1.0)
        self.newest_BW[row_P, self.num_plays_B[row_P] % NEWEST] = track_P
        self.num_plays_B[row_P] += 1

    def _weights(self, row_R: Rows, settings: LoggingConfig | None = None) -> Float64:
        """Return the weight of each way; who has played little yet gets nothing again."""
        weight_RC = np.repeat(ways(settings or self.settings)[None, :], len(row_R), axis=0)
        has_none_R = self.num_plays_B[row_R] <= JUST_PLAYED
        weight_RC[has_none_R, 1] += weight_RC[has_none_R, 3]
        weight_RC[has_none_R, 3] = 0.0
        return weight_RC

    def _num_released(self, at_R: Int64) -> NDArray[np.intp]:
        return np.searchsorted(self.released_T, at_R, side="right")

    def _genre_chance(self, row_R: Rows) -> Float64:
        """Return the chance of each genre [R, G], by the plays of its tracks."""
        count_RG = self.count_BG[row_R]
        return np.asarray(count_RG / count_RG.sum(axis=1, keepdims=True), dtype=np.float64)

    def _uniform(self, row_R: Rows, at_R: Int64, draw_RN: Float64) -> Int32:
        place_R = (draw_RN[:, 1] * self._num_released(at_R)).astype(np.int64)
        track_R: Int32 = self.catalogue.by_release.track_T[place_R]
        return track_R

    def _popular(self, row_R: Rows, at_R: Int64, draw_RN: Float64) -> Int32:
        return self.catalogue.by_release.draw(np.zeros(len(row_R), np.int32), at_R, draw_RN[:, 1])

    def _genre(self, row_R: Rows, at_R: Int64, draw_RN: Float64) -> Int32:
        genre_R = pick(self._genre_chance(row_R), draw_RN[:, 1])
        return self.catalogue.by_genre.draw(genre_R, at_R, draw_RN[:, 2])

    def _again(self, row_R: Rows, at_R: Int64, draw_RN: Float64) -> Int32:
        """Draw among the newest plays but the very newest; plays are written round and round."""
        num_R = self.num_plays_B[row_R]
        old_R = np.minimum(num_R, NEWEST) - JUST_PLAYED
        play_R = num_R - JUST_PLAYED - 1 - (draw_RN[:, 1] * old_R).astype(np.int64)
        track_R: Int32 = self.newest_BW[row_R, play_R % NEWEST]
        return track_R

    def _again_chance(self, row_R: Rows, track_R: Int32) -> Float64:
        num_R = self.num_plays_B[row_R]
        back_RW = (num_R[:, None] - 1 - np.arange(NEWEST)) % NEWEST  # how many plays ago each place was written
        is_it_RW = (self.newest_BW[row_R] == track_R[:, None]) & (back_RW >= JUST_PLAYED)
        chance_R = is_it_RW.sum(axis=1) / np.maximum(np.minimum(num_R, NEWEST) - JUST_PLAYED, 1)
        return np.asarray(chance_R, dtype=np.float64)
