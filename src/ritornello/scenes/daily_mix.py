"""Daily mix: a list for the day, in the user's long-term taste; familiar and new in one line.

Its promise: distinct tracks, at most `artist_cap` of an artist and none of one artist within `artist_gap`, nothing the
user dislikes or blocks; the same user and day give the same list, the next day gives another. It is answered from the
history up to the start of the day in the user's own time zone, so that listening to it does not change it. The ranker looks
weeks ahead; which of the heard tracks come back tomorrow is a matter of memory, so that orders them among themselves (see
recall/relisten.py). A newcomer gets what people play now, a small catalogue a shorter list; both are told in the note.
"""

from typing import Annotated

import msgspec
import numpy as np

from ritornello.contracts import Float32, History, Slate
from ritornello.data.sparse import values_at
from ritornello.pipeline import Pipeline, batches, join, top
from ritornello.recall.relisten import RelistenConfig, activation
from ritornello.rerank.diversity import cap_artists
from ritornello.rerank.exploration import shuffle_softly
from ritornello.rerank.familiarity import choose
from ritornello.rerank.memory import order_heard
from ritornello.rerank.spacing import space_artists
from ritornello.scenes import NOTHING, Asked
from ritornello.scenes.days import UTC_ZONE, day_number, start_of_day
from ritornello.scenes.picks import Pick, newcomer, note, ruled, shortfall, take_rows

SEED = 20_200_101


class DailyMixConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings: `familiarity` is the share of heard tracks (None: the ranker decides), `temperature` how much days differ.

    `pool` is how many times the length of the list is considered, `memory` how much memory orders the heard tracks,
    `utility` how much what an offer would come to counts, where a ranker of offers was trained.
    """

    familiarity: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    artist_cap: Annotated[int, msgspec.Meta(ge=1)] = 2
    artist_gap: Annotated[int, msgspec.Meta(ge=0)] = 3
    temperature: Annotated[float, msgspec.Meta(ge=0)] = 0.1
    pool: Annotated[int, msgspec.Meta(ge=1)] = 8
    memory: Annotated[float, msgspec.Meta(ge=0)] = 8.0
    utility: Annotated[float, msgspec.Meta(ge=0)] = 0.5


class DailyMix:
    """Make the list of the day."""

    Config = DailyMixConfig

    def __init__(self, config: DailyMixConfig) -> None:
        self.config = config

    def moment(self, at: int, zone: str = UTC_ZONE) -> int:
        return start_of_day(at, zone)

    def recommend(self, pipeline: Pipeline, history: History, k: int, asked: Asked = NOTHING) -> Slate:
        slates = []
        for rows in batches(history):
            ranked = pipeline.rank(rows, task="window", utility=self.config.utility, scene="daily_mix")
            slate = top(ranked, rows, k * self.config.pool)
            strength_BK = own_strength(pipeline, rows, slate)
            picks = [self._mix(pipeline, rows, slate, strength_BK, row, k, asked) for row in range(len(rows))]
            slates.append(take_rows(slate, picks, k))
        return join(slates, tuple(pipeline.channels), k)

    def _mix(
        self, pipeline: Pipeline, history: History, slate: Slate, strength_BK: Float32, row: int, k: int, asked: Asked
    ) -> Pick:
        """Return one row's list, in the order to play it."""
        day = day_number(int(history.as_of_B[row]), asked.time_zone)
        generator = np.random.default_rng((SEED, int(history.user_B[row]), day))
        shortlist = ruled(pipeline, history, slate, row, asked)
        shortlist = order_heard(shortlist, strength_BK[row, shortlist.index_N], self.config.memory)
        shortlist = shuffle_softly(shortlist, self.config.temperature, generator)
        shortlist = cap_artists(shortlist, self.config.artist_cap)
        shortlist = choose(shortlist, k, self.config.familiarity)
        shortlist = space_artists(shortlist, self.config.artist_gap)
        told = note(newcomer(history, row), shortfall(len(shortlist), k))
        return Pick(index_N=shortlist.index_N, title="Daily mix", note=told)


def own_strength(pipeline: Pipeline, history: History, slate: Slate) -> Float32:
    """Return how strongly each row remembers each track of its slate, 0 for what it has not listened to."""
    num_tracks = len(pipeline.stats.value_TF) - 1
    strength_BT = activation(history, RelistenConfig().decays, num_tracks)
    row_P = np.repeat(np.arange(len(slate)), slate.track_BK.shape[1])
    return values_at(strength_BT, row_P, slate.track_BK.ravel()).reshape(slate.track_BK.shape)
