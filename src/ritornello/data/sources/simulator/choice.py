"""What listeners choose by themselves: from their library, more of an artist, by search, by browsing.

R rows (some of B listeners), M memories, N candidates, K interests.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ritornello.contracts import Bool, Float32, Int32, Int64
from ritornello.data.sources.simulator.appeal import Mood, exposure, taste
from ritornello.data.sources.simulator.catalogue import GENRES, Catalogue
from ritornello.data.sources.simulator.listeners import Listeners, pick
from ritornello.data.sources.simulator.memory import Memory, Rows
from ritornello.data.sources.simulator.randomness import Draw, Float64, UInt64, gumbel, uniform, uniforms
from ritornello.data.sources.simulator.world import World
from ritornello.schema import ONE_DAY_MS


class Intent(IntEnum):
    """What a session is for."""

    COMFORT = 0
    EXPLORE = 1
    FOCUS = 2
    SEARCH = 3


class Origin(IntEnum):
    """Where a track comes from."""

    LIBRARY = 0
    ARTIST = 1
    SEARCH = 2
    BROWSE = 3
    OFFER = 4


SOURCES = ("library", "artist", "search", "browse", "offer")
LOOKED_AT = {Origin.ARTIST: 2, Origin.SEARCH: 5, Origin.BROWSE: 3}
TIRED_OF_OFFERS = 0.75  # the service loses so much of its share with each bad offer in a row


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """Where some listeners stand in the middle of a session."""

    row_R: Rows
    key_R: UInt64
    at_R: Int64
    last_track_R: Int32

    def take(self, index_R: Rows) -> "Situation":
        """Return some of the rows."""
        return Situation(
            row_R=self.row_R[index_R],
            key_R=self.key_R[index_R],
            at_R=self.at_R[index_R],
            last_track_R=self.last_track_R[index_R],
        )


def origins(  # what a listener goes by
    world: World,
    listeners: Listeners,
    situation: Situation,
    intent_R: NDArray[np.intp],
    *,
    is_first_R: Bool,
    has_library_R: Bool,
    bad_offers_R: NDArray[np.integer],
    offered_share: float | None,
) -> NDArray[np.intp]:
    """Draw where each next track comes from; what is turned off or not there is browsed for instead."""
    weight_RO = np.array(world.sessions.origins)[intent_R]
    weight_RO[:, Origin.LIBRARY] *= listeners.repeat_bias_B[situation.row_R]
    weight_RO[:, Origin.OFFER] *= TIRED_OF_OFFERS**bad_offers_R
    if offered_share is not None:
        own_R = weight_RO[:, : Origin.OFFER].sum(axis=1)
        weight_RO[:, Origin.OFFER] = own_R * offered_share / (1.0 - offered_share)
    origin_R = pick(weight_RO, uniform(situation.key_R, Draw.ORIGIN))
    is_search_R = is_first_R & (intent_R == Intent.SEARCH)
    origin_R = np.where(is_search_R, Origin.SEARCH, origin_R)
    has_no_library_R = ~has_library_R | (not world.switches.repeats)
    origin_R = np.where((origin_R == Origin.LIBRARY) & has_no_library_R, Origin.BROWSE, origin_R)
    if not world.switches.search:
        origin_R = np.where(origin_R == Origin.SEARCH, Origin.BROWSE, origin_R)
    return np.where((origin_R == Origin.ARTIST) & (situation.last_track_R < 0), Origin.BROWSE, origin_R)


def library_weights(
    world: World, catalogue: Catalogue, listeners: Listeners, memory: Memory, mood: Mood, row_R: Rows, at_R: Int64
) -> Float32:
    """Return how strongly each remembered track calls in a session [R, M]: less what does not fit it, or is worn out."""
    day_R = (at_R - world.start_ms) / ONE_DAY_MS
    genre_RM = catalogue.genre_T[np.maximum(memory.track_BM[row_R], 0)]
    fit_RG = np.full((len(row_R), len(GENRES)), 0.05, np.float32)
    index_R1 = np.arange(len(row_R))[:, None]
    np.add.at(fit_RG, (index_R1, listeners.genre_BK[row_R]), mood.strength_BK[row_R].astype(np.float32))
    weight_RM = memory.pull(row_R, day_R) * fit_RG[index_R1, genre_RM]
    if world.switches.satiation:
        worn_RM = np.maximum(memory.recent_all(row_R, day_R) - np.float32(world.appeal.satiation_from), np.float32(0))
        weight_RM *= np.exp(np.float32(-world.appeal.satiation) * worn_RM)
    return weight_RM


def choose(  # who looks at what
    world: World,
    catalogue: Catalogue,
    listeners: Listeners,
    memory: Memory,
    mood: Mood,
    situation: Situation,
    origin: Origin,
) -> Int32:
    """Look at a few tracks and take the one that pleases most; browsing is for what one does not know yet."""
    count = LOOKED_AT[origin]
    row_R = situation.row_R
    draw_RN = uniforms(situation.key_R, Draw.CANDIDATES, 4 * count)
    shape_RN = (len(row_R), count)
    at_RN = np.broadcast_to(situation.at_R[:, None], shape_RN)
    if origin is Origin.ARTIST:
        artist_R = catalogue.artist_T[np.maximum(situation.last_track_R, 0)]
        track_RN = catalogue.by_artist.draw(np.broadcast_to(artist_R[:, None], shape_RN), at_RN, draw_RN[:, :count])
    else:
        cum_RK = np.cumsum(mood.strength_BK[row_R], axis=1)
        interest_RN = (cum_RK[:, None, :-1] < draw_RN[:, :count, None]).sum(axis=2)
        genre_RN = listeners.genre_BK[row_R[:, None], interest_RN]
        track_RN = draw_from_genre(
            world, catalogue, genre_RN, at_RN, draw_RN[:, count : 2 * count], draw_RN[:, 2 * count : 3 * count]
        )
    score_RN = taste(world, catalogue, listeners, mood, row_R, track_RN) + gumbel(draw_RN[:, 3 * count :])
    place_RN = memory.find(row_R, track_RN)
    day_RN = (at_RN - world.start_ms) / ONE_DAY_MS
    score_RN += exposure(world, memory, row_R[:, None], place_RN, day_RN)
    if origin is Origin.BROWSE:
        score_RN -= world.appeal.known * (place_RN >= 0)
    is_out_RN = (track_RN < 0) | memory.is_just_heard(row_R[:, None], place_RN, day_RN)
    score_RN[is_out_RN] = -np.inf
    best_R = score_RN.argmax(axis=1)
    everybody_R = np.arange(len(row_R))
    chosen_R = track_RN[everybody_R, best_R]
    nothing_R = np.flatnonzero(is_out_RN[everybody_R, best_R])
    if origin is Origin.ARTIST and len(nothing_R):  # nothing of the artist is left: something else, then
        again = situation.take(nothing_R)
        chosen_R[nothing_R] = choose(world, catalogue, listeners, memory, mood, again, Origin.BROWSE)
    return np.asarray(chosen_R, dtype=np.int32)


def draw_from_genre(
    world: World, catalogue: Catalogue, genre_P: Int32, at_P: Int64, place_P: Float64, fresh_P: Float64
) -> Int32:
    """Draw tracks of genres by popularity, a share of them among the new releases; any track where a genre has none."""
    settings = world.sessions
    track_P = catalogue.by_genre.draw(genre_P, at_P, place_P)
    wants_fresh = np.nonzero(fresh_P < settings.fresh_share)
    at_F = at_P[wants_fresh]
    since_F = at_F - int(settings.fresh_days * ONE_DAY_MS)
    fresh_F = catalogue.by_genre.draw(genre_P[wants_fresh], at_F, place_P[wants_fresh], since_B=since_F)
    track_P[wants_fresh] = np.where(fresh_F >= 0, fresh_F, track_P[wants_fresh])
    is_empty = np.nonzero(track_P < 0)
    if len(is_empty[0]):
        anywhere = np.zeros(len(is_empty[0]), np.int32)
        track_P[is_empty] = catalogue.by_release.draw(anywhere, at_P[is_empty], place_P[is_empty])
    return track_P
