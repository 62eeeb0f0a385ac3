"""Personal FM: a stream; asked for again after every event, it answers the last one.

Its promise: distinct tracks, none that the running session has played (unless `repeats`), at most `artist_cap` of an
artist and `artist_gap` tracks between two of one, counted through the session, nothing the user dislikes or blocks. An
artist falls with every skip in the session, is gone after `tired` of them, and comes back after a like. Every slot is
given, with probability `explore`, to a track by chance; the slate has each slot's propensity. The same history at the
same moment gives the same stream. A newcomer gets what people play now; where the session has used up all there is, it
may repeat; both are told in the note.
"""

from typing import Annotated

import msgspec
import numpy as np

from ritornello.contracts import History, Slate
from ritornello.pipeline import Pipeline, batches, join, top
from ritornello.rerank import Shortlist
from ritornello.rerank.diversity import cap_artists
from ritornello.rerank.exploration import explore
from ritornello.rerank.familiarity import choose
from ritornello.rerank.rules import without
from ritornello.rerank.session import running, spare, weariness
from ritornello.rerank.spacing import space_artists
from ritornello.scenes import NOTHING, Asked
from ritornello.scenes.days import UTC_ZONE
from ritornello.scenes.picks import Pick, newcomer, note, ruled, shortfall, take_rows
from ritornello.schema import ONE_DAY_MS, PADDING, Action

SEED = 20_200_102
AGAIN = "this session has played or skipped all there is: it starts again"


class PersonalFMConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings: `explore` is the share of slots given to chance, `skip_penalty` what a skip costs in standard deviations.

    `utility` is how much what an offer would come to (finished, liked, skipped) counts beside what is likely next, where a
    ranker of offers was trained; `pool` is how many times the length of the list is considered, `tired` how many skips an
    artist survives less one.
    """

    familiarity: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    explore: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
    repeats: bool = False
    skip_penalty: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    utility: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    tired: Annotated[float, msgspec.Meta(gt=0)] = 3.0
    artist_cap: Annotated[int, msgspec.Meta(ge=1)] = 3
    artist_gap: Annotated[int, msgspec.Meta(ge=0)] = 2
    pool: Annotated[int, msgspec.Meta(ge=1)] = 8


class PersonalFM:
    """Play on from where the session is."""

    Config = PersonalFMConfig

    def __init__(self, config: PersonalFMConfig) -> None:
        self.config = config

    def moment(self, at: int, zone: str = UTC_ZONE) -> int:
        return at

    def recommend(self, pipeline: Pipeline, history: History, k: int, asked: Asked = NOTHING) -> Slate:
        slates = []
        for rows in batches(history):
            ranked = pipeline.rank(rows, task="next", utility=self.config.utility, scene="personal_fm")
            slate = top(ranked, rows, ranked.track_BN.shape[1])
            picks = [self._stream(pipeline, rows, slate, row, k, asked) for row in range(len(rows))]
            slates.append(take_rows(slate, picks, k))
        return join(slates, tuple(pipeline.channels), k)

    def _stream(self, pipeline: Pipeline, history: History, slate: Slate, row: int, k: int, asked: Asked) -> Pick:
        """Return one row's next tracks with their propensities."""
        allowed = ruled(pipeline, history, slate, row, asked)
        played, shortlist = self._answer(pipeline, history, row, allowed)
        told = "" if len(shortlist) or not len(allowed) else AGAIN
        shortlist = cap_artists(shortlist if len(shortlist) else allowed, self.config.artist_cap)
        shortlist = shortlist.take(np.arange(min(len(shortlist), k * self.config.pool)))
        best = choose(shortlist, k, self.config.familiarity)
        rest = without(shortlist, best.track_N)
        num_events = int(np.count_nonzero(history.track_BL[row] != PADDING))
        day = int(history.as_of_B[row]) // ONE_DAY_MS
        generator = np.random.default_rng((SEED, int(history.user_B[row]), day, num_events))
        spaced = space_artists(best, self.config.artist_gap, before=played)
        chosen, propensity_N = explore(spaced, rest, self.config.explore, generator)
        told = note(newcomer(history, row), told, shortfall(len(chosen), k))
        return Pick(index_N=chosen.index_N, title="Personal FM", note=told, propensity_N=propensity_N)

    def _answer(
        self, pipeline: Pipeline, history: History, row: int, shortlist: Shortlist
    ) -> tuple[tuple[int, ...], Shortlist]:
        """Leave out what the session has played, and move artists as it has skipped and liked them.

        Returns the artists that it has played, the newest last, and the shortlist.
        """
        session = running(history, row)
        track_E, action_E = history.track_BL[row, session], history.action_BL[row, session]
        if not self.config.repeats:
            shortlist = without(shortlist, track_E[action_E == Action.PLAY])
        artist_E = pipeline.stats.artist_T[np.where(track_E < len(pipeline.stats.artist_T), track_E, PADDING)]
        ratio_E = history.play_ratio_BL[row, session]
        weary = weariness(artist_E, action_E, ratio_E, tired=self.config.tired)
        spared = spare(shortlist, weary, tired=self.config.tired, penalty=self.config.skip_penalty)
        return tuple(artist_E[action_E == Action.PLAY].tolist()), spared
